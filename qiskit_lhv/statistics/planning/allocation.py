"""The allocation of shots to settings with which a behavior gives the most evidence against local models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._support.types import FloatArray, IntArray
from ..._support.validation import frozen, generator, positive_number, truth_value, whole_number
from ...exceptions import ScenarioError, SolverError
from ...models.deterministic import DeterministicModel
from ...polytope.bounds.local_bounds import best_strategies
from ...targets.behaviors import Behavior
from ...targets.projections import divergence
from ...verification.evidence import Evidence
from ...verification.models import exact_model_table
from ...verification.result import Verification, combine
from ..fits.local_fit import LocalFit
from .minimax import MinimaxProgram

if TYPE_CHECKING:
    from ...experiments.bell_experiment import BellExperiment

__all__ = ["Allocation", "exact_behavior", "local_error", "optimal_shares", "setting_divergences", "whole_shots"]


NO_EVIDENCE = 1e-9
_MAX_SIGNALING = 1e-7
_MAX_SWEEPS = 100
_LEAST_GROWTH = 1e-6
_SWEEP_TOLERANCE = 1e-7
_LEAST_SHARE = 1e-12
_LEAST_PARTY_SHARE = 1e-9
_GOOD_GAP = 1e-6
_GAP_ROUNDING = 1e-14


@dataclass(frozen=True, eq=False, repr=False)
class Allocation(Evidence):
    """Shares of the setting combinations, and how close their evidence rate is to the largest possible one.

    References:
        W. van Dam, R. D. Gill, P. D. Gruenwald, IEEE Trans. Inf. Theory 51, 2812 (2005), arXiv:quant-ph/0307125.

    Examples:
        >>> import numpy as np
        >>> from qiskit_lhv import Behavior, ghz_state
        >>> from qiskit_lhv.statistics import optimal_shares
        >>> best = optimal_shares(Behavior.from_state(ghz_state(3), "mermin"))
        >>> print(f"{best.bits:.4f} bits per trial, at most {best.upper / np.log(2):.4f} with any shares")
        0.4150 bits per trial, at most 0.4150 with any shares
        >>> best.shares.round(3).tolist()
        [[[0.25, 0.0], [0.0, 0.25]], [[0.0, 0.25], [0.25, 0.0]]]
        >>> int(best.shots(1000).sum()), bool(best.verify())
        (1000, True)
    """

    fit: LocalFit
    """The local model nearest to the behavior with these shares, which proves the rate that they reach."""
    upper: float
    """No shares whatsoever have a rate above this, in nats per trial."""
    upper_model: DeterministicModel
    """The local model that proves this: it diverges from the behavior by no more for every setting combination."""
    is_product: bool
    """Whether the shares were sought among products, where every party draws its setting by itself."""

    @property
    def shares(self) -> FloatArray:
        """Share of each setting combination, summing to 1, shape ``(m_1, ..., m_N)``."""
        return self.fit.weights

    @property
    def behavior(self) -> Behavior:
        """The behavior that is to be tested."""
        return self.fit.target

    @property
    def lower(self) -> float:
        """The rate that the shares are proven to reach, in nats per trial."""
        return self.fit.divergence - self.fit.duality_gap

    @property
    def rate(self) -> float:
        """Expected log-evidence per trial with these shares, in nats; equals ``lower``."""
        return self.lower

    @property
    def bits(self) -> float:
        """The rate in bits per trial."""
        return self.rate / math.log(2)

    def __str__(self) -> str:
        kind = "best product shares found" if self.is_product else "best shares"
        return f"{kind}: {self.rate:.9g} nats per trial, none reach more than {self.upper:.9g}"

    def shots(self, total: int) -> IntArray:
        """Rounds the shares to whole shots, at least one for every setting combination.

        Args:
            total: Shots of all setting combinations together.

        Returns:
            Shape ``(m_1, ..., m_N)``, summing to ``total``.

        Raises:
            ScenarioError: If there are fewer shots than setting combinations.
        """
        return whole_shots(self.shares, total)

    def verify(self, tolerance: float = 1e-7, *, prove_bound: bool | None = None) -> Verification:
        """Re-checks both bounds without the solver's code: the lower one by the fit, the upper one by its model.

        Args:
            tolerance: Error allowed, as a fraction of the proven upper bound (and 1e-14 nats for rounding).
            prove_bound: Whether to prove the fit's gap again; see ``BellInequality.verify``.
        """
        if not 0 <= self.upper < math.inf:
            return Verification(False, f"the upper bound is {self.upper}", math.inf)
        if self.upper_model.scenario != self.behavior.scenario:
            return Verification(False, f"the model of the upper bound has {self.upper_model.scenario}", math.inf)
        table = exact_model_table(self.upper_model.weights, self.upper_model.strategies, self.behavior.scenario.shape)
        q = np.array([float(entry) for entry in table]).reshape(self.behavior.array.shape)
        largest = float(setting_divergences(self.behavior.array, q).max())
        atol = tolerance * largest + _GAP_ROUNDING
        checks = [
            self.fit.verify(atol, prove_bound=prove_bound),
            Verification(
                largest <= self.upper + atol,
                f"a local model diverges by at most {largest:.9g} nats for every setting combination",
                max(0.0, largest - self.upper),
            ),
        ]
        if self.is_product:
            deviation = float(np.abs(_product(_marginals(self.shares)) - self.shares).max())
            checks.append(Verification(deviation <= 1e-12, "the shares are a product", deviation))
        return combine(*checks)


def optimal_shares(
    behavior: Behavior | BellExperiment,
    *,
    product: bool = False,
    tolerance: float = 1e-9,
    num_starts: int = 4,
    seed: int | None = 0,
) -> Allocation:
    """The shares of setting combinations with which a behavior gives the most evidence per trial.

    The rate ``D(w) = min_q sum_x w_x KL(p(.|x) || q(.|x))`` is the least divergence from the local models q. Its
    maximum over the shares w, the statistical strength of the behavior, equals ``min_q max_x KL(p(.|x) || q(.|x))``:
    every w bounds it from below and every q from above. An interior-point method finds the best of both at once.
    Setting combinations that do not help get a share of about 1e-12, so that all stay positive.

    With ``product=True`` the shares are products of one distribution per party, as if every party draws its setting by
    itself. That problem is not concave: one party after the other takes its best distribution, from several starts, and
    only the rate that was reached is claimed. The upper bound is that of all shares.

    Args:
        behavior: A no-signaling behavior (within 1e-7) that is not local, or an experiment (its exact behavior).
        product: Whether the shares must be a product.
        tolerance: Gap between the bounds to reach, as a fraction of the upper one.
        num_starts: Starts for ``product=True``: equal shares, the marginals of the best shares of all, then random
            ones.
        seed: Seed of the random starts.

    Returns:
        The shares, with proven bounds of the largest rate.

    Raises:
        ScenarioError: If the behavior is signaling or local, an option is out of range, or the scenario is too large to
            enumerate all parties but one.
        SolverError: If the relative gap stays above 1e-6 (or above ten times the tolerance).

    References:
        W. van Dam, R. D. Gill, P. D. Gruenwald, IEEE Trans. Inf. Theory 51, 2812 (2005), arXiv:quant-ph/0307125.

    Examples:
        The Mermin test of a GHZ state needs only four of the eight setting combinations:

        >>> from qiskit_lhv import Behavior, ghz_state
        >>> ghz = Behavior.from_state(ghz_state(3), "mermin")
        >>> best = optimal_shares(ghz)
        >>> print(f"{best.bits:.6f} bits per trial")
        0.415037 bits per trial
        >>> best.shots(1000).ravel().tolist()
        [249, 1, 1, 249, 1, 249, 249, 1]
    """
    behavior = exact_behavior(behavior, "behavior")
    product = truth_value(product, "product", ScenarioError)
    tolerance = positive_number(tolerance, "tolerance", ScenarioError)
    num_starts = whole_number(num_starts, "num_starts", ScenarioError)
    rng = generator(seed)
    program = MinimaxProgram(behavior)
    shape = behavior.scenario.num_settings
    shares, model = program.solve(np.eye(behavior.scenario.num_setting_combinations), tolerance)
    shares = np.maximum(shares, _LEAST_SHARE).reshape(shape)
    upper = float(setting_divergences(behavior.array, model.behavior().array).max())
    if upper < NO_EVIDENCE:
        raise local_error(upper)
    fit = _fit(behavior, model, shares / shares.sum())
    gap = upper - fit.divergence + fit.duality_gap
    if gap > max(10 * tolerance, _GOOD_GAP) * upper:
        raise SolverError(f"optimal_shares: the relative gap of the bounds stayed at {gap / upper:.3g}.")
    if not product:
        return Allocation(fit, upper, model, False)
    starts = [[np.full(m, 1 / m) for m in shape], _marginals(fit.weights)][:num_starts]
    starts += [[rng.dirichlet(np.ones(m)) for m in shape] for _ in range(num_starts - 2)]
    fits = [_alternate(program, start) for start in starts]
    best = max(fits, key=lambda fit: fit.divergence - fit.duality_gap)
    return Allocation(best, upper, model, True)


_MAKING = "Make one with BellExperiment(circuit, settings) or Behavior.from_state(state, settings)."


def exact_behavior(target: Any, argument: str) -> Behavior:
    """The no-signaling behavior of a behavior or an experiment.

    Raises:
        ScenarioError: If it is signaling, or the target is neither.
    """
    from ...experiments.bell_experiment import BellExperiment

    behavior = target.behavior() if isinstance(target, BellExperiment) else target
    if not isinstance(behavior, Behavior):
        kinds = (
            "a Behavior, a BellExperiment or BellCounts" if argument == "target" else "a Behavior or a BellExperiment"
        )
        raise ScenarioError.bad_argument(argument, expected=kinds, got=type(target).__name__, remedy=_MAKING)
    behavior.require_no_signaling(_MAX_SIGNALING, argument)
    return behavior


def local_error(rate: float) -> ScenarioError:
    """The error for a behavior that gives no evidence.

    Args:
        rate: What was found, in nats per trial.
    """
    return ScenarioError.bad_argument(
        "behavior",
        expected="a behavior that is not local",
        got=f"one with {max(rate, 0.0):.2g} nats of evidence per trial: no number of shots is enough",
        remedy="Choose other settings or a less noisy state; nonlocality_threshold(behavior) tells how far it is.",
    )


def setting_divergences(p: FloatArray, q: FloatArray) -> FloatArray:
    """The divergence KL(p(.|x) || q(.|x)) of each setting combination, in nats, shape ``(m_1, ..., m_N)``.

    Args:
        p: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        q: Of the same shape.
    """
    from scipy.special import kl_div

    half = p.ndim // 2
    return np.asarray(kl_div(p, q).sum(axis=tuple(range(half, p.ndim))), dtype=np.float64)


def whole_shots(shares: FloatArray, total: int) -> IntArray:
    """Rounds shares to whole shots by the largest remainder, at least one each.

    Raises:
        ScenarioError: If ``total`` is not a whole number, or there are fewer shots than shares.
    """
    number = whole_number(total, "total", ScenarioError)
    if number < shares.size:
        raise ScenarioError.bad_argument(
            "total", expected=f"at least one shot for each of {shares.size} setting combinations", got=f"{number}"
        )
    ideal = shares.ravel() * number
    shots = np.maximum(np.floor(ideal), 1).astype(np.int64)
    while (missing := number - int(shots.sum())) > 0:
        shots[np.argsort(shots - ideal, kind="stable")[:missing]] += 1
    while shots.sum() > number:
        shots[np.argmax(np.where(shots > 1, shots - ideal, -np.inf))] -= 1
    return frozen(shots.reshape(shares.shape))


def _fit(behavior: Behavior, model: DeterministicModel, shares: FloatArray) -> LocalFit:
    q = model.behavior()
    cells = shares.reshape(shares.shape + (1,) * shares.ndim) * behavior.array
    ratio = np.divide(cells, q.array, out=np.zeros_like(cells), where=cells > 0)
    gap = max(0.0, float(best_strategies(ratio, behavior.scenario, 1)[0][0]) - 1)
    return LocalFit(model, divergence(behavior, q, shares), gap, behavior, frozen(shares))


def _marginals(shares: FloatArray) -> list[FloatArray]:
    n = shares.ndim
    return [shares.sum(axis=tuple(j for j in range(n) if j != k)) for k in range(n)]


def _product(parties: list[FloatArray]) -> FloatArray:
    result = np.ones(())
    for party in parties:
        result = np.multiply.outer(result, party)
    return np.asarray(result, dtype=np.float64)


def _alternate(program: MinimaxProgram, parties: list[FloatArray]) -> LocalFit:
    """Improves a product of distributions, one party after the other, as long as the rate grows."""
    shape = program.behavior.scenario.num_settings
    parties = [_kept_positive(party) for party in parties]
    before = 0.0
    for _ in range(_MAX_SWEEPS):
        for k in range(len(shape)):
            # Row x_k: the shares of all combinations, given that party k has this setting.
            others = _product(
                [np.ones(m) if j == k else party for j, (m, party) in enumerate(zip(shape, parties, strict=True))]
            )
            rows = np.eye(shape[k]).reshape([shape[k], *(shape[k] if j == k else 1 for j in range(len(shape)))])
            share, model = program.solve((rows * others).reshape(shape[k], -1), _SWEEP_TOLERANCE)
            parties[k] = _kept_positive(share)
        fit = _fit(program.behavior, model, _product(parties))
        if fit.divergence <= before * (1 + _LEAST_GROWTH):
            break
        before = fit.divergence
    return fit


def _kept_positive(share: FloatArray) -> FloatArray:
    positive = np.maximum(share, _LEAST_PARTY_SHARE)
    return np.asarray(positive / positive.sum(), dtype=np.float64)
