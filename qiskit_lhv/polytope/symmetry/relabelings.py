"""Relabelings of parties, settings and outcomes, and the groups of those that leave something unchanged.

Every relabeling turns local models into local models. So if a group of relabelings leaves a behavior
unchanged, a local model of it can be averaged over the group, and only one number per orbit of cells has to be
reproduced.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._support.records import Record
from ..._support.types import FloatArray, IntArray
from ..._support.validation import frozen, whole_array
from ...exceptions import ScenarioError
from ...targets import coordinates
from ...targets.behaviors import Behavior
from ...targets.scenario import BellScenario

__all__ = ["MAX_GROUP", "Relabeling", "Symmetry"]


MAX_GROUP = 8000


@dataclass(frozen=True, eq=False, repr=False)
class Relabeling(Record):
    """A renaming of parties, settings and outcomes.

    The settings of all parties are numbered consecutively, as in ``DeterministicModel.strategies``. If the old strategy
    has outcome ``b`` at position ``source[i]``, the new strategy has outcome ``outcomes[i, b]`` at position i.

    Raises:
        ScenarioError: If it does not map parties to parties, settings to settings and outcomes to outcomes.

    References:
        S. Designolle, T. Vertesi, S. Pokutta, Phys. Rev. A 109, 022205 (2024), arXiv:2310.20677 (symmetric inequalities
        and models).

    Examples:
        >>> import numpy as np
        >>> from qiskit_lhv import BellScenario, chsh
        >>> swap = Relabeling.of(BellScenario((2, 2), (2, 2)), parties=[1, 0])
        >>> print(swap)
        of 2 parties with 2 settings of 2 outcomes each
        >>> swap.apply(np.array([[0, 1, 0, 0]])).tolist()  # outcomes of A0, A1, B0, B1
        [[0, 0, 0, 1]]
        >>> bool((swap.table(chsh().coefficients) == chsh().coefficients).all())
        True
    """

    scenario: BellScenario
    """The scenario."""
    source: IntArray
    """Shape ``(m_1 + ... + m_N,)``: the setting whose place each setting takes."""
    outcomes: IntArray
    """Shape ``(m_1 + ... + m_N, max d)``: the new name of each outcome."""

    def __post_init__(self) -> None:
        sizes = self.scenario.num_settings
        source = whole_array(self.source, "source", ScenarioError, ndim=1)
        outcomes = whole_array(self.outcomes, "outcomes", ScenarioError, ndim=2)
        total, widest = sum(sizes), max(self.scenario.max_outcomes)
        if source.shape != (total,) or outcomes.shape != (total, widest):
            raise ScenarioError.bad_argument(
                "source, outcomes",
                expected=f"shapes {(total,)} and {(total, widest)}",
                got=f"{source.shape} and {outcomes.shape}",
            )
        if sorted(source.tolist()) != list(range(total)):
            raise ScenarioError.bad_argument("source", expected="a permutation of all settings", got="none")
        owner = np.repeat(np.arange(len(sizes)), sizes)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        for k, (start, end) in enumerate(itertools.pairwise(starts)):
            others = np.unique(owner[source[start:end]])
            if len(others) != 1 or sizes[int(others[0])] != sizes[k]:
                raise ScenarioError.bad_argument(
                    "source", expected="each party's settings taken from one party alike", got="others"
                )
            sizes_taken = np.array(self.scenario.num_outcomes[int(others[0])])[source[start:end] - starts[others[0]]]
            if tuple(sizes_taken.tolist()) != self.scenario.num_outcomes[k]:
                raise ScenarioError.bad_argument(
                    "source",
                    expected="settings that take the place of ones with as many outcomes",
                    got=f"{self.scenario.num_outcomes[k]} outcomes for {tuple(sizes_taken.tolist())} of party {k}",
                )
            most = self.scenario.max_outcomes[k]
            names, places = outcomes[start:end, :most], np.arange(most)
            # Real outcomes are permuted; padding does not change.
            real = places < sizes_taken[:, None]
            fits = np.where(real, names < sizes_taken[:, None], names == places) & (np.sort(names, axis=1) == places)
            if not fits.all():
                d = sizes_taken[int(np.argmin(fits.all(axis=1)))]
                raise ScenarioError.bad_argument(
                    "outcomes",
                    expected=f"a permutation of {d} outcomes for each setting of party {k}",
                    got="another",
                )
        object.__setattr__(self, "source", frozen(source))
        object.__setattr__(self, "outcomes", frozen(outcomes))

    def __str__(self) -> str:
        return f"of {self.scenario}"

    @classmethod
    def of(
        cls,
        scenario: BellScenario,
        *,
        parties: Sequence[int] | None = None,
        settings: Sequence[Sequence[int]] | None = None,
        outcomes: Sequence[ArrayLike] | None = None,
    ) -> Relabeling:
        """Returns the relabeling that is described party by party.

        Args:
            scenario: The scenario.
            parties: The party whose place each party takes; default: its own.
            settings: For each party, the setting (of that party) whose place each setting takes; default: the same.
            outcomes: For each party, shape ``(m_k, d_k)``: the new name of each outcome; default: the same.

        Raises:
            ScenarioError: If these are not permutations or do not fit the scenario.
        """
        n, widest = scenario.num_parties, max(scenario.max_outcomes)
        taken = list(range(n)) if parties is None else [int(k) for k in parties]
        if sorted(taken) != list(range(n)):
            raise ScenarioError.bad_argument("parties", expected=f"a permutation of {n} parties", got=f"{parties}")
        starts = np.concatenate([[0], np.cumsum(scenario.num_settings)])
        source, renamed = [], []
        for k, other in enumerate(taken):
            m, d = scenario.num_settings[k], scenario.max_outcomes[k]
            own = np.arange(m) if settings is None else np.asarray(settings[k], dtype=np.int64)
            names = np.tile(np.arange(d), (m, 1)) if outcomes is None else np.asarray(outcomes[k], dtype=np.int64)
            if own.shape != (m,) or names.shape != (m, d):
                raise ScenarioError.bad_argument(
                    "settings, outcomes",
                    expected=f"shapes {(m,)} and {(m, d)} for party {k}",
                    got=f"{own.shape} and {names.shape}",
                )
            if own.min() < 0 or own.max() >= scenario.num_settings[other]:
                raise ScenarioError.bad_argument(
                    "settings", expected=f"settings of party {other}", got=f"{own.tolist()}"
                )
            padded = np.tile(np.arange(widest), (m, 1))
            padded[:, :d] = names
            source.append(starts[other] + own)
            renamed.append(padded)
        return cls(scenario, np.concatenate(source), np.concatenate(renamed))

    def parties(self) -> list[int]:
        """The party whose place each party takes."""
        owner = np.repeat(np.arange(self.scenario.num_parties), self.scenario.num_settings)
        starts = np.concatenate([[0], np.cumsum(self.scenario.num_settings)])[:-1]
        return [int(owner[self.source[start]]) for start in starts]

    def apply(self, strategies: NDArray[np.integer[Any]]) -> IntArray:
        """The relabeled strategies, shape as given, ``(K, m_1 + ... + m_N)``.

        Args:
            strategies: Outcomes of deterministic strategies, shape ``(K, m_1 + ... + m_N)``.
        """
        renamed: IntArray = self.outcomes[np.arange(len(self.source)), strategies[:, self.source]]
        return renamed

    def behavior(self, behavior: Behavior) -> Behavior:
        """The relabeled behavior, which the relabeled strategies produce.

        Args:
            behavior: A behavior of the same scenario.

        Raises:
            ScenarioError: If the behavior is of another scenario.
        """
        behavior.require_scenario(self.scenario, "behavior")
        return Behavior(self.table(behavior.array), self.scenario)

    def table(self, table: FloatArray) -> FloatArray:
        """A relabeled table of probabilities or coefficients, shape ``(m_1, ..., m_N, d_1, ..., d_N)``.

        Args:
            table: Probabilities or coefficients, shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        """
        axes, _ = self._axes(correlators=False)
        tensor = coordinates.to_party_axes(table, self.scenario).transpose(self.parties())
        cells = np.ix_(*(axis[1:] - 1 for axis in axes))
        return coordinates.from_party_axes(tensor[cells], self.scenario)

    def cells(self, correlators: bool) -> tuple[IntArray, IntArray]:
        """Old positions and signs of the cells of a relabeled tensor with one axis per party.

        Args:
            correlators: Whether the axes are those of correlators (the identity, then the settings of a two-outcome
                party), or of the table regrouped by party, after an entry for the identity.

        Returns:
            For each flat cell of the new tensor the flat cell of the old one and the sign, -1 or 1, of its value.
        """
        axes, signs = self._axes(correlators)
        parties = self.parties()
        old_shape = [0] * len(parties)
        for k, other in enumerate(parties):
            old_shape[other] = len(axes[k])
        strides = np.concatenate([np.cumprod(old_shape[::-1])[::-1][1:], [1]]).astype(np.int64)
        cell, sign = np.zeros((), dtype=np.int64), np.ones((), dtype=np.int64)
        for k, other in enumerate(parties):
            cell = cell[..., None] + strides[other] * axes[k]
            sign = sign[..., None] * signs[k]
        return cell.ravel(), sign.ravel()

    def _axes(self, correlators: bool) -> tuple[list[IntArray], list[IntArray]]:
        """For each party, the entry of the other party's axis that each entry is taken from, and its sign."""
        starts = np.concatenate([[0], np.cumsum(self.scenario.num_settings)])
        axes, signs = [], []
        for k, other in enumerate(self.parties()):
            m, d = self.scenario.num_settings[k], self.scenario.max_outcomes[k]
            own = self.source[starts[k] : starts[k + 1]] - starts[other]
            names = self.outcomes[starts[k] : starts[k + 1], :d]
            if correlators:
                axes.append(np.concatenate([[0], 1 + own]))
                signs.append(np.concatenate([[1], 1 - 2 * names[:, 0]]))
            else:
                axes.append(np.concatenate([[0], 1 + (own[:, None] * d + np.argsort(names, axis=1)).ravel()]))
                signs.append(np.ones(1 + m * d, dtype=np.int64))
        return axes, signs


