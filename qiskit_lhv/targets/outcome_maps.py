"""New names for the outcomes of single settings: coarse-graining, which merges some, and lifting, which splits them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.validation import is_whole_number
from ..exceptions import LHVError
from . import coordinates
from .scenario import BellScenario

__all__ = ["OutcomeMap", "OutcomeNames"]

OutcomeNames = Mapping[int | tuple[int, int], Sequence[int]]
"""For a party's setting ``(k, x)``, or for all settings of party k: the new number of each of its outcomes."""


@dataclass(frozen=True)
class OutcomeMap:
    """A map from the outcomes of a finer scenario to those of a coarser one, setting by setting."""

    fine: BellScenario
    """The scenario with more outcomes."""
    coarse: BellScenario
    """The scenario with fewer outcomes."""
    names: tuple[tuple[tuple[int, ...], ...], ...]
    """The coarse outcome that each fine outcome counts as: ``names[k][x][a]``."""

    @classmethod
    def merging(cls, scenario: BellScenario, outcomes: object, error: type[LHVError]) -> OutcomeMap:
        """The map that merges outcomes of a scenario.

        Args:
            scenario: The finer scenario.
            outcomes: See ``OutcomeNames``; settings that are not named stay as they are.
            error: Class of the error to raise.

        Raises:
            LHVError: Of class ``error``, if a setting is out of range or its numbers do not fit.
        """
        given = _by_setting(scenario, outcomes, error)
        names = _filled_in(scenario, given)
        for (k, x), own in given.items():
            if len(own) != scenario.num_outcomes[k][x]:
                raise error.bad_argument(
                    f"outcomes[{(k, x)}]",
                    expected=f"one number for each of {scenario.num_outcomes[k][x]} outcomes",
                    got=f"{own}",
                )
        sizes = tuple(tuple(max(own) + 1 for own in party) for party in names)
        return cls(scenario, BellScenario(scenario.num_settings, sizes), names)

    @classmethod
    def splitting(cls, scenario: BellScenario, outcomes: object, error: type[LHVError]) -> OutcomeMap:
        """The map whose coarser scenario is the given one.

        Args:
            scenario: The coarser scenario.
            outcomes: See ``OutcomeNames``: for each outcome that a setting is to have, the one that it counts as.
            error: Class of the error to raise.

        Raises:
            LHVError: Of class ``error``, if a setting is out of range or its numbers do not fit.
        """
        given = _by_setting(scenario, outcomes, error)
        names = _filled_in(scenario, given)
        for (k, x), own in given.items():
            if max(own) + 1 != scenario.num_outcomes[k][x]:
                raise error.bad_argument(
                    f"outcomes[{(k, x)}]",
                    expected=f"each of the outcomes below {scenario.num_outcomes[k][x]} at least once",
                    got=f"{own}",
                )
        sizes = tuple(tuple(len(own) for own in party) for party in names)
        return cls(BellScenario(scenario.num_settings, sizes), scenario, names)

    def merge(self, table: NDArray[Any]) -> NDArray[Any]:
        """The coarse table of a fine one: merged outcomes are added up."""
        axes = coordinates.to_party_axes(table, self.fine)
        merged = coordinates.apply_per_party(axes, self._matrices(table.dtype))
        return coordinates.from_party_axes(merged, self.coarse)

    def spread(self, table: NDArray[Any]) -> NDArray[Any]:
        """The fine table in which every outcome has the entry of the coarse one that it counts as."""
        axes = coordinates.to_party_axes(table, self.coarse)
        spread = coordinates.apply_per_party(axes, [matrix.T for matrix in self._matrices(table.dtype)])
        return coordinates.from_party_axes(spread, self.fine)

    def pick(self, table: NDArray[Any]) -> NDArray[Any]:
        """The coarse table that has the entry of the first fine outcome that counts as each outcome."""
        axes = coordinates.to_party_axes(table, self.fine)
        picked = coordinates.apply_per_party(axes, self._matrices(table.dtype, first=True))
        return coordinates.from_party_axes(picked, self.coarse)

    def embed(self, table: NDArray[Any]) -> NDArray[Any]:
        """A fine table whose merged outcomes give a coarse one: the first outcome of each has it all."""
        axes = coordinates.to_party_axes(table, self.coarse)
        matrices = [matrix.T for matrix in self._matrices(table.dtype, first=True)]
        return coordinates.from_party_axes(coordinates.apply_per_party(axes, matrices), self.fine)

    def _matrices(self, dtype: Any, *, first: bool = False) -> list[NDArray[Any]]:
        """For each party the matrix of zeros and ones from its fine settings and outcomes to the coarse ones."""
        matrices = []
        for k, party in enumerate(self.names):
            fine, coarse = self.fine.max_outcomes[k], self.coarse.max_outcomes[k]
            matrix = np.zeros((len(party), coarse, len(party), fine), dtype=dtype)
            for x, own in enumerate(party):
                for a, b in enumerate(own):
                    if not first or own.index(b) == a:
                        matrix[x, b, x, a] = 1
            matrices.append(matrix.reshape(len(party) * coarse, len(party) * fine))
        return matrices


def _by_setting(
    scenario: BellScenario, outcomes: object, error: type[LHVError]
) -> dict[tuple[int, int], tuple[int, ...]]:
    """The new numbers for each setting that is named."""
    expected = "a dictionary {(party, setting): [new number of each outcome]}, or {party: [...]} for all its settings"
    if not isinstance(outcomes, Mapping):
        raise error.bad_argument("outcomes", expected=expected, got=repr(outcomes))
    result: dict[tuple[int, int], tuple[int, ...]] = {}
    for key, value in outcomes.items():
        place = (key, None) if is_whole_number(key) else key
        valid = isinstance(place, tuple) and len(place) == 2 and is_whole_number(place[0])
        if not valid or not 0 <= place[0] < scenario.num_parties:
            raise error.bad_argument("outcomes", expected=f"{expected} of {scenario}", got=f"the key {key!r}")
        party, setting = place
        settings = range(scenario.num_settings[party]) if setting is None else (setting,)
        own = list(value) if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else []
        numbers = [int(number) for number in own if is_whole_number(number)]
        if not own or len(numbers) != len(own) or sorted(set(numbers)) != list(range(max(numbers) + 1)):
            raise error.bad_argument(
                f"outcomes[{key!r}]", expected="new numbers 0, 1, ... without gaps", got=repr(value)
            )
        for x in settings:
            if not is_whole_number(x) or not 0 <= x < scenario.num_settings[party]:
                raise error.bad_argument("outcomes", expected=f"settings of {scenario}", got=f"the key {key!r}")
            if (party, int(x)) in result:
                raise error.bad_argument("outcomes", expected="every setting once", got=f"{(party, x)} twice")
            result[party, int(x)] = tuple(numbers)
    return result


def _filled_in(
    scenario: BellScenario, given: Mapping[tuple[int, int], tuple[int, ...]]
) -> tuple[tuple[tuple[int, ...], ...], ...]:
    return tuple(
        tuple(given.get((k, x), tuple(range(d))) for x, d in enumerate(party))
        for k, party in enumerate(scenario.num_outcomes)
    )
