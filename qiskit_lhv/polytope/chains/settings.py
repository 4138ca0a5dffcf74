"""Settings for the states of near neighbors of a chain, found by alternating with the inequality."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray
from ..._support.validation import generator, instance, real_array, whole_number
from ...exceptions import ScenarioError
from ...verification.evidence import Evidence
from ...verification.result import Verification, combine
from .data import ChainData
from .inequality import ChainInequality
from .threshold import ChainThreshold, chain_threshold

__all__ = ["ChainSettings", "optimize_chain_settings"]

_MAX_ROUNDS = 40
_MAX_ASCENT = 200
_ASCENT_TOLERANCE = 1e-12
# Smaller gains of the visibility end the alternation.
_GAIN = 1e-7
# Far less than the margin of a violation.
_SAME = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class ChainSettings(Evidence):
    """Settings for the states of near neighbors of a chain, with the threshold of their correlators.

    References:
        J. Tura et al., J. Phys. A 47, 424024 (2014), arXiv:1312.0265 (optimized settings); Z. Wang, S. Singh,
        M. Navascues, Phys. Rev. Lett. 118, 230401 (2017), arXiv:1608.03485 (infinite chains).

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> from qiskit_lhv.polytope import ChainData, optimize_chain_settings
        >>> dimers = ChainData.of_states([[werner_state(1)], [werner_state(0)]])  # singlets side by side
        >>> found = optimize_chain_settings(dimers, num_starts=2)
        >>> found.violated, round(found.visibility, 6), found.axes.shape
        (True, 0.707107, (2, 2, 3))
        >>> bool(found.verify())
        True
    """

    data: ChainData
    """The states of near neighbors."""
    axes: FloatArray
    """Bloch vectors of outcome +1, shape ``(period, m, 3)``."""
    threshold: ChainThreshold
    """Up to which visibility the correlators of these settings are local."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", real_array(self.axes, "axes", ScenarioError, ndim=3))

    @property
    def violated(self) -> bool:
        """Whether these settings show that the chain is nonlocal. If not, others may."""
        return self.threshold.violated

    @property
    def visibility(self) -> float:
        """The visibility above which the inequality is violated."""
        return self.threshold.upper

    def __str__(self) -> str:
        answer = "violate an inequality" if self.violated else "no violation found"
        return (
            f"{self.axes.shape[1]} settings per site of period {len(self.axes)}: {answer}, "
            f"which takes a visibility of {self.visibility:.6g}"
        )

    def verify(self) -> Verification:
        """Recomputes the correlators from the states and the settings, and verifies their threshold."""
        found, stated = self.data.correlators(self.axes), self.threshold.correlators
        if found.pairs.shape != stated.pairs.shape:
            return Verification(False, "the correlators are those of other settings", math.inf)
        off = max(float(np.abs(found.singles - stated.singles).max()), float(np.abs(found.pairs - stated.pairs).max()))
        same = Verification(off <= _SAME, f"the correlators are off by {off:.2g}", off)
        return combine(same, self.threshold.verify())


