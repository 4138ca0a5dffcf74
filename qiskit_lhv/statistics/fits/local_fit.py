"""The local model that explains frequencies best: maximum likelihood with a duality gap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..._support.deadlines import Deadline
from ..._support.threads import one_blas_thread
from ..._support.types import FloatArray, IntArray
from ..._support.validation import frozen, instance, positive_number
from ...exceptions import ScenarioError, SolverError
from ...models.deterministic import DeterministicModel, enumerate_strategies, mixture_table
from ...polytope.bounds.local_bounds import enumeration_size
from ...targets.behaviors import Behavior
from ...targets.counts import BellCounts
from ...targets.measured_settings import filled_frequencies
from ...targets.projections import divergence, setting_shares
from ...targets.scenario import BellScenario
from ...verification.branches import left_open
from ...verification.evidence import Evidence
from ...verification.local_bounds import exact_local_bound, local_bound_cost
from ...verification.models import exact_model_table
from ...verification.result import Verification, combine
from .conditional_fits import ConditionalProblem, conditional_size
from .generated_fits import GeneratedFits, exact_largest_sum
from .mixtures import listed_problem

__all__ = ["LocalFit", "fit_local_model", "is_listed"]


# All strategies are listed up to this number, and while a step with all of them takes no more than so many products.
MAX_LISTED = 4096
_MAX_STEP_WORK = 1e8
# Strategies of all parties but one are listed if they are about as few as a fit needs, or while a step with all of them
# takes no more than so many products.
_LISTED_PER_COORDINATE = 2
_MAX_FIT_WORK = 3e7
_MAX_DENSE_COORDINATES = 2500
_MAX_CONDITIONAL = 1 << 23
# Rounding of the weights' sum.
_WEIGHTS_ATOL = 1e-9
# Above this, a gap that was not wished for is worth another solver.
_SMALL_GAP = 1e-7


@dataclass(frozen=True, eq=False, repr=False)
class LocalFit(Evidence):
    """The local model with the smallest Kullback-Leibler divergence from frequencies.

    References:
        Y. Zhang, S. Glancy, E. Knill, Phys. Rev. A 84, 062118 (2011), arXiv:1108.2468, section III.

    Examples:
        >>> from qiskit_lhv import load_bundled_counts
        >>> from qiskit_lhv.statistics import fit_local_model
        >>> fit = fit_local_model(load_bundled_counts("delft_2015").counts)
        >>> print(f"{fit.divergence:.5f} nats per trial, log-likelihood deficit {245 * fit.divergence:.3f}")
        0.01255 nats per trial, log-likelihood deficit 3.074
        >>> fit.duality_gap < 1e-9, fit.model.behavior().array.shape, bool(fit.verify())
        (True, (2, 2, 2, 2), True)
    """

    model: DeterministicModel
    """The model."""
    divergence: float
    """``sum_x w_x KL(f(.|x) || q(.|x))`` of the model's behavior q, in nats per trial."""
    duality_gap: float
    """The model's divergence exceeds the least possible one by at most this, in nats per trial."""
    target: Behavior
    """The frequencies f, with white noise in place of what was not measured."""
    weights: FloatArray
    """Weight w_x of each setting combination, summing to 1, shape ``(m_1, ..., m_N)``; 0 where nothing was measured."""

    def __str__(self) -> str:
        return f"local fit: {self.divergence:.6g} nats per trial, at most {self.duality_gap:.2g} above the least"

    def verify(self, atol: float = 1e-9, *, prove_bound: bool | None = None) -> Verification:
        """Re-checks divergence and gap from the model alone, with another bound algorithm.

        Args:
            atol: Error allowed in divergence and gap, in nats per trial.
            prove_bound: Whether to prove the gap again, which is a local bound; see ``BellInequality.verify``.
        """
        weights = self.weights
        if weights.shape != self.target.scenario.num_settings or not weights.min() >= 0:
            return Verification(False, "the weights are not those of the setting combinations", math.inf)
        total = math.fsum(weights.flat)
        if not abs(total - 1) <= _WEIGHTS_ATOL or self.model.scenario != self.target.scenario:
            return Verification(False, f"the weights add up to {total}, or the model has another scenario", math.inf)
        table = exact_model_table(self.model.weights, self.model.strategies, self.model.scenario.shape)
        q = np.array([float(entry) for entry in table]).reshape(self.target.array.shape)
        recomputed = divergence(self.target, Behavior(q, self.target.scenario), self.weights)
        fits = Verification(
            abs(recomputed - self.divergence) <= atol, f"the model's divergence is {recomputed:.9g} nats per trial"
        )
        again = left_open(
            local_bound_cost(self.target.array.shape, self.target.scenario.num_outcomes), prove_bound, "the duality gap"
        )
        if not fits or not again:
            return combine(fits, again)
        ratio = _ratios(_cell_weights(self.target, self.weights), q)
        # Rounded up to binary fractions of few bits, so that the bound is exact and not too small.
        scale = 2.0 ** np.floor(52 - np.log2(ratio.sum() + 1))
        gap = float(exact_local_bound(np.ceil(ratio * scale) / scale, (), self.target.scenario.num_outcomes)) - 1
        optimal = Verification(
            gap <= self.duality_gap + atol, f"no local model lies more than {max(gap, 0):.2g} nats per trial below"
        )
        return combine(fits, optimal)


