"""Shots of Bell experiments of many parties, one bit per outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._support.records import Record
from ..._support.validation import frozen, instance, shown, whole_array, whole_numbers
from ..._support.words import counted
from ...exceptions import CountsError
from ..designs import DESIGNS
from ..scenario import BellScenario
from .reading import MAX_TOTAL_SHOTS, bit_arrays_of, bit_places, packed_counts, packed_register, selected_bits
from .runs import drawn_rows, require_few_shots, require_two_outcomes, setting_rows

__all__ = ["ManyPartyShots"]


@dataclass(frozen=True, eq=False, repr=False)
class ManyPartyShots(Record):
    """Shots of an experiment of many parties, run after run; in a run all parties keep their settings.

    Two designs are possible. In ``"blocks"``, the settings of every run and its number of shots were fixed beforehand.
    In ``"random"``, the settings of every run were drawn at random, independently of everything before: first a term
    of a declared expression, with a probability proportional to the size of its coefficient, then settings of the
    parties that do not take part in it. A run then has one shot (trial by trial), or several.

    Args:
        scenario: The number of settings of each party, two outcomes per setting.
        settings: Shape ``(R, N)``: the setting of each party in each run.
        shots: Shape ``(R,)``: the number of shots of each run, at least 1.
        packed: Shape ``(S, ceil(N / 8))``, uint8, the shots of all runs in order: bit ``k % 8`` of byte ``k // 8`` is
            the outcome of party k, 0 for +1.
        design: ``"blocks"`` or ``"random"``. There is no default.
        drawn_terms: For ``"random"``, shape ``(R, N)``: the term that was drawn in each run, as the setting of each
            party, -1 if it does not take part.

    Raises:
        CountsError: If shapes do not fit, settings are out of range, a drawn term does not agree with the settings,
            bits are set beyond the last party, or no design is declared.

    References:
        R. Cleve, P. Hoyer, B. Toner, J. Watrous, arXiv:quant-ph/0404076 (XOR games: one term is drawn in each round).

    Examples:
        Counts of two runs of three parties, whose setting 0 is X and whose setting 1 is Y:

        >>> counts = [{"000": 5, "011": 4}, {"001": 6}]
        >>> scenario = BellScenario([2] * 3, 2)
        >>> shots = ManyPartyShots.from_counts(counts, scenario, [[0, 0, 0], [0, 1, 1]], design="blocks")
        >>> shots.num_runs, shots.shots.tolist(), shots.packed.shape
        (2, [9, 6], (15, 1))
        >>> from qiskit_lhv.targets import term_means
        >>> term_means(shots, [[0, 0, 0], [0, 1, 1]]).means.tolist()
        [1.0, -1.0]
    """

    scenario: BellScenario
    """The number of settings of each party; every setting has two outcomes."""
    settings: NDArray[np.int8]
    """Setting of each party in each run, shape ``(R, N)``, int8, read-only."""
    shots: NDArray[np.int64]
    """Number of shots of each run, shape ``(R,)``, int64, read-only."""
    packed: NDArray[np.uint8]
    """Outcomes of all shots, shape ``(S, ceil(N / 8))``, uint8, read-only; party k is bit k % 8 of byte k // 8."""
    design: str = None  # type: ignore[assignment]
    """``"random"`` or ``"blocks"``."""
    drawn_terms: NDArray[np.int8] | None = None
    """The drawn term of each run for ``"random"``, shape ``(R, N)``, int8, else ``None``; -1: does not take part."""
    reading: tuple[str, ...] = field(default=(), compare=False)
    """What was guessed when the shots were read, in words; reports tell it."""

    def __post_init__(self) -> None:
        scenario = instance(self.scenario, BellScenario, "scenario", CountsError)
        n = scenario.num_parties
        require_two_outcomes(scenario, CountsError)
        if self.design not in DESIGNS:
            raise CountsError.bad_argument(
                "design",
                expected="'blocks' (settings fixed beforehand) or 'random' (a term drawn at random for every run)",
                got=repr(self.design),
            )
        settings = setting_rows(self.settings, "settings", scenario, lowest=0)
        shots = whole_array(self.shots, "shots", CountsError, ndim=1)
        if len(shots) != len(settings) or not len(shots) or shots.min() < 1:
            raise CountsError.bad_argument(
                "shots", expected=f"{len(settings)} numbers of at least 1, one per run", got=f"shape {shots.shape}"
            )
        require_few_shots(shots)
        packed = np.asarray(self.packed)
        shape = (int(shots.sum()), -(-n // 8))
        if packed.dtype != np.uint8 or packed.shape != shape:
            raise CountsError.bad_argument(
                "packed", expected=f"uint8 of shape {shape}", got=f"{packed.dtype} of shape {packed.shape}"
            )
        if n % 8 and np.any(packed[:, -1] >> (n % 8)):
            raise CountsError.bad_argument("packed", expected=f"bits of {n} parties only", got="a bit beyond them")
        drawn = drawn_rows(self.drawn_terms, settings, scenario, self.design)
        object.__setattr__(self, "drawn_terms", drawn)
        object.__setattr__(self, "settings", frozen(settings))
        object.__setattr__(self, "shots", frozen(shots))
        object.__setattr__(self, "packed", frozen(packed))

    def __str__(self) -> str:
        return (
            f"{self.scenario}, {counted(self.total_shots, 'shot')} in {counted(self.num_runs, 'run')}, "
            f"design={self.design!r}"
        )

    def __add__(self, other: object) -> Self:
        """The shots of both records, such as those of two jobs, run after run.

        Args:
            other: Shots of the same scenario and design. Terms that were drawn must have come from the same expression.

        Raises:
            CountsError: If scenarios or designs differ.
        """
        if isinstance(other, int) and other == 0:
            # What ``sum`` begins with.
            return self
        if not isinstance(other, ManyPartyShots):
            return NotImplemented
        if (self.scenario, self.design) != (other.scenario, other.design):
            raise CountsError.bad_argument(
                "other", expected=f"shots of {self.scenario}, design={self.design!r}", got=f"{other}"
            )
        terms = None
        if self.drawn_terms is not None and other.drawn_terms is not None:
            terms = np.concatenate([self.drawn_terms, other.drawn_terms])
        return type(self)(
            self.scenario,
            np.concatenate([self.settings, other.settings]),
            np.concatenate([self.shots, other.shots]),
            np.concatenate([self.packed, other.packed]),
            self.design,
            terms,
            tuple(dict.fromkeys(self.reading + other.reading)),
        )

    __radd__ = __add__

    @property
    def num_parties(self) -> int:
        """Number of parties."""
        return self.scenario.num_parties

    @property
    def num_runs(self) -> int:
        """Number of runs."""
        return len(self.shots)

    @property
    def total_shots(self) -> int:
        """Number of shots of all runs together."""
        return int(self.shots.sum())

    @property
    def starts(self) -> NDArray[np.int64]:
        """The number of each run's first shot, shape ``(R,)``."""
        return np.cumsum(self.shots) - self.shots

    # Shots as people have them

    @classmethod
    def from_counts(
        cls,
        counts: Any,
        scenario: BellScenario,
        settings: ArrayLike | None = None,
        *,
        design: str,
        drawn_terms: ArrayLike | None = None,
    ) -> Self:
        """Shots from dictionaries of counts, one per run; the order of the shots inside a run is lost.

        Args:
            counts: One dictionary per run: numbers of shots by bitstring, whose rightmost bit is the outcome of
                party 0, as in Qiskit; or by tuple of outcomes in the order of the parties. Or a dictionary of them by
                the tuple of settings.
            scenario: The number of settings of each party, two outcomes per setting.
            settings: Shape ``(R, N)``: the setting of each party in each run, if the counts do not name them.
            design: ``"blocks"`` or ``"random"``, as in the class.
            drawn_terms: For ``"random"``, the drawn term of each run, shape ``(R, N)``.

        Raises:
            CountsError: If bits are missing, numbers are no shots, or settings do not fit.

        Examples:
            >>> counts = {(0, 0): {"00": 90, "10": 10}, (1, 0): {"11": 50}}
            >>> ManyPartyShots.from_counts(counts, BellScenario([2, 1], 2), design="blocks")
            ManyPartyShots(2 parties with (2, 1) settings of (2, 2) outcomes, 150 shots in 2 runs, design='blocks')
        """
        instance(scenario, BellScenario, "scenario", CountsError)
        if isinstance(counts, Mapping) and settings is None:
            settings, counts = [list(key) if isinstance(key, tuple) else key for key in counts], list(counts.values())
        if isinstance(counts, str | Mapping) or not isinstance(counts, Sequence) or not len(counts):
            raise CountsError.bad_argument("counts", expected="a dictionary of counts for each run", got=shown(counts))
        if settings is None:
            raise CountsError.bad_argument(
                "settings", expected="the settings of each run, shape (R, N)", got="None, and counts without settings"
            )
        _require_runs(settings, len(counts))
        parts, total = [], 0
        for run, table in enumerate(counts):
            parts.append(packed_counts(table, run, scenario.num_parties, MAX_TOTAL_SHOTS - total))
            total += len(parts[-1])
        shots = np.array([len(part) for part in parts])
        return cls(scenario, settings, shots, np.concatenate(parts), design, drawn_terms)  # type: ignore[arg-type]

    @classmethod
    def from_result(
        cls,
        result: Any,
        scenario: BellScenario,
        settings: ArrayLike,
        *,
        design: str,
        drawn_terms: ArrayLike | None = None,
        register: str | None = None,
        bits: Sequence[int] | None = None,
    ) -> Self:
        """Shots from the result of a Sampler that ran circuits of your own; bits stay packed.

        Results of a ``ManyPartyExperiment`` are read by its ``shots(result, schedule)``, which also recognizes them.

        Args:
            result: A Sampler's job, its ``PrimitiveResult``, one ``PubResult``, or ``BitArray`` objects.
            scenario: The number of settings of each party, two outcomes per setting.
            settings: Shape ``(R, N)``: the setting of each party in each run; runs are the entries of the PUBs'
                parameter arrays in row-major order, PUB after PUB.
            design: ``"blocks"`` or ``"random"``, as in the class.
            drawn_terms: For ``"random"``, the drawn term of each run, shape ``(R, N)``.
            register: The classical register to read; default: the only one.
            bits: The classical bit of each party in its register; default: party k has bit k.

        Raises:
            CountsError: If bits or runs are missing, or there are more than the settings say.
        """
        instance(scenario, BellScenario, "scenario", CountsError)
        parts, shots = [], []
        for record in bit_arrays_of(result, register):
            places = bit_places(bits, scenario.num_parties, record.num_bits)
            packed = packed_register(record)
            parts.append(selected_bits(packed.reshape(-1, packed.shape[-1]), places))
            shots.append(np.full(max(record.size, 1), record.num_shots))
        numbers = np.concatenate(shots)
        if numbers.sum() > MAX_TOTAL_SHOTS:
            raise CountsError.bad_argument(
                "result", expected=f"at most {MAX_TOTAL_SHOTS} shots", got=f"{numbers.sum()}"
            )
        _require_runs(settings, len(numbers))
        return cls(scenario, settings, numbers, np.concatenate(parts), design, drawn_terms)  # type: ignore[arg-type]

    def of_parties(self, parties: Sequence[int]) -> Self:
        """The shots of some of the parties, in the order given, for registers inside the register.

        Settings that were drawn at random were drawn for a term of all parties. Of fewer parties, the settings are
        taken as they came, so that the design is ``"blocks"``: fixed independently of the outcomes.

        Args:
            parties: Distinct numbers of parties.

        Raises:
            CountsError: If a party does not exist or comes twice.
        """
        chosen = list(whole_numbers(parties, "parties", CountsError, minimum=0))
        if not chosen or len(set(chosen)) != len(chosen) or max(chosen) >= self.num_parties:
            raise CountsError.bad_argument(
                "parties", expected=f"different numbers from 0 to {self.num_parties - 1}", got=shown(chosen)
            )
        drawn = None if self.drawn_terms is None or len(chosen) < self.num_parties else self.drawn_terms[:, chosen]
        reading = self.reading
        if self.drawn_terms is not None and drawn is None:
            reading += (
                f"settings were drawn at random for {self.num_parties} parties, and are taken as they came for "
                f"{len(chosen)} of them",
            )
        return type(self)(
            BellScenario([self.scenario.num_settings[k] for k in chosen], 2),
            self.settings[:, chosen],
            self.shots,
            selected_bits(self.packed, chosen),
            "blocks" if drawn is None else self.design,
            drawn,
            reading,
        )


def _require_runs(settings: Any, number: int) -> None:
    """Raises CountsError unless there is one row of settings for each run."""
    try:
        shape: tuple[int, ...] = np.shape(settings)
    except ValueError:  # rows of different lengths
        shape = ()
    if len(shape) != 2 or shape[0] != number:
        raise CountsError.bad_argument(
            "settings",
            expected=f"one row of settings for each of {number} runs",
            got=f"shape {shape}" if shape else shown(settings),
        )
