"""The correlators of what a report is about, with their errors, and the CHSH value that follows from them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.estimated_value import with_error
from .._support.records import Record
from .._support.validation import frozen
from ..targets.behaviors import Behavior
from ..targets.counts import BellCounts
from ..targets.scenario import BellScenario

__all__ = [
    "CorrelatorTable",
    "ProbabilityTable",
    "correlators_of_behavior",
    "correlators_of_counts",
    "table_of_behavior",
    "table_of_counts",
]

# With more correlators than this, a text lists the largest and the smallest.
_MOST_LISTED = 16
# The largest number of columns, and of characters in a line.
_MOST_COLUMNS, _WIDTH = 4, 96
# An error that is smaller than this is not shown.
_LEAST_ERROR = 1e-5


@dataclass(frozen=True, eq=False, repr=False)
class CorrelatorTable(Record):
    """The correlators of all parties for every setting combination, with their errors.

    A correlator is the mean of the product of all parties' outcomes, where outcome 0 counts +1 and outcome 1 counts -1.

    References:
        J. F. Clauser, M. A. Horne, A. Shimony, R. A. Holt, Phys. Rev. Lett. 23, 880 (1969) (correlators as what a Bell
        test measures).

    Examples:
        >>> from qiskit_lhv import analyze, load_bundled_counts
        >>> table = analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1).correlators
        >>> print(table)
        E(0, 0) = -0.6943 +- 0.0033   E(0, 1) = 0.6825 +- 0.0036
        E(1, 0) = 0.6909 +- 0.0033    E(1, 1) = 0.7005 +- 0.0035
        >>> table.name((0, 1)), table.errors.round(4).tolist()
        ('E(0, 1)', [[0.0033, 0.0036], [0.0033, 0.0035]])
    """

    values: NDArray[np.float64]
    """The correlators, shape ``(m_1, ..., m_N)``; NaN for settings that were not measured."""
    errors: NDArray[np.float64]
    """Their errors, of the same shape: standard errors of counts and estimates; of a behavior, the largest errors that
    its tolerance allows."""
    setting_names: tuple[tuple[str, ...], ...] | None = None
    """For each party, the name of each of its settings; ``None`` if they have only numbers."""

    def __post_init__(self) -> None:
        for name in ("values", "errors"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    def name(self, settings: tuple[int, ...]) -> str:
        """Returns the name of one correlator, such as ``E(0, 1)`` or ``E(Z, X)``, with the settings in party order.

        Args:
            settings: The setting of each party.
        """
        names = self.setting_names
        words = map(str, settings) if names is None else (own[x] for own, x in zip(names, settings, strict=True))
        return f"E({', '.join(words)})"

    def lines(self) -> list[str]:
        """Returns the correlators with their errors as text, in rows of at most four."""
        number = int(np.count_nonzero(np.isfinite(self.values)))
        if number > _MOST_LISTED:
            ends = [np.unravel_index(find(self.values), self.values.shape) for find in (np.nanargmin, np.nanargmax)]
            low, high = (self._cell(tuple(map(int, end))) for end in ends)
            return [f"{number} of them, from {low} to {high}"]
        cells = [self._cell(x) for x in np.ndindex(self.values.shape) if np.isfinite(self.values[x])]
        width = max(map(len, cells), default=0)
        wanted = self.values.shape[-1] if len(cells) == self.values.size else _MOST_COLUMNS
        columns = max(1, min(_MOST_COLUMNS, wanted, _WIDTH // (width + 3)))
        rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
        return ["   ".join(f"{cell:<{width}}" for cell in row).rstrip() for row in rows]

    def _cell(self, settings: tuple[int, ...]) -> str:
        error = float(self.errors[settings])
        # Adding zero turns -0 into 0.
        value = round(float(self.values[settings]), 12) + 0.0
        return f"{self.name(settings)} = {with_error(value, error if error >= _LEAST_ERROR else 0.0)}"

    def __str__(self) -> str:
        return "\n".join(self.lines())


@dataclass(frozen=True)
class ProbabilityTable:
    """The probabilities of what a report is about, with their errors, as pictures show them."""

    scenario: BellScenario
    """The scenario."""
    values: NDArray[np.float64]
    """The probabilities, shape ``(m_1, ..., m_N, d_1, ..., d_N)``; NaN for settings that were not measured."""
    errors: NDArray[np.float64]
    """Their errors, of the same shape: standard errors of counts, largest errors of a behavior."""
    setting_names: tuple[tuple[str, ...], ...] | None
    """For each party, the name of each of its settings, or ``None``."""


def table_of_counts(counts: BellCounts) -> ProbabilityTable:
    """Returns the frequencies of counts and their standard errors.

    For its error, no frequency is taken to be nearer to 0 or 1 than one of n + 2 shots would put it (Laplace's rule).

    Args:
        counts: The counts.
    """
    n = counts.scenario.num_parties
    shots = np.where(counts.num_shots > 0, counts.num_shots, np.nan).reshape(counts.num_shots.shape + (1,) * n)
    values = counts.array / shots
    inside = np.clip(values, 1 / (shots + 2), 1 - 1 / (shots + 2))
    return ProbabilityTable(
        counts.scenario, values, np.sqrt(inside * (1 - inside) / shots), _names(counts, counts.scenario)
    )


def table_of_behavior(behavior: Behavior, tolerance: float) -> ProbabilityTable:
    """Returns the probabilities of a behavior with their largest errors.

    Args:
        behavior: The behavior.
        tolerance: Largest error of a probability.
    """
    errors = np.full(behavior.array.shape, tolerance)
    return ProbabilityTable(behavior.scenario, behavior.array, errors, _names(behavior, behavior.scenario))


def correlators_of_counts(counts: BellCounts) -> CorrelatorTable | None:
    """Returns the correlators of counts with their standard errors, or ``None`` if they have other than two outcomes.

    Args:
        counts: The counts.
    """
    scenario = counts.scenario
    if not scenario.is_two_outcome:
        return None
    shots = np.where(counts.num_shots > 0, counts.num_shots, np.nan)
    values = _mean_products(counts.array, scenario) / shots
    # As in ``chsh_correlators``: shots that all agree do not say that all others would.
    size = np.minimum(np.abs(values), shots / (shots + 2))
    return CorrelatorTable(values, np.sqrt((1 - size**2) / shots), _names(counts, scenario))


def correlators_of_behavior(behavior: Behavior, tolerance: float) -> CorrelatorTable | None:
    """Returns the correlators of a behavior with their largest errors, or ``None`` if it has other than two outcomes.

    Args:
        behavior: The behavior.
        tolerance: Largest error of a probability.
    """
    scenario = behavior.scenario
    if not scenario.is_two_outcome:
        return None
    values = _mean_products(behavior.array, scenario)
    # Each is a signed sum of 2^N probabilities.
    errors = np.full(values.shape, 2**scenario.num_parties * tolerance)
    return CorrelatorTable(values, errors, _names(behavior, scenario))


def _mean_products(table: NDArray[Any], scenario: BellScenario) -> NDArray[np.float64]:
    signs = np.array([(-1.0) ** sum(a) for a in itertools.product((0, 1), repeat=scenario.num_parties)])
    return np.asarray(table, dtype=np.float64).reshape(*scenario.num_settings, -1) @ signs


def _names(target: Any, scenario: BellScenario) -> tuple[tuple[str, ...], ...] | None:
    """Returns the names of the settings of counts or behaviors that have names."""
    names = getattr(target, "setting_names", None)
    return names if names is not None and tuple(map(len, names)) == scenario.num_settings else None