def optimize_chain_settings(
    data: ChainData, num_settings: int = 2, *, period: int | None = None, num_starts: int = 10, seed: int | None = 0
) -> ChainSettings:
    """Searches settings with which the states of near neighbors of a chain violate a Bell inequality.

    From random settings, the best inequality for the settings (a linear program) and the best settings for the
    inequality (an ascent that never gets worse) take turns, so the visibility that a violation takes never rises. That
    no start finds a violation proves nothing about other settings.

    Args:
        data: The states of near neighbors.
        num_settings: Number of settings of each site.
        period: After how many sites the settings repeat themselves: a multiple of the data's period. Default: that of
            the data. Inequalities of period 2 distinguish even from odd sites.
        num_starts: Number of random starts.
        seed: Seed of the starts.

    Returns:
        The best settings that were found, with the threshold of their correlators.

    Raises:
        ScenarioError: If a number is out of range, or there are too many settings for the linear program.
        SolverError: If HiGHS stops without an optimum.

    References:
        arXiv:1312.0265 (optimized settings), 1608.03485 (infinite chains).

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> from qiskit.quantum_info import DensityMatrix
        >>> white = DensityMatrix([[0.25, 0, 0, 0], [0, 0.25, 0, 0], [0, 0, 0.25, 0], [0, 0, 0, 0.25]])
        >>> dimers = ChainData.of_states([[werner_state(1)], [white]])  # singlets side by side
        >>> round(optimize_chain_settings(dimers, num_starts=4).visibility, 6)
        0.707107
    """
    instance(data, ChainData, "data", ScenarioError, "Such as ChainData.of_ring(state).")
    num_settings = whole_number(num_settings, "num_settings", ScenarioError)
    period = data.period if period is None else whole_number(period, "period", ScenarioError)
    num_starts = whole_number(num_starts, "num_starts", ScenarioError)
    if period % data.period:
        raise ScenarioError.bad_argument(
            "period", expected=f"a multiple of the data's period {data.period}", got=f"{period}"
        )
    rng = generator(seed)
    best: ChainSettings | None = None
    for _ in range(num_starts):
        axes = _unit(rng.normal(size=(period, num_settings, 3)))
        found = _alternate(data, axes)
        if best is None or found.visibility < best.visibility:
            best = found
    assert best is not None
    return best


def _alternate(data: ChainData, axes: FloatArray) -> ChainSettings:
    best: ChainSettings | None = None
    for _ in range(_MAX_ROUNDS):
        threshold = chain_threshold(data.correlators(axes))
        gained = best is None or threshold.upper < best.visibility * (1 - _GAIN)
        if best is None or threshold.upper < best.visibility:
            best = ChainSettings(data, axes, threshold)
        if not gained or threshold.inequality is None:
            break
        axes = best_axes(threshold.inequality, data, axes)
    assert best is not None
    return best


def best_axes(inequality: ChainInequality, data: ChainData, axes: FloatArray) -> FloatArray:
    """Settings at which the value of an inequality is locally largest, from given ones; the value never falls.

    The value is a quadratic form of all Bloch vectors. With a multiple of the identity it is convex, which changes
    nothing on the unit spheres, and a convex function does not fall if each vector turns into the gradient's direction.

    Args:
        inequality: The inequality.
        data: The states.
        axes: Where to start, shape ``(period, m, 3)``.
    """
    linear, matrix = value_form(inequality, data)
    period, m, _ = axes.shape
    shift = max(0.0, -float(np.linalg.eigvalsh(matrix)[0]))
    point: NDArray[np.float64] = axes.reshape(-1).copy()
    for _ in range(_MAX_ASCENT):
        gradient = linear + matrix @ point + shift * point
        following = _unit(gradient.reshape(-1, 3), point.reshape(-1, 3)).reshape(-1)
        if np.abs(following - point).max() < _ASCENT_TOLERANCE:
            break
        point = following
    return point.reshape(period, m, 3)


def value_form(inequality: ChainInequality, data: ChainData) -> tuple[FloatArray, FloatArray]:
    """The value times the period as ``linear . n + n . matrix . n / 2``, of the Bloch vectors n of all settings.

    Args:
        inequality: The inequality.
        data: The states.
    """
    period, reach, m, _ = inequality.pairs.shape
    linear = np.einsum("sx,si->sxi", inequality.singles.astype(float), data.singles[np.arange(period) % data.period])
    form = np.zeros((period, m, 3, period, m, 3))
    for s in range(period):
        for r in range(reach):
            right = (s + r + 1) % period
            form[s, :, :, right] += np.einsum(
                "xy,ij->xiyj", inequality.pairs[s, r].astype(float), data.pairs[s % data.period, r]
            )
    matrix = form.reshape(period * m * 3, -1)
    return linear.reshape(-1), matrix + matrix.T


def _unit(vectors: FloatArray, otherwise: FloatArray | None = None) -> FloatArray:
    """Vectors of length 1; others where a vector vanishes."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units = vectors / np.where(lengths > 0, lengths, 1)
    return units if otherwise is None else np.where(lengths > 0, units, otherwise)
