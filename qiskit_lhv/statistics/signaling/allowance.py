"""Whether a violation exceeds what signaling can explain, given how much of it the marginals show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray, IntArray
from ..._support.validation import frozen, generator, probability, real_number, shown
from ...exceptions import CountsError, ScenarioError, SolverError
from ...polytope.bounds.local_bounds import enumeration_size
from ...polytope.expressions.expression import BellExpression
from ...polytope.expressions.families import chsh
from ...polytope.inequalities.bell_inequality import BellInequality
from ...targets.behaviors import Behavior
from ...targets.coordinates import (
    apply_per_party,
    collins_gisin_matrices,
    from_party_axes,
    full_table_from_collins_gisin_matrices,
    to_party_axes,
)
from ...targets.counts import BellCounts, require_counts
from ...targets.measured_settings import require_complete
from ...targets.projections import project_to_no_signaling
from ...targets.scenario import BellScenario
from ...verification.evidence import Evidence
from ...verification.result import Verification, combine
from ...verification.signaling_limits import check_signaling_limits, two_party_visible_signaling
from ..random_orders import MAX_DRAWN, random_part
from .allowance_limits import AllowanceLimits
from .amounts import hidden_signaling, visible_signaling

__all__ = ["SignalingAllowance", "check_kappa", "signaling_allowance"]


# Shots of a setting that choose the expression: a quarter of all where shots are few, a tenth where they are many.
_LARGEST_FRACTION, _SMALLEST_FRACTION, _ENOUGH_TRAINING = 0.25, 0.1, 500
# Shots from which NumPy draws no part, and what is drawn of each setting then.
_ENOUGH_OF_MANY = 10_000
# Shots of a setting that tell which of the eight forms of CHSH is violated.
_TRAINING_FOR_CHSH = 48
# The largest scenarios: strategies of all parties but one, and ways to change one party's outcome in one cell.
_MOST_STRATEGIES, _MOST_CHANGES = 1 << 10, 6000
# Parameters of no-signaling behaviors up to which the nearest one is found.
_MOST_PROJECTED = 100
_EXPRESSION_BITS = 40
# No kappa above this says anything.
_LARGEST_KAPPA = 1e9


@dataclass(frozen=True, eq=False, repr=False)
class SignalingAllowance(Evidence):
    """Whether a violation exceeds what signaling can explain, given how much of it the marginals show.

    An amount of signaling is the probability that the others' settings change a party's outcome from what a local model
    gives, summed over parties, their settings and all settings of the others. For CHSH a local model needs at least
    (S - 2) / 2.

    References:
        J. V. Kujala, E. N. Dzhafarov, J.-A. Larsson, Phys. Rev. Lett. 115, 150401 (2015), arXiv:1412.4724
        (contextuality by default; kappa = 1); arXiv:2602.05507 (bounded signaling).

    Examples:
        >>> from qiskit_lhv import load_bundled_counts
        >>> from qiskit_lhv.statistics import signaling_allowance
        >>> allowance = signaling_allowance(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1)
        >>> print(allowance)
        a local model needs hidden signaling of 0.3841 (above 0.3750), more than 5 times the 0.0021 (below 0.0218)
         that marginals show: it stands up to kappa = 19.33
        >>> allowance.exceeded, round(allowance.largest_kappa, 1), bool(allowance.verify())
        (True, 19.3, True)
    """

    inequality: BellInequality
    """Every local model with influences obeys ``expression - bound <= amount``, since one changed outcome changes the
    expression by at most 1."""
    tested: NDArray[np.int64]
    """The shots that the inequality is tested with."""
    trained: NDArray[np.int64]
    """The shots that chose the inequality."""
    hidden_needed: float
    """Estimate of the amount that a local model needs: by how much the inequality is violated, or what marginals show,
    if that is more."""
    hidden_lower: float
    """Lower confidence limit of the amount that a local model needs."""
    visible: float
    """The amount that the marginals of the tested shots show (of all shots for CHSH)."""
    visible_upper: float
    """Upper confidence limit of the amount that marginals show; both limits hold together with confidence 1 - alpha."""
    kappa: float
    """Assumed largest ratio of all signaling to the part that marginals show."""
    alpha: float
    """Error probability of ``exceeded``, and of both limits together."""
    exceeded: bool
    """Whether a local model needs more than kappa times what marginals show. The two amounts are compared in one test,
    where their errors add up as squares; it is sharper than a comparison of the two limits."""
    largest_kappa: float
    """The largest kappa for which that holds; 0 if there is none."""

    def __post_init__(self) -> None:
        for name in ("tested", "trained"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    def __str__(self) -> str:
        relation = "more" if self.exceeded else "not more"
        # An amount is not negative, whatever its lower limit.
        lower = max(0.0, self.hidden_lower)
        return (
            f"a local model needs hidden signaling of {self.hidden_needed:.4f} (above {lower:.4f}), "
            f"{relation} than {self.kappa:g} times the {self.visible:.4f} (below {self.visible_upper:.4f}) that "
            f"marginals show: it stands up to kappa = {self.largest_kappa:.2f}"
        )

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Re-proves the local bound, that one changed outcome changes the expression by at most 1, and all figures.

        Limits are checked by other code than the code that found them. Whether the shots were divided by chance is not
        checked here; ``LocalityReport.verify`` divides them again.

        Args:
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
        """
        check_kappa(self.kappa)
        alpha = probability(self.alpha, "alpha", CountsError, open_interval=True)
        scenario = self.inequality.expression.scenario
        if not scenario.shape == self.tested.shape == self.trained.shape or self.trained.min() < 0:
            return Verification(False, "the shots are not those of the inequality's scenario", math.inf)
        if self.tested.min() < 0 or not self.tested.sum(axis=scenario.outcome_axes).min() > 0:
            return Verification(False, "a setting combination has no shots that are tested", math.inf)
        if np.any(self.tested[~scenario.mask]) or np.any(self.trained[~scenario.mask]):
            return Verification(False, f"the shots are not those of {scenario}", math.inf)
        slope = _steepest(self.inequality.expression.coefficients, scenario)
        lipschitz = Verification(
            slope <= 1 + 1e-12, f"one changed outcome changes the expression by {slope:.9g}", slope
        )
        if not lipschitz:
            return lipschitz
        expression = self.inequality.expression.coefficients
        seen = self.tested + self.trained if scenario.is_chsh else self.tested
        seen = seen / seen.sum(axis=scenario.outcome_axes, keepdims=True)
        # Of more parties the amount is that of a linear program, solved again.
        visible = two_party_visible_signaling(seen) if scenario.num_parties == 2 else visible_signaling(seen)
        needed = math.fsum((expression * seen).flat) - self.inequality.bound.value
        amounts = ((self.hidden_needed, max(visible, needed)), (self.visible, visible))
        error = max(_distance(found, claimed) for claimed, found in amounts)
        if error > 1e-9:
            return Verification(False, f"the shots show {visible:.6g}, and violate by {needed:.6g}", error)
        limits = check_signaling_limits(
            self.tested,
            expression,
            self.inequality.bound.value,
            visible,
            scenario.mask,
            alpha,
            (self.hidden_lower, self.visible_upper, self.largest_kappa),
            self.kappa,
            self.exceeded,
        )
        bound = self.inequality.verify(prove_bound=prove_bound)
        return combine(bound, lipschitz, limits)


