"""Evidence against every local model: e-values from prediction-based ratios, updated stage by stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._records import Record
from .._validation import frozen
from ..polytope.inequalities import BellExpression, BellInequality
from ..targets.counts import BellCounts, require_all_shots
from ..targets.trials import BellTrials
from ..verification import Verification
from ..verification_evidence import exact_mean_bound
from .predictability import check_predictability
from .ratios import NULLS, RatioEngine
from .stages import draw_stages

__all__ = ["EValue", "ratio_e_value", "ratio_e_values"]

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

    @property
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
        if self.null not in NULLS or self.factors.min() <= 0 or self.mean_bounds.min() <= 0:
            return Verification(False, "the factors are not positive, or the set is unknown", math.inf)
        for k in range(self.num_stages):
            multipliers = None if self.multipliers is None else self.multipliers[k]
            weights = self.setting_weights[k]
            if self.null == "no-signaling" and multipliers is None:
                return Verification(False, "there are no multipliers to prove the bounds", math.inf)
            proven = exact_mean_bound(
                self.factors[k], weights, self.predictability, multipliers if self.null == "no-signaling" else None
            )
            if proven > self.mean_bounds[k]:
                return Verification(
                    False,
                    f"a {self.null} model gives the factor of stage {k} a mean of {proven:.12g}, above "
                    f"{self.mean_bounds[k]:.12g}",
                    proven - float(self.mean_bounds[k]),
                )
            shots = self.tested[k].sum(axis=tuple(range(weights.ndim, 2 * weights.ndim)))
            expected = shots / shots.sum() if self.design == "blocks" else self.setting_weights[0]
            if np.any(np.abs(expected - weights) > 1e-12) or abs(math.fsum(weights.flat) - 1) > 1e-12:
                return Verification(False, f"stage {k} has other weights than its design ({self.design})", math.inf)
        terms = [int(n) * math.log(float(r)) for n, r in zip(self.tested.flat, self.factors.flat, strict=True) if n]
        sizes = self.tested.reshape(self.num_stages, -1).sum(axis=1)
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
        seed: For the random order of counts.

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
        seed: For the random orders.

    Raises:
        CountsError: As for :func:`ratio_e_value`.
    """
    for one in data:
        require_all_shots(one, fair_sampling)
        check_predictability(predictability, one.design, one.setting_probabilities)
    stages = [draw_stages(one, seed) for one in data]
    groups: dict[tuple[tuple[int, ...], int], list[int]] = {}
    for i, (_, tables, _) in enumerate(stages):
        groups.setdefault((tables.shape[1:], len(tables)), []).append(i)
    found: dict[int, EValue] = {}
    for members in groups.values():
        engine = RatioEngine(stages[members[0]][0], null, predictability)
        tables = np.stack([stages[i][1] for i in members])
        weights = np.stack([stages[i][2] for i in members])
        factors, bounds, multipliers = engine.run(tables, weights)
        for row, i in enumerate(members):
            axes = tuple(range(1, tables[row].ndim))
            sizes = tables[row].sum(axis=axes)
            log_e = float(np.sum(tables[row] * np.log(factors[row])) - np.sum(sizes * np.log(bounds[row])))
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