@functools.lru_cache(maxsize=16)
def _trivial_group(scenario: BellScenario) -> Symmetry:
    return Symmetry.generated_by([], scenario)


@dataclass(frozen=True, eq=False, repr=False)
class Symmetry(Record):
    """A finite group of relabelings.

    Args:
        scenario: The scenario.
        sources: Shape ``(G, m_1 + ... + m_N)``, one row per element; see :class:`Relabeling`.
        outcomes: Shape ``(G, m_1 + ... + m_N, max d)``.

    Raises:
        ScenarioError: If shapes or numbers do not fit the scenario.

    References:
        S. Designolle, T. Vertesi, S. Pokutta, Phys. Rev. A 109, 022205 (2024), arXiv:2310.20677 (symmetric inequalities
        and models).

    Examples:
        >>> import numpy as np
        >>> from qiskit_lhv import BellScenario
        >>> from qiskit_lhv.polytope import Relabeling
        >>> scenario = BellScenario((2, 2), (2, 2))
        >>> swap = Relabeling.of(scenario, parties=[1, 0])
        >>> flip = Relabeling.of(scenario, outcomes=[[[1, 0], [1, 0]]] * 2)  # all outcomes of both parties
        >>> group = Symmetry.generated_by([swap, flip], scenario)
        >>> print(group)
        4 relabelings of 2 parties with 2 settings of 2 outcomes each
        >>> group.images(np.array([[0, 1, 1, 1]])).tolist()
        [[0, 1, 1, 1], [1, 1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0]]
    """

    scenario: BellScenario
    """The scenario."""
    sources: NDArray[np.int16]
    """Shape ``(G, m_1 + ... + m_N)``."""
    outcomes: NDArray[np.int8]
    """Shape ``(G, m_1 + ... + m_N, max d)``."""
    num_generators: int = 0
    """The first elements after the identity that generate all; 0 if only the identity is there."""

    def __post_init__(self) -> None:
        for name, kind in (("sources", np.int16), ("outcomes", np.int8)):
            array = np.asarray(getattr(self, name))
            if array.dtype != kind:
                array = whole_array(array, name, ScenarioError)
                if array.size and not np.iinfo(kind).min <= array.min() <= array.max() <= np.iinfo(kind).max:
                    raise ScenarioError.bad_argument(name, expected=f"numbers of {np.dtype(kind)}", got="larger ones")
            object.__setattr__(self, name, frozen(array.astype(kind)))

    @classmethod
    def grown_by(cls, relabelings: Iterable[Relabeling], scenario: BellScenario) -> Symmetry:
        """The group generated by the first relabelings in order, as many as keep its size within the limit.

        Args:
            relabelings: The relabelings, the most important first.
            scenario: The scenario.
        """
        symmetry = cls.trivial(scenario)
        for relabeling in relabelings:
            if relabeling not in symmetry:
                try:
                    symmetry = cls.generated_by([*symmetry.generators, relabeling], scenario)
                except ScenarioError:
                    break
        return symmetry

    def __len__(self) -> int:
        return len(self.sources)

    def __str__(self) -> str:
        return f"{len(self)} relabelings of {self.scenario}"

    @classmethod
    def trivial(cls, scenario: BellScenario) -> Symmetry:
        """The group of the identity alone.

        Args:
            scenario: The scenario.
        """
        return _trivial_group(scenario)

    @classmethod
    def generated_by(cls, relabelings: Iterable[Relabeling], scenario: BellScenario) -> Symmetry:
        """The group that the given relabelings generate.

        Args:
            relabelings: The relabelings.
            scenario: The scenario.

        Raises:
            ScenarioError: If it has more than 8000 elements.
        """
        identity = Relabeling.of(scenario)
        sources, outcomes = identity.source.astype(np.int16)[None], identity.outcomes.astype(np.int8)[None]
        keys = _keys(sources, outcomes)
        known = set(keys)
        generators: list[Relabeling] = []
        for relabeling in relabelings:
            if relabeling.scenario != scenario:
                raise ScenarioError.bad_argument(
                    "symmetry", expected=f"relabelings of {scenario}", got=f"one {relabeling}"
                )
            if _key(relabeling) in known:
                continue
            generators.append(relabeling)
            # All products of known elements with the new generator, until no new element appears (breadth first).
            fresh = (sources, outcomes)
            while len(fresh[0]):
                products = _products(*fresh, generators)
                product_keys = _keys(*products)
                found = [i for i, key in enumerate(product_keys) if _is_new(key, known)]
                if len(known) > MAX_GROUP:
                    raise ScenarioError.bad_argument(
                        "symmetry",
                        expected=f"relabelings that generate at most {MAX_GROUP}",
                        got="more",
                        remedy="Give fewer of them: a subgroup serves as well.",
                    )
                keys += [product_keys[i] for i in found]
                fresh = (products[0][found], products[1][found])
                sources, outcomes = np.concatenate([sources, fresh[0]]), np.concatenate([outcomes, fresh[1]])
        position = {key: i for i, key in enumerate(keys)}
        first = [0, *(position[_key(relabeling)] for relabeling in generators)]
        chosen = set(first)
        order = first + [i for i in range(len(sources)) if i not in chosen]
        return cls(scenario, sources[order], outcomes[order], len(generators))

    def __contains__(self, relabeling: object) -> bool:
        if not isinstance(relabeling, Relabeling):
            return False
        return relabeling.scenario.num_settings == self.scenario.num_settings and _key(relabeling) in self._all_keys

    @cached_property
    def _all_keys(self) -> frozenset[bytes]:
        return frozenset(_keys(self.sources, self.outcomes))

    def __getitem__(self, index: int) -> Relabeling:
        return Relabeling(self.scenario, self.sources[index], self.outcomes[index])

    @cached_property
    def generators(self) -> list[Relabeling]:
        """Relabelings that generate the group."""
        return [self[1 + i] for i in range(self.num_generators)]

    def images(self, strategies: NDArray[np.integer[Any]]) -> IntArray:
        """All images of strategies, shape ``(G * K, m_1 + ... + m_N)``, ordered by group element.

        Args:
            strategies: Outcomes of deterministic strategies, shape ``(K, m_1 + ... + m_N)``.
        """
        count = self.sources.shape[1]
        elements, places = np.arange(len(self))[:, None, None], np.arange(count)
        moved = strategies[:, self.sources].transpose(1, 0, 2)
        renamed: IntArray = self.outcomes[elements, places, moved].astype(np.int64)
        return renamed.reshape(-1, count)

    def orbits(self, correlators: bool) -> tuple[IntArray, IntArray, IntArray]:
        """The orbits of the cells of a tensor with one axis per party; see :meth:`Relabeling.cells`.

        Cells that the group maps to their own negative are 0 in every average, so they belong to no orbit.

        Args:
            correlators: Whether the axes are those of correlators.

        Returns:
            Flat cells, sorted by orbit, shape ``(C,)``; their signs relative to the orbit's first cell;
            where each orbit starts, shape ``(num_orbits,)``. The orbit of cell 0 comes first.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        sizes = zip(self.scenario.num_settings, self.scenario.max_outcomes, strict=True)
        count = int(np.prod([1 + (m if correlators else m * d) for m, d in sizes]))
        cells = np.arange(count)
        if not self.num_generators:
            return cells, np.ones(count, dtype=np.int64), cells
        real = np.ones(count, dtype=bool)
        if not correlators and not self.scenario.has_equal_outcomes:
            axes = [np.concatenate([[True], mask.ravel()]) for mask in self.scenario.party_masks]
            real = functools.reduce(np.logical_and.outer, axes).ravel()
        # Each cell appears twice, with either sign; a relabeling joins the four points of two cells in pairs.
        rows, columns = [], []
        for generator in self.generators:
            old, sign = generator.cells(correlators)
            for half in (0, 1):
                rows.append(cells + half * count)
                columns.append(old + np.where(sign > 0, half, 1 - half) * count)
        links = (np.concatenate(rows), np.concatenate(columns))
        graph = coo_array((np.ones(len(links[0]), dtype=np.int8), links), shape=(2 * count, 2 * count))
        _, label = connected_components(graph, directed=False)
        # Padding is mapped to padding, and is always 0.
        live = np.flatnonzero((label[:count] != label[count:]) & real)
        first, orbit = np.unique(np.minimum(label[live], label[live + count]), return_inverse=True)
        signs = np.where(label[live] < label[live + count], 1, -1)
        # Orbits in the order of their first cells.
        lowest = np.full(len(first), count)
        np.minimum.at(lowest, orbit, live)
        rank = np.empty(len(first), dtype=np.int64)
        rank[np.argsort(lowest)] = np.arange(len(first))
        order = np.argsort(rank[orbit], kind="stable")
        sorted_orbits = rank[orbit][order]
        starts = np.searchsorted(sorted_orbits, np.arange(len(first)))
        signs = signs[order] * np.repeat(signs[order][starts], np.diff(np.append(starts, len(order))))
        return live[order], signs, starts


def _key(relabeling: Relabeling) -> bytes:
    return _keys(relabeling.source[None], relabeling.outcomes[None])[0]


def _keys(sources: NDArray[np.integer[Any]], outcomes: NDArray[np.integer[Any]]) -> list[bytes]:
    """Returns a key for each row, by which elements of the group are told apart."""
    count = len(sources)
    whole = np.ascontiguousarray(sources, dtype=np.int16).view(np.uint8).reshape(count, -1)
    names = np.ascontiguousarray(outcomes, dtype=np.int8).view(np.uint8).reshape(count, -1)
    rows = np.ascontiguousarray(np.hstack([whole, names]))
    keys: list[bytes] = [row.tobytes() for row in rows]
    return keys


def _is_new(key: bytes, known: set[bytes]) -> bool:
    """Returns whether a key is new, and adds it to the known keys."""
    before = len(known)
    known.add(key)
    return len(known) > before


def _products(
    sources: NDArray[np.int16], outcomes: NDArray[np.int8], generators: list[Relabeling]
) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
    """Each element, then each generator: those of one element next to each other."""
    places = np.arange(sources.shape[1])[:, None]
    new_sources = np.stack([sources[:, generator.source] for generator in generators], axis=1)
    new_outcomes = np.stack(
        [generator.outcomes.astype(np.int8)[places, outcomes[:, generator.source]] for generator in generators], axis=1
    )
    return new_sources.reshape(-1, *sources.shape[1:]), new_outcomes.reshape(-1, *outcomes.shape[1:])
