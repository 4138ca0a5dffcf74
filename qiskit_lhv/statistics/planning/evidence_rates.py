"""The log-evidence against local models that an experiment is expected to give per trial."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..._support.estimated_value import with_error
from ..._support.types import FloatArray, IntArray
from ..._support.validation import frozen, generator, probability, real_array, real_number
from ...exceptions import CountsError, ScenarioError
from ...models.deterministic import strategy_tables
from ...polytope.bounds.local_bounds import best_strategies
from ...targets.behaviors import Behavior
from ...targets.counts import BellCounts
from ...targets.measured_settings import measured_parameters, require_complete
from ...targets.projections import project_to_no_signaling
from ...targets.scenario import BellScenario
from ...verification.evidence import Evidence
from ...verification.models import exact_model_table
from ...verification.result import Verification, combine
from ..evidence.stages import FIRST_STAGE
from ..fits.local_fit import LocalFit, fit_local_model
from .allocation import NO_EVIDENCE, exact_behavior, local_error, setting_divergences

if TYPE_CHECKING:
    from ...experiments.bell_experiment import BellExperiment

__all__ = ["EvidenceRate", "evidence_rate", "learning_cost", "log10_goal", "missing_dimensions", "trials_needed"]


_FIRST_SHOTS_PER_SETTING = 2
_PSEUDO_COUNT = 0.5
_NUM_FOLDS = 10
_NUM_ITERATIONS = 20
_IMPOSSIBLE_PROBABILITY = 1e-9
_LEFT_BY_BARRIER = 1e-11
# Entries of a matrix whose rank is computed.
_MOST_RANKED = 1 << 20


@dataclass(frozen=True, eq=False, repr=False)
class EvidenceRate(Evidence):
    """The log-evidence against local models that a behavior is expected to give per trial.

    References:
        W. van Dam, R. D. Gill, P. D. Gruenwald, IEEE Trans. Inf. Theory 51, 2812 (2005), arXiv:quant-ph/0307125 (the
        divergence as the strength of a test); Y. Zhang, S. Glancy, E. Knill, Phys. Rev. A 84, 062118 (2011),
        arXiv:1108.2468.

    Examples:
        From a few pilot counts; the corrected rate does not profit from their luck:

        >>> from qiskit_lhv import Behavior, werner_state
        >>> from qiskit_lhv.statistics import evidence_rate
        >>> pilot = Behavior.from_state(werner_state(0.9), "chsh").sample(shots=250, seed=3)
        >>> rate = evidence_rate(pilot, seed=1)
        >>> print(f"{rate.rate:.4f} +- {rate.standard_error:.4f} nats per trial, {rate.corrected_rate:.4f} corrected")
        0.0147 +- 0.0052 nats per trial, 0.0137 corrected
        >>> rate.shots(1e-6)
        1186
    """

    fit: LocalFit
    """The local model q nearest to the behavior p with these shares; its divergence is the rate."""
    contributions: FloatArray
    """KL(p(.|x) || q(.|x)) of each setting combination, in nats, shape ``(m_1, ..., m_N)``."""
    variances: FloatArray
    """Variance of log(p / q) under p for each setting combination, in nats squared, shape ``(m_1, ..., m_N)``."""
    pilot_shots: IntArray | None = None
    """Shots of the pilot counts, shape ``(m_1, ..., m_N)``; ``None`` if the behavior was known."""
    corrected_rate: float | None = None
    """For pilot counts, a rate that does not profit from their luck, in nats per trial; it may be negative."""

    def __post_init__(self) -> None:
        for name in ("contributions", "variances", "pilot_shots"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def rate(self) -> float:
        """Expected log-evidence per trial, ``sum_x w_x KL_x``, in nats."""
        return self.fit.divergence

    @property
    def bits(self) -> float:
        """The rate in bits per trial."""
        return self.rate / math.log(2)

    @property
    def shares(self) -> FloatArray:
        """Share w_x of each setting combination, shape ``(m_1, ..., m_N)``."""
        return self.fit.weights

    @property
    def variance(self) -> float:
        """Variance of the log-evidence per trial in blocks of fixed settings, in nats squared.

        Settings drawn at random add the variance of ``contributions`` over the settings.
        """
        return float(np.sum(self.shares * self.variances))

    @property
    def standard_error(self) -> float | None:
        """Standard error of the rate because pilot counts are finite, in nats; ``None`` without pilot counts."""
        if self.pilot_shots is None:
            return None
        return math.sqrt(float(np.sum(self.shares**2 * self.variances / self.pilot_shots)))

    def __str__(self) -> str:
        error = self.standard_error
        if self.corrected_rate is None or error is None:
            return f"{self.rate:.6g} nats ({self.bits:.6g} bits) of evidence per trial"
        return (
            f"{with_error(self.rate, error)} nats ({with_error(self.bits, error / math.log(2))} bits) of evidence per "
            f"trial from pilot counts, {with_error(self.corrected_rate, error)} nats corrected"
        )

    def shots(self, p_value: float | None = None, power: float = 0.5, *, log10_p_value: float | None = None) -> int:
        """Estimates the shots with which ``ratio_e_value`` reaches a p-value, by a normal approximation.

        The log-evidence is taken as normal, less what it costs to learn the factor. That is the first two dozen shots,
        and then, for every impossible outcome and every dimension in which the local models end, about half a nat for
        each unit of the natural logarithm of the shots. With pilot counts the corrected rate is used. ``shots_needed``
        checks the estimate by simulated runs.

        Args:
            p_value: The p-value to reach.
            power: The probability to reach it.
            log10_p_value: Its base-10 logarithm, instead of ``p_value``.

        Returns:
            Shots of all setting combinations together.

        Raises:
            ScenarioError: If the behavior gives no evidence, or an argument is out of range.
            CountsError: If pilot counts show no violation beyond their luck.
        """
        goal = -log10_goal(p_value, log10_p_value) * math.log(10)
        quantile = NormalDist().inv_cdf(probability(power, "power", ScenarioError, open_interval=True))
        rate = self.rate - self.fit.duality_gap
        if rate < NO_EVIDENCE:
            raise local_error(rate)
        if self.corrected_rate is not None:
            rate = self.corrected_rate
            if rate < NO_EVIDENCE:
                raise CountsError.bad_argument(
                    "target",
                    expected="pilot counts that show a violation beyond their luck",
                    got=f"a corrected rate of {rate:.2g} nats per trial",
                    remedy="Take more pilot shots, or plan from a state model.",
                )
        total = float(self.shares.size)
        # The cost grows with the logarithm of the total only, so few repetitions settle it.
        for _ in range(_NUM_ITERATIONS):
            cost = learning_cost(self.fit, total)
            total = max(trials_needed(rate, self.variance, goal + cost, quantile), self.shares.size)
        return math.ceil(total)

    def verify(self, atol: float = 1e-9, *, prove_bound: bool | None = None) -> Verification:
        """Re-checks the fit, its contributions and their variances in rational arithmetic from the model alone.

        The corrected rate is an estimate from the pilot counts, which are not kept, and is not checked.

        Args:
            atol: Error allowed, in nats (nats squared for variances).
            prove_bound: Whether to prove the fit's gap again; see ``BellInequality.verify``.
        """
        pilot = self.pilot_shots
        if (pilot is None) is not (self.corrected_rate is None) or not math.isfinite(self.corrected_rate or 0.0):
            return Verification(False, "a corrected rate comes with pilot shots, and is a number", math.inf)
        if pilot is not None and (pilot.shape != self.shares.shape or not pilot.min() > 0):
            return Verification(False, "the pilot shots are not those of the setting combinations", math.inf)
        target, model = self.fit.target, self.fit.model
        table = exact_model_table(model.weights, model.strategies, target.scenario.shape)
        q = np.array([float(entry) for entry in table]).reshape(target.array.shape)
        error = float(np.abs(setting_divergences(target.array, q) - self.contributions).max())
        spread = float(np.abs(_log_variances(target.array, q) - self.variances).max())
        return combine(
            self.fit.verify(atol, prove_bound=prove_bound),
            Verification(error <= atol, f"the contributions of the settings are right to {error:.2g} nats", error),
            Verification(spread <= atol, f"their variances are right to {spread:.2g}", spread),
        )


def evidence_rate(
    target: Behavior | BellExperiment | BellCounts, shares: ArrayLike | None = None, *, seed: int | None = None
) -> EvidenceRate:
    """The expected log-evidence per trial against local models, which is the divergence from the local set.

    It is ``D(w) = min_q sum_x w_x KL(p(.|x) || q(.|x))`` over the local models q, with the shares w of the setting
    combinations. No test of local models can gain more per trial on average, and the e-value of ``ratio_e_value``
    comes close to it for many shots.

    Pilot counts are projected to the no-signaling behavior that explains them best. Its rate overstates that of the
    device, on average by about d / (2 shots), with d the number of dimensions in which the local models end (1 for
    CHSH), because luck looks like a violation. The corrected rate is cross-validated: factors trained on nine tenths
    of the shots are tested, each with its own bound, on the tenth that they did not see. Whatever the device's
    behavior is, the mean of the corrected rate is at most the true rate (up to the rounding of the parts), so it errs
    to the other side.

    Args:
        target: A no-signaling behavior (within 1e-7), an experiment (its exact behavior) or pilot counts.
        shares: Share of each setting combination, shape ``(m_1, ..., m_N)``, positive, normalized here; default: equal
            shares, or those of the shots of pilot counts.
        seed: Seed of the random parts in the cross-validation of pilot counts.

    Returns:
        The rate, its variance and what each setting combination contributes.

    Raises:
        ScenarioError: If the behavior is signaling, the shares do not fit, or the scenario is too large.

    References:
        W. van Dam, R. D. Gill, P. D. Gruenwald, IEEE Trans. Inf. Theory 51, 2812 (2005), arXiv:quant-ph/0307125 (the
        divergence as the strength of a test); Y. Zhang, S. Glancy, E. Knill, Phys. Rev. A 84, 062118 (2011),
        arXiv:1108.2468.

    Examples:
        >>> from qiskit_lhv import Behavior, werner_state
        >>> rate = evidence_rate(Behavior.from_state(werner_state(1), "chsh"))
        >>> print(rate)
        0.0320746 nats (0.0462738 bits) of evidence per trial
        >>> rate.shots(1e-6)
        501
    """
    rng = generator(seed)
    if isinstance(target, BellCounts):
        require_complete(target, "of pilot counts", "Measure it, or plan from a state model.")
        shots = target.num_shots
        weights = _checked_shares(shots if shares is None else shares, target.scenario.num_settings)
        behavior = _pilot_behavior(target)
        rate = _rate(behavior, weights)
        corrected = _cross_validated(target.array, target.scenario, weights, rng)
        return EvidenceRate(rate.fit, rate.contributions, rate.variances, shots, corrected)
    behavior = exact_behavior(target, "target")
    shape = behavior.scenario.num_settings
    return _rate(behavior, _checked_shares(np.ones(shape) if shares is None else shares, shape))


def _pilot_behavior(counts: BellCounts) -> Behavior:
    """The no-signaling behavior that explains counts best."""
    table = project_to_no_signaling(counts.frequencies(), counts.num_shots).array
    # The projection's barrier leaves a trace of about 1e-13 where outcomes are impossible.
    table = np.where(table < _LEFT_BY_BARRIER, 0.0, table)
    return Behavior(table / table.sum(axis=counts.scenario.outcome_axes, keepdims=True), counts.scenario)


def log10_goal(p_value: float | None, log10_p_value: float | None) -> float:
    """The base-10 logarithm of a p-value that was given in one of two ways.

    Raises:
        ScenarioError: If both or none are given, or the p-value is not between 0 and 1.
    """
    if (p_value is None) == (log10_p_value is None):
        got = "neither" if p_value is None else "both"
        raise ScenarioError.bad_argument("p_value", expected="either p_value or log10_p_value", got=got)
    if p_value is not None:
        return math.log10(probability(p_value, "p_value", ScenarioError, open_interval=True))
    goal = real_number(log10_p_value, "log10_p_value", ScenarioError, expected="a negative number")
    if goal >= 0:
        raise ScenarioError.bad_argument("log10_p_value", expected="a negative number", got=f"{goal}")
    return goal


def _checked_shares(shares: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    array = real_array(shares, "shares", ScenarioError)
    if array.shape != shape or array.min() <= 0:
        raise ScenarioError.bad_argument(
            "shares",
            expected=f"positive numbers of shape {shape}",
            got=f"{array}",
            remedy="Every setting combination needs a share, be it 1e-9.",
        )
    return frozen(array / array.sum())


def _rate(behavior: Behavior, weights: FloatArray) -> EvidenceRate:
    fit = fit_local_model(behavior, weights)
    q = fit.model.behavior().array
    return EvidenceRate(fit, setting_divergences(behavior.array, q), _log_variances(behavior.array, q))


def _log_variances(p: FloatArray, q: FloatArray) -> FloatArray:
    axes = tuple(range(p.ndim // 2, p.ndim))
    logs = np.log(np.divide(p, q, out=np.ones_like(p), where=p > 0))
    mean = np.sum(p * logs, axis=axes, keepdims=True)
    return np.asarray(np.sum(p * (logs - mean) ** 2, axis=axes), dtype=np.float64)


def _cross_validated(counts: IntArray, scenario: BellScenario, weights: FloatArray, rng: np.random.Generator) -> float:
    """Mean log-evidence of shots under factors that other shots chose."""
    n = weights.ndim
    shots = counts.sum(axis=tuple(range(n, 2 * n)))
    each = (weights / shots).reshape(weights.shape + (1,) * n)
    remaining = counts.reshape(weights.size, -1).copy()
    total = 0.0
    for part in range(_NUM_FOLDS):
        sizes = np.rint(remaining.sum(axis=1) / (_NUM_FOLDS - part)).astype(int)
        drawn = [
            rng.multivariate_hypergeometric(row, size, method="marginals")
            for row, size in zip(remaining, sizes, strict=True)
        ]
        remaining -= drawn
        tested = np.array(drawn).reshape(counts.shape)
        smoothed = counts - tested + _PSEUDO_COUNT * scenario.mask
        trained = smoothed.sum(axis=tuple(range(n, 2 * n)))
        frequencies = Behavior(smoothed / trained.reshape(trained.shape + (1,) * n), scenario)
        f = project_to_no_signaling(frequencies, trained)
        q = fit_local_model(f, weights).model.behavior()
        factor = np.maximum(f.array, 1e-12) / np.maximum(q.array, 1e-12)
        values, _ = best_strategies(weights.reshape(weights.shape + (1,) * n) * factor, f.scenario, 1)
        total += float(np.sum(each * tested * (np.log(factor) - math.log(values[0]))))
    return total


def learning_cost(fit: LocalFit, total: float, missing: int | None = None) -> float:
    """About how many nats ``ratio_e_value`` loses because it learns its factors from the shots that it tests.

    The shots of the first stage gain nothing. After n shots a factor lacks about d / (2 n) nats. Here d counts the
    dimensions of the no-signaling behaviors in which q cannot follow p, and the impossible outcomes, to each of which
    half a shot is added.

    Args:
        fit: The local model q nearest to the behavior p.
        total: Shots of all setting combinations together.
        missing: What :func:`missing_dimensions` gives for the fit, where it is known.
    """
    missing = missing_dimensions(fit) if missing is None else missing
    scenario = fit.target.scenario
    played = fit.weights.reshape(fit.weights.shape + (1,) * fit.weights.ndim) > 0
    impossible = int(np.sum((fit.target.array < _IMPOSSIBLE_PROBABILITY) & played))
    first = max(FIRST_STAGE, _FIRST_SHOTS_PER_SETTING * scenario.num_setting_combinations)
    return first * fit.divergence + 0.5 * (missing + impossible) * math.log(max(total / first, 1.0))


def missing_dimensions(fit: LocalFit, negligible: float = 1e-6) -> int:
    """Number of dimensions of the no-signaling behaviors in which a local model cannot follow its target.

    In large scenarios, where a rank takes long, the strategies of the model are taken as independent.

    Args:
        fit: The local model nearest to a behavior.
        negligible: Weights of strategies below this share of the largest are taken for zero.
    """
    scenario, model = fit.target.scenario, fit.model
    used = model.strategies[model.weights > negligible * model.weights.max()]
    played = fit.weights > 0
    num_parameters = measured_parameters(scenario, played) + 1
    if len(used) * scenario.num_cells > _MOST_RANKED:
        return max(0, num_parameters - len(used))
    tables = strategy_tables(used, scenario)
    if not played.all():
        tables = tables.reshape(len(used), played.size, -1)[:, played.ravel()].reshape(len(used), -1)
    return num_parameters - int(np.linalg.matrix_rank(tables))


def trials_needed(rate: float, variance: float, goal: float, quantile: float) -> float:
    """The n with ``n rate - quantile * sqrt(n variance) = goal``: trials for a normal sum to exceed a goal.

    Args:
        rate: Mean per trial.
        variance: Variance per trial.
        goal: What the sum should exceed.
        quantile: Standard normal quantile of the probability that it does.
    """
    spread = quantile * math.sqrt(variance)
    return ((spread + math.sqrt(spread**2 + 4 * rate * goal)) / (2 * rate)) ** 2
