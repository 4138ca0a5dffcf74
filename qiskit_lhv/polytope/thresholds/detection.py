"""Detection thresholds: how often detectors must click for a behavior to stay nonlocal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..._support.deadlines import Deadline
from ..._support.validation import instance, positive_number, probability
from ...exceptions import ScenarioError
from ...models.deterministic import DeterministicModel
from ...targets.behaviors import Behavior
from ...targets.efficiency import Assignment, check_assignment
from ...verification.evidence import Evidence
from ...verification.result import Verification, combine
from ..bounds.local_bounds import local_bound
from ..inequalities.bell_inequality import BellInequality
from ..symmetry.symmetrized_model import SymmetrizedModel
from .efficiency_polynomial import ROUNDING_ERROR, EfficiencyPolynomial
from .threshold import MODEL_ATOL
from .visibility import nonlocality_threshold

__all__ = ["DetectionThreshold", "detection_threshold"]

_NEARLY_LOCAL = 1e-8
_MAX_PROBES = 100
_MAX_SIGNALING = 1e-7

Fixed = tuple[float | None, ...]
Model = DeterministicModel | SymmetrizedModel


@dataclass(frozen=True, eq=False, repr=False)
class DetectionThreshold(Evidence):
    """Lower and upper bound on the detection efficiency above which a behavior stays nonlocal.

    A behavior that is local at one efficiency is local at every smaller one, since each party can discard clicks at
    random. So the model at ``lower`` proves locality at every efficiency below, and the violation at ``upper`` proves
    nonlocality at every efficiency above.

    References:
        A. Garg, N. D. Mermin, Phys. Rev. D 35, 3831 (1987); P. H. Eberhard, Phys. Rev. A 47, R747 (1993).

    Examples:
        >>> from qiskit_lhv import Behavior, ghz_state
        >>> from qiskit_lhv.polytope import detection_threshold
        >>> threshold = detection_threshold(Behavior.from_state(ghz_state(2), "chsh"))
        >>> print(threshold)
        detection threshold in [0.8284..., 0.8284...]
        >>> round(threshold.lower, 4), round(threshold.upper, 4), bool(threshold.verify())
        (0.8284, 0.8284, True)
        >>> threshold.behavior_at(0.9).scenario.num_outcomes  # "no click" is a third outcome
        ((3, 3), (3, 3))
    """

    lower: float
    """Efficiency at which ``model`` reproduces the behavior, which is therefore local there and below."""
    upper: float
    """Efficiency at and above which the behavior is nonlocal, as it violates ``inequality``; 1 without inequality."""
    behavior: Behavior
    """The behavior with perfect detectors."""
    assign: tuple[int | None, ...]
    """The outcome per party that stands for "no click"; ``None``: an additional outcome, the last."""
    fixed: tuple[float | None, ...]
    """The efficiency per party, if it is fixed; ``None``: the efficiency whose threshold is searched for."""
    model: DeterministicModel | SymmetrizedModel | None
    """A local model at ``lower``; ``None`` if none was found at any efficiency."""
    inequality: BellInequality | None
    """A Bell inequality that is violated at ``upper``; ``None`` if the search found none."""
    timed_out: bool = False
    """Whether the caller's time ran out before the search had ended; nothing in the record shows it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "assign", check_assignment(self.assign, self.behavior.scenario))
        object.__setattr__(self, "fixed", _check_fixed(self.fixed, self.behavior.scenario.num_parties))

    def __str__(self) -> str:
        if self.inequality is None and self.lower >= self.upper:
            return "detection threshold: local at every efficiency"
        if self.inequality is not None and self.upper <= 0:
            return "detection threshold: nonlocal at every efficiency"
        return f"detection threshold in [{self.lower:.9g}, {self.upper:.9g}]"

    def behavior_at(self, efficiency: float) -> Behavior:
        """Returns the behavior that the parties observe if all parties without a fixed efficiency have this one.

        Args:
            efficiency: From 0 to 1.

        Raises:
            ScenarioError: If the efficiency is not between 0 and 1.
        """
        return self.behavior.with_efficiency(_efficiencies(efficiency, self.fixed), self.assign)

    def verify(self, atol: float = MODEL_ATOL, *, prove_bound: bool | None = None) -> Verification:
        """Re-checks model, local bound and violation in exact arithmetic, without the solver's code.

        Args:
            atol: Largest deviation of the model from the behavior at ``lower``, in any probability.
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
        """
        checks = [
            Verification(
                0 <= self.lower <= self.upper <= 1, f"0 <= {self.lower!r} <= {self.upper!r} <= 1 bound the threshold"
            )
        ]
        if not checks[0]:
            return checks[0]
        if self.model is None:
            checks.append(Verification(self.lower <= 0, "no model is claimed"))
        else:
            checks.append(self.model.verify(self.behavior_at(self.lower), atol))
        if self.inequality is None:
            checks.append(Verification(self.upper >= 1, "no inequality was found, so nothing is claimed above"))
        else:
            seen = self.behavior_at(self.upper)
            checks.append(self.inequality.verify(seen, ROUNDING_ERROR, prove_bound=prove_bound))
        return combine(*checks)