@one_blas_thread()
def fit_local_model(
    target: Behavior | BellCounts,
    weights: ArrayLike | None = None,
    *,
    tolerance: float = 1e-10,
    relative_tolerance: float = 0.0,
    time_limit: float | None = None,
) -> LocalFit:
    """The local model that fits counts or a behavior best: the maximum-likelihood mixture of deterministic strategies.

    For counts, its divergence is the log-likelihood deficit of the best local model, divided by the number of trials.
    It is found by interior-point methods: on the mixture's weights, where strategies are generated by the exact local
    bound if there are too many to list; or, for many outcomes, on one party's answers to each strategy of the others.

    The fit ends when the duality gap is small enough or no longer falls. In scenarios of a few hundred cells it then is
    about 1e-9 nats at worst, in larger ones more (about 1e-3 for 2 x 2 settings of 64 outcomes). The result holds the
    gap that was reached.

    Args:
        target: Counts, or a behavior.
        weights: Weight of each setting combination, shape ``(m_1, ..., m_N)``, at least 0; default: the
            shots of counts, or equal weights for a behavior. What has weight 0 does not count.
        tolerance: Duality gap to reach, in nats per trial.
        relative_tolerance: The gap may also be this share of the divergence; 0.001 saves half of the time or more.
        time_limit: Seconds; default: no limit, see :ref:`time-limits`.

    Returns:
        The model, its divergence and the gap.

    Raises:
        ScenarioError: If the weights do not fit or the scenario is too large.
        SolverError: If no model was found, or the time was over before the gap was small enough.

    References:
        Y. Zhang, S. Glancy, E. Knill, Phys. Rev. A 84, 062118 (2011), arXiv:1108.2468, section III; N. von Selzam, F.
        Marquardt, arXiv:2407.04673 (the same loss).

    Examples:
        >>> from qiskit_lhv import Behavior, chsh, ghz_state
        >>> fit = fit_local_model(Behavior.from_state(ghz_state(2, 0.9), "chsh"))
        >>> print(f"{fit.divergence:.6f} nats per trial")
        0.013297 nats per trial
        >>> print(f"S = {chsh().value(fit.target):.4f}, of the local model {chsh().value(fit.model.behavior()):.4f}")
        S = 2.5456, of the local model 2.0000
    """
    instance(target, (Behavior, BellCounts), "target", ScenarioError)
    tolerance = positive_number(tolerance, "tolerance", ScenarioError, zero=True)
    relative_tolerance = positive_number(relative_tolerance, "relative_tolerance", ScenarioError, zero=True)
    if isinstance(target, BellCounts):
        weights = target.num_shots if weights is None else weights
        target = filled_frequencies(target)
    share = setting_shares(target, weights)
    cells = _cell_weights(target, share)
    deadline = Deadline(time_limit)
    search = _Search(cells, target.scenario, tolerance, relative_tolerance, deadline)
    mixture, strategies, gap = search.run()
    if not np.isfinite(gap):
        raise SolverError("fit_local_model: no local model was found. Mix the target with a little white noise first.")
    model = DeterministicModel.from_weights(mixture, strategies, target.scenario, cutoff=1e-14)
    found = divergence(target, model.behavior(), share)
    if deadline.over and gap > max(tolerance, relative_tolerance * found):
        raise SolverError(f"fit_local_model: the time limit was over at a gap of {gap:.2g} nats per trial.")
    return LocalFit(model, found, max(gap, 0.0), target, frozen(share))