def signaling_allowance(
    counts: BellCounts, *, alpha: float = 0.01, kappa: float = 5.0, seed: int | None = None
) -> SignalingAllowance:
    """Compares the hidden signaling that a local model needs with what marginals show.

    A local model with influences gives each party a reference outcome for each of its settings, which the settings of
    the others may change. The least total probability of changes is a linear program, whose dual is a Bell expression.
    Amounts are counted as in the theory of contextuality-by-default, so that the criterion for CHSH is
    ``S > 2 + kappa D``, where D is the summed shifts of the four marginal expectation values (kappa = 1 is exact).
    Part of a crosstalk can hide from the marginals, so kappa is an assumption about the device.

    A random part of the shots chooses the expression, and the other shots test it. For CHSH about fifty shots of each
    setting choose among the eight forms; in other scenarios a tenth to a quarter of all shots choose it through the
    linear program. Whether the expression exceeds kappa times the visible signaling is then one test (see
    :class:`.allowance_limits.AllowanceLimits`), for independent shots with the same behavior throughout.

    Args:
        counts: The counts.
        alpha: Error probability of the comparison.
        kappa: Assumed largest ratio of all signaling to the part that marginals show, at least 1.
        seed: Seed of the random choice of the shots that choose the expression.

    Returns:
        Both amounts with their limits, whether the violation exceeds kappa times what marginals show, and the largest
        such kappa.

    Raises:
        CountsError: If alpha is not between 0 and 1, kappa is below 1, or a setting combination was not measured.
        SolverError: If a linear program fails, the scenario is too large (more than 1024 strategies of all parties but
            one, or 6000 ways to change one party's outcome in one cell), or a setting has no shots left to be tested.

    References:
        J. V. Kujala, E. N. Dzhafarov, J.-A. Larsson, Phys. Rev. Lett. 115, 150401 (2015), arXiv:1412.4724
        (contextuality by default, cyclic systems; kappa = 1); arXiv:2602.05507 (bounded signaling).

    Examples:
        How strong hidden influences would have to be to explain the violation of two pairs of qubits:

        >>> from qiskit_lhv import load_bundled_counts
        >>> for name in ("ibm_hanoi19_20circuit13", "ibm_mumbai23_24circuit13"):
        ...     allowance = signaling_allowance(load_bundled_counts(name).counts, seed=1)
        ...     print(f"{allowance.hidden_needed:.3f} needed, {allowance.visible:.4f} visible", allowance.exceeded)
        0.384 needed, 0.0021 visible True
        0.225 needed, 0.0147 visible True
    """
    counts = require_complete(require_counts(counts), "to weigh a violation against signaling")
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    check_kappa(kappa)
    rng = generator(seed)
    scenario = counts.scenario
    changes = scenario.num_cells * sum(d - 1 for d in scenario.max_outcomes)
    if changes > _MOST_CHANGES or enumeration_size(scenario) > _MOST_STRATEGIES:
        raise SolverError(
            f"signaling_allowance: {scenario} have too many strategies, or too many ways to change an outcome, "
            "to compare a violation with signaling."
        )
    fewest = int(counts.num_shots.min())
    fraction = max(_SMALLEST_FRACTION, _ENOUGH_TRAINING / fewest)
    if scenario.is_chsh:
        fraction = (_TRAINING_FOR_CHSH + 0.5) / fewest
    trained = _training_part(counts, min(_LARGEST_FRACTION, fraction), rng)
    tested = counts.array - trained
    if tested.sum(axis=scenario.outcome_axes).min() == 0:
        raise SolverError("signaling_allowance: a setting combination has no shot left to be tested.")
    if scenario.is_chsh:
        inequality = _best_chsh_form(_smoothed(trained, scenario))
        seen = counts.frequencies().array
    else:
        try:
            _, found = hidden_signaling(_no_signaling_part(trained, scenario), scenario)
            inequality = _exact_inequality(found, scenario)
        except ScenarioError as exc:
            raise SolverError(f"signaling_allowance: {exc}") from exc
        # Shots that chose the expression would overstate its value.
        seen = tested / tested.sum(axis=scenario.outcome_axes, keepdims=True)
    visible = visible_signaling(seen)
    needed = float(np.sum(inequality.expression.coefficients * seen)) - inequality.bound.value
    # For CHSH every function that shows signaling is listed, so that limits do not use the amount.
    expression = inequality.expression
    limits = AllowanceLimits(expression.coefficients, inequality.bound.value, tested, visible, scenario.mask)
    lower, upper, largest, exceeded = _figures(limits, float(kappa), alpha)
    return SignalingAllowance(
        inequality=inequality,
        tested=tested,
        trained=trained,
        hidden_needed=max(visible, needed),
        hidden_lower=lower,
        visible=visible,
        visible_upper=upper,
        kappa=float(kappa),
        alpha=alpha,
        exceeded=exceeded,
        largest_kappa=largest,
    )


