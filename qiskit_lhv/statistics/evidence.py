"""Evidence against every local model: e-values from prediction-based ratios, updated stage by stage."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .._records import Record
from .._validation import checked_seed, frozen, probability, truth_value
from ..exceptions import CountsError
from ..polytope.inequalities import BellExpression, BellInequality
from ..targets.counts import BellCounts, require_all_shots
from ..targets.scenario import BellScenario
from ..targets.trials import BellTrials, require_counts_or_trials
from ..verification import Verification
from ..verification_evidence import exact_mean_bounds
from .predictability import check_predictability
from .ratios import NULLS, RatioEngine
from .stages import draw_stages

__all__ = ["EValue", "check_data", "e_values_of_stages", "fresh_seed", "ratio_e_value", "ratio_e_values"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class EValue(Record):
    """An e-value against a set of behaviors: its mean is at most 1 for all of them.

    The shots are tested in stages. In each, the e-value is multiplied by a factor R(a, x) for every shot and divided by
    the largest mean that the set allows for it. The factor of a stage was chosen from the stages before.
    """

    factors: FloatArray
    """R(a, x) of each stage, positive, shape ``(K, m_1, ..., m_N, d_1, ..., d_N)``; 1 in the first, which had no
    shots to learn from."""
    setting_weights: FloatArray
    """Weight of each setting combination in the mean, shape ``(K, m_1, ..., m_N)``: shares of the stage's shots, or the
    probabilities of random settings."""
    mean_bounds: FloatArray
    """Upper bound of each factor's weighted mean over the set, shape ``(K,)``."""
    tested: IntArray
    """The shots of each stage, shape of ``factors``."""
    log_e: float
    """Natural logarithm of the e-value."""
    design: str = "blocks"
    """Where the weights come from: ``"blocks"`` (shares of the shots) or ``"random"`` (known probabilities)."""
    null: str = "local"
    """The set: ``"local"`` or ``"no-signaling"``."""
    predictability: float = 0.0
    """How far the probability of a party's random setting may be from the one declared; see ``ratio_e_value``."""
    multipliers: FloatArray | None = None
    """For ``"no-signaling"``, numbers of at least 0 that prove the bounds, shape of ``factors``."""
    seed: int | None = None
    """Seed of the random order of the shots; ``None`` if they were tested in the order they were taken, or in one of
    several orders (whose seed is that of the ``CombinedEValue``)."""

    def __post_init__(self) -> None:
        for name in ("factors", "setting_weights", "mean_bounds", "tested"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        if self.multipliers is not None:
            object.__setattr__(self, "multipliers", frozen(self.multipliers))

    @property
    def num_stages(self) -> int:
        """Number of stages K."""
        return len(self.tested)

    @property
    def num_shots(self) -> int:
        """Number of shots in all stages."""
        return int(self.tested.sum())

    @property
    def log10_p_value(self) -> float:
        """Base-10 logarithm of the p-value ``min(1, 1 / e)``; never underflows."""
        return min(0.0, -self.log_e / math.log(10))

    @property
    def p_value(self) -> float:
        """The p-value ``min(1, 1 / e)``; 0.0 where it is below the smallest float."""
        return 10**self.log10_p_value

    @property
    def log_e_by_stage(self) -> FloatArray:
        """Natural logarithm of the e-value after each stage, shape ``(K,)``."""
        axes = tuple(range(1, self.tested.ndim))
        gains = np.sum(self.tested * np.log(self.factors), axis=axes)
        return np.cumsum(gains - self.tested.sum(axis=axes) * np.log(self.mean_bounds))

    @cached_property
    def inequality(self) -> BellInequality:
        """The Bell inequality behind it: the weighted mean of the last stage's factor, and its local bound."""
        weights = self.setting_weights[-1]
        coefficients = weights.reshape(weights.shape + (1,) * weights.ndim) * self.factors[-1]
        # Binary fractions of 40 bits, so that the bound is exact.
        scale = 2.0 ** (40 - math.ceil(math.log2(float(coefficients.sum()) + 1)))
        return BellInequality.of(BellExpression(np.rint(coefficients * scale) / scale))

    def __str__(self) -> str:
        against = "" if self.null == "local" else f"against {self.null}: "
        shots = f"{self.num_shots} shots in {self.num_stages} stages"
        return f"{against}log10 e = {self.log_e / math.log(10):.3f} from {shots}"

    def verify(self) -> Verification:
        """Re-proves every stage's bound in exact arithmetic by another algorithm, and re-multiplies the factors.

        That a stage's factor was chosen from earlier stages alone cannot be seen from the factors; computing the
        e-value again with its seed shows it.
        """
        numbers = (self.factors, self.mean_bounds)
        if self.null not in NULLS or not all(one.min() > 0 and np.isfinite(one).all() for one in numbers):
            return Verification(False, "the factors are not positive, or the set is unknown", math.inf)
        if self.null == "no-signaling" and (self.multipliers is None or not self.multipliers.min() >= 0):
            return Verification(False, "there are no multipliers of at least 0 to prove the bounds", math.inf)
        weights = self.setting_weights
        shots = self.tested.sum(axis=tuple(range(weights.ndim, self.tested.ndim)))
        sizes = shots.reshape(self.num_stages, -1).sum(axis=1)
        expected = weights[:1]
        if self.design == "blocks":
            expected = shots / sizes.reshape(-1, *[1] * (weights.ndim - 1))
        off = np.abs(expected - weights).reshape(self.num_stages, -1).max(axis=1) > 1e-12
        off |= np.abs(weights.reshape(self.num_stages, -1).sum(axis=1) - 1) > 1e-12
        off |= weights.reshape(self.num_stages, -1).min(axis=1) < 0
        if off.any():
            stage = int(np.argmax(off))
            return Verification(False, f"stage {stage} has other weights than its design ({self.design})", math.inf)
        multipliers = self.multipliers if self.null == "no-signaling" else None
        proven = exact_mean_bounds(self.factors, weights, self.predictability, multipliers)
        for k, (bound, stated) in enumerate(zip(proven, self.mean_bounds.tolist(), strict=True)):
            if bound > stated:
                return Verification(
                    False,
                    f"a {self.null} model gives the factor of stage {k} a mean of {float(bound):.12g}, above "
                    f"{stated:.12g}",
                    float(bound - stated),
                )
        terms = [int(n) * math.log(float(r)) for n, r in zip(self.tested.flat, self.factors.flat, strict=True) if n]
        terms += [-int(n) * math.log(float(bound)) for n, bound in zip(sizes, self.mean_bounds, strict=True)]
        log_e = math.fsum(terms)
        error = abs(log_e - self.log_e)
        return Verification(
            error <= 1e-9 * max(1.0, abs(log_e)),
            f"no {self.null} model gives a factor a larger mean than its bound; log e = {log_e:.9g}",
            error,
        )


def ratio_e_value(
    data: BellCounts | BellTrials,
    *,
    null: str = "local",
    predictability: float = 0.0,
    fair_sampling: bool = False,
    seed: int | None = None,
) -> EValue:
    """The e-value of prediction-based ratios, learned and tested stage by stage.

    Before each stage the factor R = f / q is chosen from all shots of earlier stages: f is the no-signaling behavior
    that explains them best, q the local behavior nearest to f. So no shots are given away for training but those of
    the first stage, 16 or two for each setting combination.

    In blocks, the shots are taken in one random order; R is divided by the largest mean that a local model gives it
    with the stage's own numbers of shots, valid for independent shots of one fixed local model. With random settings
    their known probabilities take that place. Trials whose order is known are tested in this order, so that the
    result also stands against devices that remember earlier trials.

    Args:
        data: Counts (taken in one random order) or trials (with random settings: in the order they were taken).
        null: The behaviors that are tested: ``"local"``, or ``"no-signaling"``, where f is the unrestricted fit and q
            the no-signaling one.
        predictability: For random settings, how far the probability of a party's setting, given everything
            before the trial and the settings of the parties before it, may be from the one declared.
        fair_sampling: Your statement that post-selected shots are a fair sample of all; else they are refused.
        seed: For the random order of counts; ``None`` draws a new one. The e-value records it.

    Returns:
        The e-value; ``1 / e`` is a p-value.

    Raises:
        CountsError: If the set is unknown, the predictability is out of range, or shots were post-selected without
            that statement.

    References:
        arXiv:1108.2468 (prediction-based ratios), arXiv:1812.06236 (no-signaling).

    Examples:
        >>> from qiskit_lhv import load_bundled_counts
        >>> ratio_e_value(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1).log10_p_value < -2000
        True
    """
    data = require_counts_or_trials(data)
    return ratio_e_values([data], null=null, predictability=predictability, fair_sampling=fair_sampling, seed=seed)[0]


def ratio_e_values(
    data: Sequence[BellCounts | BellTrials],
    *,
    null: str = "local",
    predictability: float = 0.0,
    fair_sampling: bool = False,
    seed: int | None = None,
) -> list[EValue]:
    """The e-values of several sets of data at once; those of one scenario are computed together, which is faster.

    Each is what :func:`ratio_e_value` gives for it alone with the same seed.

    Args:
        data: Counts or trials.
        null: See :func:`ratio_e_value`.
        predictability: See :func:`ratio_e_value`.
        fair_sampling: See :func:`ratio_e_value`.
        seed: For the random orders, the same for all; ``None`` draws a new one. Each e-value records it.

    Raises:
        CountsError: As for :func:`ratio_e_value`.
    """
    check_data(data, predictability, fair_sampling)
    seed = checked_seed(seed)
    seed = fresh_seed() if seed is None else seed
    stages = [draw_stages(one, seed) for one in data]
    e_values = e_values_of_stages(data, stages, null, predictability)
    ordered = [isinstance(one, BellTrials) and one.design == "random" for one in data]
    return [one if taken else replace(one, seed=seed) for one, taken in zip(e_values, ordered, strict=True)]


def fresh_seed() -> int:
    """A seed from the entropy of the system."""
    return secrets.randbits(31)


def check_data(data: Sequence[BellCounts | BellTrials], predictability: float, fair_sampling: bool) -> None:
    """Raises CountsError for data that cannot be tested with these assumptions."""
    listed = isinstance(data, Sequence) and not isinstance(data, str | bytes)
    if not listed or not all(isinstance(one, BellCounts | BellTrials) for one in data):
        got = ", ".join(sorted({type(one).__name__ for one in data})) if listed else type(data).__name__
        raise CountsError.bad_argument("data", expected="a list of BellCounts or BellTrials", got=got)
    truth_value(fair_sampling, "fair_sampling", CountsError)
    probability(predictability, "predictability", CountsError)
    for one in data:
        require_all_shots(one, fair_sampling)
        check_predictability(predictability, one.design, one.setting_probabilities)


def e_values_of_stages(
    data: Sequence[BellCounts | BellTrials],
    stages: Sequence[tuple[BellScenario, IntArray, FloatArray]],
    null: str,
    predictability: float,
) -> list[EValue]:
    """The e-values of data that are cut into stages, all of one scenario and number of stages at once.

    Args:
        data: Where the stages come from.
        stages: What :func:`~qiskit_lhv.statistics.stages.draw_stages` gives for them.
        null: See :func:`ratio_e_value`.
        predictability: See :func:`ratio_e_value`.
    """
    groups: dict[tuple[tuple[int, ...], int], list[int]] = {}
    for i, (_, tables, _) in enumerate(stages):
        groups.setdefault((tables.shape[1:], len(tables)), []).append(i)
    engines = {shape: RatioEngine(stages[i[0]][0], null, predictability) for (shape, _), i in groups.items()}
    found: dict[int, EValue] = {}
    for (shape, _), members in groups.items():
        tables = np.stack([stages[i][1] for i in members])
        weights = np.stack([stages[i][2] for i in members])
        factors, bounds, multipliers = engines[shape].run(tables, weights)
        axes = tuple(range(2, tables.ndim))
        gains = np.sum(tables * np.log(factors), axis=axes) - tables.sum(axis=axes) * np.log(bounds)
        for row, (i, log_e) in enumerate(zip(members, gains.sum(axis=1).tolist(), strict=True)):
            found[i] = EValue(
                factors[row],
                weights[row],
                bounds[row],
                tables[row],
                log_e,
                data[i].design,
                null,
                float(predictability),
                None if multipliers is None else multipliers[row],
            )
    return [found[i] for i in range(len(data))]
