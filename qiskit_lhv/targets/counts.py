"""Counts of a Bell experiment, with the way its settings were chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._records import Record
from .._validation import frozen, real_array, whole_numbers
from ..exceptions import CountsError, ScenarioError
from .behaviors import Behavior
from .scenario import BellScenario

__all__ = ["DESIGNS", "BellCounts", "check_design", "check_shots"]

DESIGNS = ("blocks", "random")
_QUASI = (
    "Mitigated quasi-probabilities are not counts: their errors are not those of independent shots, so no "
    "p-value follows from them. Pass the raw counts."
)


def check_design(
    design: str, setting_probabilities: ArrayLike | None, num_settings: tuple[int, ...]
) -> NDArray[np.float64] | None:
    """Checks a sampling design and returns its setting probabilities, shape ``(m_1, ..., m_N)``.

    Raises:
        CountsError: If the design is unknown, or random without known, positive probabilities.
    """
    if design not in DESIGNS:
        raise CountsError.bad_argument("design", expected="'blocks' or 'random'", got=repr(design))
    if design == "blocks":
        if setting_probabilities is not None:
            raise CountsError.bad_argument(
                "setting_probabilities",
                expected="None for design='blocks', where the shots of each setting are fixed",
                got="probabilities",
                remedy="Pass design='random' if the settings were drawn trial by trial.",
            )
        return None
    if setting_probabilities is None:
        raise CountsError.bad_argument(
            "setting_probabilities",
            expected=f"the probability of each setting combination, shape {num_settings}",
            got="None with design='random'",
            remedy="They must be known; frequencies of the settings are no substitute.",
        )
    array = real_array(setting_probabilities, "setting_probabilities", CountsError)
    if array.shape != num_settings or array.min() <= 0 or abs(array.sum() - 1) > 1e-9:
        raise CountsError.bad_argument(
            "setting_probabilities",
            expected=f"positive numbers of shape {num_settings} that sum to 1",
            got=f"shape {array.shape}, smallest {array.min():.3g}, sum {array.sum():.9g}",
        )
    return array


def check_shots(shots: ArrayLike, num_settings: tuple[int, ...]) -> NDArray[np.int64]:
    """Shots of each setting combination, shape ``(m_1, ..., m_N)``, from one number or an array of them.

    Raises:
        CountsError: If a number is not a positive whole number or the shape is another one.
    """
    try:
        array = np.asarray(shots)
    except ValueError:  # rows of different length
        array = np.empty(0)
    if array.shape not in {(), num_settings} or array.dtype.kind not in "iu" or array.min() < 1:
        raise CountsError.bad_argument(
            "shots",
            expected=f"a positive whole number, or an array of them of shape {num_settings}",
            got=repr(shots),
        )
    return np.broadcast_to(array, num_settings).astype(np.int64)


@dataclass(frozen=True, eq=False, repr=False)
class BellCounts(Record):
    """How often each outcome was seen for each setting combination.

    Args:
        array: Whole numbers, shape ``(m_1, ..., m_N, d_1, ..., d_N)``, settings before outcomes.
        design: ``"blocks"``: the shots of each setting combination were fixed beforehand;
            ``"random"``: the settings were drawn at random, trial by trial.
        setting_probabilities: For ``"random"``, the known probability of each setting combination,
            shape ``(m_1, ..., m_N)``.

    Raises:
        CountsError: If an entry is negative, fractional or not finite, a setting combination has no
            shots, or the design is incomplete.

    Examples:
        >>> counts = BellCounts.from_counts({(0,): {"0": 60, "1": 40}, (1,): {"1": 50}})
        >>> counts.array.tolist(), counts.num_shots.tolist()
        ([[60, 40], [0, 50]], [100, 50])
    """

    array: NDArray[np.int64]
    """Counts, shape ``(m_1, ..., m_N, d_1, ..., d_N)``, int64, read-only."""
    design: str = "blocks"
    """``"blocks"`` or ``"random"``."""
    setting_probabilities: NDArray[np.float64] | None = None
    """Probability of each setting combination for ``"random"``, else ``None``."""

    def __post_init__(self) -> None:
        array = _count_array(self.array)
        try:
            scenario = BellScenario.from_shape(array.shape)
        except ScenarioError as exc:
            raise CountsError(exc.message) from exc
        object.__setattr__(self, "array", array)
        checked = check_design(self.design, self.setting_probabilities, scenario.num_settings)
        object.__setattr__(self, "setting_probabilities", checked)
        if self.num_shots.min() == 0:
            position = tuple(int(i) for i in np.argwhere(self.num_shots == 0)[0])
            raise CountsError.bad_argument(
                "array",
                expected="at least one shot for every setting combination",
                got=f"zero shots for settings {position}",
                remedy="Take more shots, or leave out a setting of one party.",
            )

    def __repr__(self) -> str:
        return f"BellCounts({self.scenario}, {self.total_shots} shots, design={self.design!r})"

    @cached_property
    def scenario(self) -> BellScenario:
        """The number of settings and outcomes of each party."""
        return BellScenario.from_shape(self.array.shape)

    @cached_property
    def num_shots(self) -> NDArray[np.int64]:
        """Shots of each setting combination, shape ``(m_1, ..., m_N)``."""
        half = self.array.ndim // 2
        return frozen(self.array.sum(axis=tuple(range(half, 2 * half))))

    @property
    def total_shots(self) -> int:
        """Shots of all setting combinations together."""
        return int(self.num_shots.sum())

    def frequencies(self) -> Behavior:
        """The relative frequencies, a behavior that is a little signaling by chance."""
        shape = self.scenario.num_settings + (1,) * self.scenario.num_parties
        return Behavior(self.array / self.num_shots.reshape(shape))

    @classmethod
    def from_counts(
        cls,
        counts: Mapping[Any, Mapping[Any, int]],
        *,
        qubits_per_party: Sequence[int] | None = None,
        num_outcomes: Sequence[int] | None = None,
        design: str = "blocks",
        setting_probabilities: ArrayLike | None = None,
    ) -> BellCounts:
        """Counts from one dictionary for each setting combination.

        Args:
            counts: Maps settings ``(x_1, ..., x_N)`` to a dictionary of counts. Its keys are Qiskit
                bitstrings (classical bit 0 is the rightmost character and belongs to party 0; spaces
                between registers are ignored) or tuples of outcomes in party order. Outcomes that are
                missing were seen zero times.
            qubits_per_party: For bitstrings, the number of bits of each party; default: one.
            num_outcomes: For tuples, the number of outcomes of each party; default: those seen.
            design: See the class.
            setting_probabilities: See the class.

        Raises:
            CountsError: If a setting combination is missing, a key does not fit, or a count is not a
                whole number of at least zero.
        """
        if not isinstance(counts, Mapping) or not counts:
            raise CountsError.bad_argument(
                "counts", expected="a dictionary {(x_1, ..., x_N): {outcome: count}}", got=repr(counts)
            )
        table: dict[tuple[int, ...], Mapping[Any, int]] = {}
        for name, value in counts.items():
            key = _setting_key(name)
            if key in table:
                raise CountsError.bad_argument("counts", expected="each setting once", got=f"{key} twice")
            table[key] = value
        num_parties = len(next(iter(table)))
        if any(len(key) != num_parties for key in table):
            raise CountsError.bad_argument(
                "counts", expected="settings of one entry a party", got=f"{sorted(table, key=len)}"
            )
        num_settings = tuple(max(key[k] for key in table) + 1 for k in range(num_parties))
        for position in np.ndindex(num_settings):
            if position not in table:
                raise CountsError.bad_argument(
                    "counts",
                    expected=f"every setting combination of {num_settings} settings",
                    got=f"none for {position}",
                    remedy="Measure it, or leave out a setting of one party.",
                )
        bits = _bits_per_party(qubits_per_party, num_parties)
        outcomes = {key: _outcome_counts(value, bits, key) for key, value in table.items()}
        sizes = _outcome_sizes(table, outcomes, bits, num_outcomes, num_parties)
        array = np.zeros(num_settings + sizes, dtype=np.int64)
        for key, value in outcomes.items():
            for outcome, count in value.items():
                if any(not 0 <= a < d for a, d in zip(outcome, sizes, strict=True)):
                    raise CountsError.bad_argument(
                        f"counts[{key}]", expected=f"outcomes below {sizes}", got=f"{outcome}"
                    )
                array[key + outcome] += count
        return cls(array, design, setting_probabilities)  # type: ignore[arg-type]


def _count_array(value: Any) -> NDArray[np.int64]:
    array = real_array(value, "array", CountsError)
    if np.asarray(value).dtype == bool:
        raise CountsError.bad_argument("array", expected="counts", got="truth values")
    if array.size and array.min() < 0:
        position = tuple(int(i) for i in np.unravel_index(np.argmin(array), array.shape))
        raise CountsError.bad_argument(
            "array",
            expected="counts of at least zero",
            got=f"{array[position]:g} at index {position}",
            remedy=_QUASI,
        )
    fractional = array != np.rint(array)
    if fractional.any():
        position = tuple(int(i) for i in np.argwhere(fractional)[0])
        raise CountsError.bad_argument(
            "array", expected="whole numbers", got=f"{array[position]:g} at index {position}", remedy=_QUASI
        )
    if array.sum() > 2**53:
        raise CountsError.bad_argument("array", expected="at most 2**53 shots", got=f"{array.sum():.3g}")
    return frozen(array.astype(np.int64))


def _setting_key(key: Any) -> tuple[int, ...]:
    numbers = whole_numbers(key, "counts (settings)", CountsError, minimum=0)
    if not numbers:
        raise CountsError.bad_argument("counts", expected="settings of at least one party", got=repr(key))
    return numbers


def _outcome_counts(value: Any, bits: tuple[int, ...], setting: tuple[int, ...]) -> dict[tuple[int, ...], int]:
    if not isinstance(value, Mapping):
        raise CountsError.bad_argument(
            f"counts[{setting}]", expected="a dictionary {outcome: count}", got=type(value).__name__
        )
    result: dict[tuple[int, ...], int] = {}
    for key, entry in value.items():
        # The count first: quasi-probabilities also have other keys, and the reason is what helps.
        count = _count(entry, key, setting)
        outcome = _outcome_key(key, bits, setting)
        result[outcome] = result.get(outcome, 0) + count
    return result


def _bits_per_party(qubits_per_party: Sequence[int] | None, num_parties: int) -> tuple[int, ...]:
    if qubits_per_party is None:
        return (1,) * num_parties
    bits = whole_numbers(qubits_per_party, "qubits_per_party", CountsError, minimum=1)
    if len(bits) != num_parties:
        raise CountsError.bad_argument(
            "qubits_per_party", expected=f"{num_parties} entries, as the settings have", got=f"{bits}"
        )
    return bits


def _outcome_key(key: Any, bits: tuple[int, ...], setting: tuple[int, ...]) -> tuple[int, ...]:
    argument = f"counts[{setting}]"
    if isinstance(key, str):
        text = key.replace(" ", "")
        if len(text) != sum(bits) or set(text) - {"0", "1"}:
            raise CountsError.bad_argument(
                argument,
                expected=f"bitstrings of {sum(bits)} bits, {bits} for the parties in order",
                got=repr(key),
                remedy="Parties of several qubits need qubits_per_party.",
            )
        number, outcome = int(text, 2), []
        for width in bits:
            outcome.append(number & ((1 << width) - 1))
            number >>= width
        return tuple(outcome)
    if isinstance(key, tuple) and len(key) == len(bits):
        return whole_numbers(key, argument, CountsError, minimum=0)
    raise CountsError.bad_argument(
        argument, expected=f"bitstrings, or tuples of {len(bits)} outcomes in party order", got=repr(key)
    )


def _count(value: Any, outcome: Any, setting: tuple[int, ...]) -> int:
    number = isinstance(value, Real) and not isinstance(value, bool)
    # A comparison with NaN is false, so it fails here too.
    if not number or not 0 <= value < 2**53 or int(value) != value:
        remedy = _QUASI if number and math.isfinite(value) and (value < 0 or value % 1) else ""
        raise CountsError.bad_argument(
            f"counts[{setting}][{outcome!r}]",
            expected="a whole number of at least zero",
            got=repr(value),
            remedy=remedy,
        )
    return int(value)


def _outcome_sizes(
    table: Mapping[Any, Mapping[Any, int]],
    outcomes: Mapping[Any, Mapping[tuple[int, ...], int]],
    bits: tuple[int, ...],
    num_outcomes: Sequence[int] | None,
    num_parties: int,
) -> tuple[int, ...]:
    if num_outcomes is not None:
        sizes = whole_numbers(num_outcomes, "num_outcomes", CountsError, minimum=2)
        if len(sizes) != num_parties:
            raise CountsError.bad_argument("num_outcomes", expected=f"{num_parties} entries", got=f"{sizes}")
        return sizes
    if any(isinstance(key, str) for value in table.values() for key in value):
        return tuple(1 << width for width in bits)
    seen = [outcome for value in outcomes.values() for outcome in value]
    return tuple(max([1, *(outcome[k] for outcome in seen)]) + 1 for k in range(num_parties))