def _distance(found: float, claimed: float) -> float:
    """How far a figure is from the claim; infinite if the claim is not a finite number."""
    return 0.0 if found == claimed else abs(found - claimed) if math.isfinite(claimed) else math.inf


def _training_part(counts: BellCounts, fraction: float, rng: np.random.Generator) -> IntArray:
    """A random part of the shots; if there are very many, only as many as serve to choose an expression."""
    rows = 1 if counts.design == "random" else counts.scenario.num_setting_combinations
    cells = counts.array.reshape(rows, -1)
    if cells.sum(axis=1).max() < MAX_DRAWN:
        return random_part(counts, fraction, rng)
    wanted = _ENOUGH_OF_MANY * (counts.scenario.num_setting_combinations // rows)
    drawn = np.zeros_like(cells)
    for row, part in zip(cells, drawn, strict=True):
        shots = np.empty(0, dtype=np.int64)
        number = min(wanted, int(_LARGEST_FRACTION * row.sum()))
        while len(shots) < number:
            shots = np.union1d(shots, rng.integers(int(row.sum()), size=number - len(shots)))
        np.add.at(part, np.searchsorted(np.cumsum(row), shots, side="right"), 1)
    return drawn.reshape(counts.array.shape)


def _figures(limits: AllowanceLimits, kappa: float, alpha: float) -> tuple[float, float, float, bool]:
    """Both limits, the largest kappa that is exceeded, and whether the given one is."""
    return (
        limits.hidden_lower(alpha / 2),
        limits.visible_upper(alpha / 2),
        limits.largest_kappa(alpha),
        limits.exceeded(kappa, alpha),
    )


def _smoothed(counts: IntArray, scenario: BellScenario) -> FloatArray:
    """Frequencies of counts with one more shot, which had all outcomes alike, for every setting combination."""
    smoothed = counts + scenario.white_noise_table
    frequencies: FloatArray = smoothed / smoothed.sum(axis=scenario.outcome_axes, keepdims=True)
    return frequencies


def _no_signaling_part(trained: IntArray, scenario: BellScenario) -> FloatArray:
    """A no-signaling behavior near the shots: signaling, which is subtracted later, must not choose the expression."""
    frequencies = _smoothed(trained, scenario)
    if scenario.num_no_signaling_parameters <= _MOST_PROJECTED:
        weights = trained.sum(axis=scenario.outcome_axes) + 1
        return project_to_no_signaling(Behavior(frequencies, scenario), weights).array
    # Means of the marginals that should agree; probabilities that become negative by this are cut off.
    short = apply_per_party(to_party_axes(frequencies, scenario), collins_gisin_matrices(scenario))
    full = apply_per_party(short, full_table_from_collins_gisin_matrices(scenario))
    positive = np.maximum(from_party_axes(full, scenario), 0)
    near: FloatArray = positive / positive.sum(axis=scenario.outcome_axes, keepdims=True)
    return near


def _best_chsh_form(frequencies: FloatArray) -> BellInequality:
    """The form of CHSH whose value is largest."""
    return max(_forms_of_chsh(), key=lambda form: float(np.sum(form.expression.coefficients * frequencies)))


@lru_cache(maxsize=1)
def _forms_of_chsh() -> tuple[BellInequality, ...]:
    """Half of each of the eight forms: one changed outcome changes it by 1."""
    forms = [sign * chsh((x, y)).coefficients / 2 for x in (0, 1) for y in (0, 1) for sign in (1, -1)]
    return tuple(BellInequality.of(BellExpression(form)) for form in forms)


def _exact_inequality(coefficients: FloatArray, scenario: BellScenario) -> BellInequality:
    """The expression in binary fractions, scaled so that one changed outcome changes it by at most 1."""
    scale = 2.0**_EXPRESSION_BITS
    rounded = np.rint(coefficients / max(1.0, _steepest(coefficients, scenario)) * (1 - 2.0**-30) * scale) / scale
    return BellInequality.of(BellExpression(rounded, scenario))


def _steepest(coefficients: FloatArray, scenario: BellScenario) -> float:
    """The largest change of a coefficient when one party's outcome changes."""
    n, coefficients = scenario.num_parties, scenario.filled(coefficients)
    return max(float(np.ptp(coefficients, axis=n + k).max()) for k in range(n))


def check_kappa(kappa: float) -> None:
    """Raises CountsError unless kappa is a finite number of at least 1."""
    expected = f"a number from 1 to {_LARGEST_KAPPA:g}"
    if not 1 <= real_number(kappa, "kappa", CountsError, expected=expected) <= _LARGEST_KAPPA:
        raise CountsError.bad_argument(
            "kappa",
            expected=expected,
            got=shown(kappa),
            remedy="1 assumes that marginals show all the signaling there is.",
        )