def detection_threshold(
    behavior: Behavior,
    *,
    assign: int | Sequence[int | None] | None = None,
    fixed: Sequence[float | None] | None = None,
    tolerance: float = 1e-6,
    time_limit: float | None = None,
) -> DetectionThreshold:
    """Finds the smallest detection efficiency above which a behavior stays nonlocal.

    Every party's outcome is registered with probability eta, independently of everything else, as in
    ``Behavior.with_efficiency``. The threshold belongs to this behavior, so to a state *and* settings; others may
    tolerate more losses.

    A local model at one efficiency gives one at every smaller one: each party drops outcomes at random. Hence one
    threshold separates local from nonlocal, and a model on one side and a violated inequality on the other prove
    where it lies. Starting at eta = 1, an inequality is computed, then the efficiency at which it stops being
    violated, and so on until a model exists.

    Args:
        behavior: A no-signaling behavior (within 1e-7), as seen with perfect detectors.
        assign: The outcome that stands for "no click", or one per party; ``None``: an additional outcome, the last.
        fixed: For each party a fixed efficiency, or ``None`` for eta. Default: eta for all parties.
        tolerance: Distance of the two bounds at which the search ends. A violation must exceed rounding errors of 1e-9
            in every probability, which keeps the bounds about 1e-7 apart, and further for violations that are small.
        time_limit: Seconds after which the interval found so far is returned; default: none, see :ref:`time-limits`.

    Returns:
        Lower and upper bound, with the evidence for both. A behavior that is local with perfect detectors has both
        at 1, with a model and no inequality. One that is nonlocal at every eta (because the parties of fixed
        efficiency alone are nonlocal) has both at 0, with an inequality and no model.

    Raises:
        ScenarioError: If the behavior is signaling or an argument is out of range.
        SolverError: If a linear program fails.

    References:
        A. Garg, N. D. Mermin, Phys. Rev. D 35, 3831 (1987); P. H. Eberhard, Phys. Rev. A 47, R747 (1993);
        arXiv:quant-ph/0702130 and arXiv:quant-ph/0701191 (parties of different efficiency);
        arXiv:quant-ph/9803041 (GHZ).

    Examples:
        >>> from qiskit_lhv import Behavior, ghz_state
        >>> threshold = detection_threshold(Behavior.from_state(ghz_state(2), "chsh"))
        >>> round(threshold.upper, 4)
        0.8284
    """
    instance(behavior, Behavior, "behavior", ScenarioError).require_no_signaling(_MAX_SIGNALING, "behavior")
    assignment = check_assignment(assign, behavior.scenario)
    given = _check_fixed(fixed, behavior.scenario.num_parties)
    tolerance = positive_number(tolerance, "tolerance", ScenarioError)
    deadline = Deadline(time_limit)
    search = _Search(behavior, assignment, given, deadline)
    search.start()
    search.run(tolerance)
    return DetectionThreshold(
        search.lower, search.upper, behavior, assignment, given, search.model, search.inequality, search.timed_out
    )


def _check_fixed(fixed: object, num_parties: int) -> Fixed:
    if fixed is None:
        return (None,) * num_parties
    if isinstance(fixed, str) or not isinstance(fixed, Sequence | np.ndarray) or len(fixed) != num_parties:
        raise ScenarioError.bad_argument(
            "fixed", expected=f"None, or {num_parties} entries: an efficiency or None", got=repr(fixed)
        )
    checked = tuple(None if given is None else probability(given, "fixed", ScenarioError) for given in fixed)
    if None not in checked:
        raise ScenarioError.bad_argument(
            "fixed",
            expected="None for at least one party, whose efficiency is asked for",
            got=repr(fixed),
            remedy="Analyze behavior.with_efficiency(...) for given efficiencies.",
        )
    return checked