def is_listed(scenario: BellScenario) -> bool:
    """Whether fits in this scenario list all strategies."""
    work = scenario.num_strategies * (scenario.num_no_signaling_parameters + 1) ** 2
    return scenario.num_strategies <= MAX_LISTED and work <= _MAX_STEP_WORK


class _Search:
    """Finds the mixture for one target, by the method that suits its scenario."""

    def __init__(
        self,
        cells: FloatArray,
        scenario: BellScenario,
        tolerance: float,
        relative_tolerance: float,
        deadline: Deadline,
    ) -> None:
        self._cells = cells
        self._scenario = scenario
        self._tolerance = tolerance
        self._relative = relative_tolerance
        self._deadline = deadline
        self._coordinates = scenario.num_no_signaling_parameters + 1

    def run(self) -> tuple[FloatArray, IntArray, float]:
        """Weights, strategies and the gap of their mixture."""
        scenario, coordinates = self._scenario, self._coordinates
        conditional = conditional_size(scenario) <= _MAX_CONDITIONAL
        if coordinates > _MAX_DENSE_COORDINATES and not conditional:
            raise ScenarioError.bad_argument(
                "target",
                expected=f"at most {_MAX_DENSE_COORDINATES} parameters of no-signaling behaviors, or "
                f"{_MAX_CONDITIONAL} answers of one party to the strategies of the others",
                got=f"{coordinates} and {conditional_size(scenario)}",
                remedy="Use fewer settings or outcomes.",
            )
        count = enumeration_size(scenario)
        if is_listed(scenario):
            found = self._listed()
        elif conditional and (count <= _LISTED_PER_COORDINATE * coordinates or count * coordinates**2 <= _MAX_FIT_WORK):
            return self._answers()
        else:
            return self._generated()
        if found[2] > max(self._tolerance, _SMALL_GAP) and self._relative == 0 and conditional:
            # A degenerate target, on which dense systems lost their digits.
            found = min(found, self._answers(), key=lambda fit: fit[2])
        return found

    def _listed(self) -> tuple[FloatArray, IntArray, float]:
        strategies = enumerate_strategies(self._scenario)
        problem = listed_problem(self._scenario)
        mixture = problem.fit(self._cells.reshape(1, -1), self._tolerance, self._relative)[0][0]
        gap = float((problem.tables @ self._ratios(mixture @ problem.tables).ravel()).max()) - 1
        return mixture, strategies, gap

    def _answers(self) -> tuple[FloatArray, IntArray, float]:
        """Fits the last party's answers to all strategies of the others."""
        problem = ConditionalProblem.of(self._scenario)
        v, _ = problem.fit(self._cells.ravel(), self._tolerance, self._relative, deadline=self._deadline)
        mixture, strategies = problem.strategies_of(v)
        q = mixture_table(mixture, strategies, self._scenario)
        return mixture, strategies, problem.largest_sum(self._ratios(q).ravel()) - 1

    def _generated(self) -> tuple[FloatArray, IntArray, float]:
        """The same with those strategies of the others that matter."""
        fits = GeneratedFits(self._scenario)
        model = fits.fit(self._cells.ravel(), self._relative, self._tolerance, exact=True, deadline=self._deadline)
        mixture, strategies = fits.problem.strategies_of(
            fits.problem.sparser(model, self._cells.ravel(), fits.own_gap)[0]
        )
        q = mixture_table(mixture, strategies, self._scenario)
        return mixture, strategies, exact_largest_sum(self._ratios(q).ravel(), self._scenario) - 1

    def _ratios(self, q: FloatArray) -> FloatArray:
        return _ratios(self._cells, q.reshape(self._cells.shape))


def _cell_weights(target: Behavior, share: FloatArray) -> FloatArray:
    return share.reshape(share.shape + (1,) * share.ndim) * target.array


def _ratios(cells: FloatArray, q: FloatArray) -> FloatArray:
    """Gradient of the log-likelihood: a strategy improves a mixture if its sum over cells exceeds 1."""
    return np.divide(cells, q, out=np.zeros_like(cells), where=cells > 0)