def _efficiencies(efficiency: float, fixed: Fixed) -> tuple[float, ...]:
    return tuple(efficiency if given is None else given for given in fixed)


class _Search:
    """Search for the threshold: inequalities lower the upper bound, and models raise the lower bound."""

    def __init__(self, behavior: Behavior, assign: Assignment, fixed: Fixed, deadline: Deadline) -> None:
        self.behavior, self.assign, self.fixed, self.deadline = behavior, assign, fixed, deadline
        self.lower, self.upper = 0.0, 1.0
        self.model: Model | None = None
        self.inequality: BellInequality | None = None
        # The lowest and the highest efficiency at which neither a model nor an inequality was found.
        self.undecided: tuple[float, float] | None = None
        self.step = 0.0
        self.timed_out = False

    def start(self) -> None:
        """Finds a model for efficiency 0."""
        if all(given is None for given in self.fixed):
            # Nobody clicks: a single strategy, without any search.
            scenario = self.behavior.with_efficiency(0, self.assign).scenario
            pairs = zip(self.assign, scenario.num_outcomes, strict=True)
            lost = [d - 1 if a is None else a for a, party in pairs for d in party]
            strategy = np.array(lost)[None]
            self.model = DeterministicModel(np.ones(1), strategy, scenario)
        else:
            self.probe(0.0)
            self.undecided = None

    def run(self, tolerance: float) -> None:
        """Probes efficiencies until the bounds are close enough, time is up, or probes decide nothing more."""
        self.step = tolerance / 2
        efficiency = 1.0
        for _ in range(_MAX_PROBES):
            if self.upper - self.lower <= tolerance:
                return
            if self.deadline.over:
                self.timed_out = True
                return
            begin = self.probe(efficiency)
            following = self.following(begin, tolerance)
            if following is None or following == efficiency:
                return
            efficiency = following

    def following(self, begin: float | None, tolerance: float) -> float | None:
        """Returns the next efficiency to try, after an inequality whose violation begins at ``begin``."""
        if begin is not None and self.lower < begin < self.upper:
            return begin
        if self.undecided is None:
            return (self.lower + self.upper) / 2
        lowest, highest = self.undecided
        # Try efficiencies around the undecided ones, farther away each time, but no farther than the middle of the gap.
        if lowest - self.lower > tolerance / 4:
            return max((self.lower + lowest) / 2, lowest - self.step)
        if self.upper - highest > tolerance / 4:
            return min((self.upper + highest) / 2, highest + self.step)
        return None

    def probe(self, efficiency: float) -> float | None:
        """Looks for a model or an inequality at an efficiency, and keeps it.

        Returns:
            The efficiency at which the violation of a new inequality begins; ``None`` without a new inequality.
        """
        seen = self.behavior.with_efficiency(_efficiencies(efficiency, self.fixed), self.assign)
        threshold = nonlocality_threshold(seen, time_limit=self.deadline.left)
        if threshold.lower > 1 - _NEARLY_LOCAL and threshold.model.verify(seen, MODEL_ATOL):
            self.lower, self.model = efficiency, threshold.model
            self.forget()
            return None
        inequality = self.proven(threshold.inequality)
        if inequality is not None:
            violation = EfficiencyPolynomial(inequality, self.behavior, self.assign, self.fixed)
            if violation.at(efficiency) > violation.allowance:
                begin, self.upper = violation.crossing(self.lower, efficiency)
                self.inequality = inequality
                self.forget()
                return begin
        self.step *= 10
        lowest, highest = self.undecided or (efficiency, efficiency)
        self.undecided = min(lowest, efficiency), max(highest, efficiency)
        return None

    def forget(self) -> None:
        """Drops the undecided efficiencies that the bounds have passed."""
        if self.undecided is not None:
            inside = [efficiency for efficiency in self.undecided if self.lower < efficiency < self.upper]
            self.undecided = (min(inside), max(inside)) if inside else None

    def proven(self, inequality: BellInequality | None) -> BellInequality | None:
        """Returns the inequality with an exact local bound, if the bound can be computed in time."""
        if inequality is None or inequality.bound.exact:
            return inequality
        if self.deadline.over:
            return None
        try:
            bound = local_bound(inequality.expression, time_limit=self.deadline.left)
        except ScenarioError:  # too large to enumerate
            return None
        return BellInequality(inequality.expression, bound) if bound.exact else None
