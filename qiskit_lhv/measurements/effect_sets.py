"""Sets of measurements of any dimension, whose members are given by their effects."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._support.types import ComplexArray
from .._support.validation import frozen, shown, whole_number, whole_numbers
from ..exceptions import MeasurementError
from .qubit_sets import PlanarProjective
from .random_effects import (
    convex_mixtures,
    haar_unitaries,
    mutually_unbiased_bases,
    padded,
    projectors_of_bases,
    rank_deficient_povms,
    rank_one_povms,
)
from .sets import MeasurementSet
from .specification import PROJECTOR_ATOL, Measurement, measurement

__all__ = ["EffectSet", "ListedMeasurements", "POVMs", "PVMs"]

_DISTRIBUTIONS = ("haar", "rank-deficient", "mixtures", "mixed")


class EffectSet(MeasurementSet):
    """Base of the sets whose members are given by their effects: ``PVMs``, ``POVMs`` and ``ListedMeasurements``.

    Examples:
        Effects that are drawn sum to the identity:

        >>> from qiskit_lhv.measurements import POVMs, PVMs
        >>> for measurements in (PVMs(3), POVMs(2)):
        ...     effects = measurements.draw(np.random.default_rng(1), 5)
        ...     print(effects.shape, np.allclose(effects.sum(axis=1), np.eye(measurements.dimension)))
        (5, 3, 3, 3) True
        (5, 4, 2, 2) True
    """

    @property
    @abstractmethod
    def most_outcomes(self) -> int:
        """Number of outcomes of what is drawn; measurements with fewer are padded by effects that are zero."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, count: int) -> ComplexArray:
        """Effects of members that are drawn independently, shape ``(count, most_outcomes, D, D)``.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """

    @abstractmethod
    def spread(self, rng: np.random.Generator, count: int) -> ComplexArray:
        """Effects of evenly spread members, shape ``(at most count, most_outcomes, D, D)``.

        Args:
            rng: Source of randomness.
            count: Largest number of members.
        """


@dataclass(frozen=True, eq=False)
class PVMs(EffectSet):
    """All projective measurements of a space of any dimension, named ``"projective"``.

    Those with degenerate outcomes belong to it, too. They are coarse-grainings of measurements of a basis, so a local
    model for all bases is one for all of them; what is drawn are therefore bases, unless ``ranks`` says otherwise.

    Args:
        dimension: Dimension D of the space.
        ranks: Ranks of the projectors, which add up to D; then only such measurements belong to the set. Default: all.

    Raises:
        MeasurementError: If the dimension is below 2, or the ranks do not add up to it.

    References:
        F. Mezzadri, Notices of the AMS 54, 592 (2007), arXiv:math-ph/0609050 (Haar-random bases); W. K. Wootters and B.
        D. Fields, Ann. Phys. 191, 363 (1989) (mutually unbiased bases).

    Examples:
        >>> from qiskit_lhv.measurements import PVMs
        >>> print(PVMs(3), PVMs(3).contains("Z"))
        all projective measurements of dimension 3 False

        Bases that are evenly spread are mutually unbiased:

        >>> bases = PVMs(3).spread(np.random.default_rng(1), 4)
        >>> abs(np.einsum("aij,bji->ab", bases[0], bases[1])).round(4).tolist()
        [[0.3333, 0.3333, 0.3333], [0.3333, 0.3333, 0.3333], [0.3333, 0.3333, 0.3333]]
    """

    dimension: int = 2
    """Dimension of the space of the party that measures."""
    ranks: tuple[int, ...] | None = None
    """Ranks of the projectors; ``None``: any."""

    def __post_init__(self) -> None:
        whole_number(self.dimension, "dimension", MeasurementError, minimum=2)
        object.__setattr__(self, "dimension", int(self.dimension))
        if self.ranks is not None:
            ranks = whole_numbers(self.ranks, "ranks", MeasurementError, minimum=1)
            if sum(ranks) != self.dimension:
                raise MeasurementError.bad_argument(
                    "ranks", expected=f"numbers that add up to the dimension, {self.dimension}", got=repr(self.ranks)
                )
            object.__setattr__(self, "ranks", ranks)

    def __str__(self) -> str:
        kind = "" if self.ranks is None else f" with projectors of ranks {', '.join(map(str, self.ranks))}"
        return f"all projective measurements of dimension {self.dimension}{kind}"

    @property
    def name(self) -> str:
        """``"projective"``; empty where ranks are prescribed."""
        return "projective" if self.ranks is None else ""

    @property
    def size(self) -> int | None:
        """``None``: there are infinitely many."""
        return None

    @property
    def is_projective(self) -> bool:
        """True."""
        return True

    @property
    def most_outcomes(self) -> int:
        """Number of outcomes of what is drawn."""
        return self.dimension if self.ranks is None else len(self.ranks)

    def contains(self, spec: Any) -> bool:
        """Whether ``spec`` is a projective measurement of this dimension, with these ranks if some are prescribed.

        Args:
            spec: Anything that ``measurement`` takes.
        """
        given = measurement(spec)
        if given.dimension != self.dimension or given.basis is None:
            return False
        ranks = np.rint(np.einsum("aii->a", given.effects).real).astype(int)
        return self.ranks is None or sorted(ranks[ranks > 0].tolist()) == sorted(self.ranks)

    def _covers_all_of(self, other: MeasurementSet) -> bool:
        if other.dimension != self.dimension or not other.is_projective:
            return False
        if self.ranks is None:
            return True
        if isinstance(other, PVMs):
            return other.ranks is not None and sorted(other.ranks) == sorted(self.ranks)
        # All projective measurements of a qubit include those with one outcome.
        return self.ranks == (1, 1) and isinstance(other, PlanarProjective)

    def draw(self, rng: np.random.Generator, count: int) -> ComplexArray:
        """Effects of Haar-random bases, shape ``(count, most_outcomes, D, D)``.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """
        return self._of_bases(haar_unitaries(rng, count, self.dimension))

    def spread(self, rng: np.random.Generator, count: int) -> ComplexArray:
        """Effects of mutually unbiased bases, whole sets of them turned by Haar-random unitaries.

        They are evenly spread: averages of squares of probabilities come out as for all bases. Where no complete set is
        known (D is not prime), the bases are Haar-random.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """
        unbiased = mutually_unbiased_bases(self.dimension)
        if unbiased is None:
            return self.draw(rng, count)
        turned = haar_unitaries(rng, -(-count // len(unbiased)), self.dimension)[:, None] @ unbiased[None]
        return self._of_bases(turned.reshape(-1, self.dimension, self.dimension)[:count])

    def _of_bases(self, bases: ComplexArray) -> ComplexArray:
        return projectors_of_bases(bases, (1,) * self.dimension if self.ranks is None else self.ranks)


@dataclass(frozen=True, eq=False)
class POVMs(EffectSet):
    """All POVMs of a space of any dimension, named ``"povm"``, or those with few outcomes.

    Every POVM is a mixture of coarse-grainings of POVMs with at most D^2 effects of rank one (arXiv:quant-ph/0408115),
    so a local model for these is one for all; therefore D^2 outcomes are drawn by default.

    Args:
        dimension: Dimension D of the space.
        num_outcomes: Number of outcomes, or several numbers that are drawn equally often; only POVMs with at most the
            largest number belong to the set. Default: POVMs with any number of outcomes belong to it, and those with
            D^2 are drawn.
        distribution: How members are drawn: ``"haar"``: effects of rank one, as a Haar-random basis of a larger space
            measures them; ``"rank-deficient"``: effects of rank D - 1 with uniform eigenvalues, normalized together
            (those of arXiv:2407.04673); ``"mixtures"``: one of some Haar-random bases, chosen at random;
            ``"mixed"``: each of these, for a third of the members.

    Raises:
        MeasurementError: If the dimension is below 2, there are fewer than D outcomes, or the distribution is unknown.

    References:
        G. M. D'Ariano, P. Lo Presti, P. Perinotti, J. Phys. A 38, 5979 (2005), arXiv:quant-ph/0408115 (mixtures and
        coarse-grainings); arXiv:2407.04673 (the distribution ``"rank-deficient"``).

    Examples:
        >>> from qiskit_lhv.measurements import POVMs, PVMs
        >>> print(POVMs(2), POVMs(2).contains("Z"), POVMs(2).covers(PVMs(2)))
        all POVMs of dimension 2 True True
        >>> print(POVMs(2, num_outcomes=3))
        all POVMs of dimension 2 with at most 3 outcomes
        >>> POVMs(3).draw(np.random.default_rng(1), 10).shape
        (10, 9, 3, 3)
    """

    dimension: int = 2
    """Dimension of the space of the party that measures."""
    num_outcomes: int | tuple[int, ...] | None = None
    """Numbers of outcomes; ``None``: any."""
    distribution: str = "haar"
    """How members are drawn."""

    def __post_init__(self) -> None:
        whole_number(self.dimension, "dimension", MeasurementError, minimum=2)
        object.__setattr__(self, "dimension", int(self.dimension))
        if self.num_outcomes is not None:
            numbers = whole_numbers(self.num_outcomes, "num_outcomes", MeasurementError, minimum=self.dimension)
            if not numbers:
                raise MeasurementError.bad_argument("num_outcomes", expected="at least one number", got="none")
            object.__setattr__(self, "num_outcomes", numbers[0] if len(numbers) == 1 else numbers)
        if self.distribution not in _DISTRIBUTIONS:
            raise MeasurementError.bad_argument(
                "distribution", expected=f"one of {', '.join(_DISTRIBUTIONS)}", got=repr(self.distribution)
            )

    def __str__(self) -> str:
        kind = "" if self.num_outcomes is None else f" with at most {self.most_outcomes} outcomes"
        return f"all POVMs of dimension {self.dimension}{kind}"

    @property
    def name(self) -> str:
        """``"povm"``; empty where the number of outcomes is limited."""
        return "povm" if self.num_outcomes is None else ""

    @property
    def size(self) -> int | None:
        """``None``: there are infinitely many."""
        return None

    @property
    def is_projective(self) -> bool:
        """False."""
        return False

    @property
    def outcome_numbers(self) -> tuple[int, ...]:
        """Numbers of outcomes of what is drawn."""
        if self.num_outcomes is None:
            return (self.dimension**2,)
        return self.num_outcomes if isinstance(self.num_outcomes, tuple) else (self.num_outcomes,)

    @property
    def most_outcomes(self) -> int:
        """Largest number of outcomes of what is drawn."""
        return max(self.outcome_numbers)

    def contains(self, spec: Any) -> bool:
        """Whether ``spec`` is a measurement of this dimension, with at most the largest number of outcomes.

        Args:
            spec: Anything that ``measurement`` takes.
        """
        given = measurement(spec).without_missing_outcomes()
        few = self.num_outcomes is None or given.num_outcomes <= self.most_outcomes
        return given.dimension == self.dimension and few

    def _covers_all_of(self, other: MeasurementSet) -> bool:
        if other.dimension != self.dimension:
            return False
        # No set has fewer than D outcomes here, and projective measurements do not have more.
        if self.num_outcomes is None or other.is_projective:
            return True
        return isinstance(other, POVMs) and other.num_outcomes is not None and other.most_outcomes <= self.most_outcomes

    def draw(self, rng: np.random.Generator, count: int) -> ComplexArray:
        """Effects of independent POVMs, shape ``(count, most_outcomes, D, D)``.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """
        numbers = rng.choice(self.outcome_numbers, size=count)
        kinds = _DISTRIBUTIONS[:-1] if self.distribution == "mixed" else (self.distribution,)
        return self._drawn(rng, numbers, rng.integers(len(kinds), size=count), kinds)

    def spread(self, rng: np.random.Generator, count: int) -> ComplexArray:
        """Effects of POVMs of which each kind, and each number of outcomes, is there equally often.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """
        kinds = _DISTRIBUTIONS[:-1] if self.distribution == "mixed" else (self.distribution,)
        both = rng.permutation(np.arange(count) + rng.integers(len(kinds) * len(self.outcome_numbers)))
        numbers = np.array(self.outcome_numbers)[both // len(kinds) % len(self.outcome_numbers)]
        return self._drawn(rng, numbers, both % len(kinds), kinds)

    def _drawn(
        self, rng: np.random.Generator, numbers: np.ndarray, kind_numbers: np.ndarray, kinds: Sequence[str]
    ) -> ComplexArray:
        """Effects of POVMs with the given numbers of outcomes, of the given kinds."""
        d = self.dimension
        effects = np.zeros((len(numbers), self.most_outcomes, d, d), dtype=complex)
        for i, kind in enumerate(kinds):
            for number in self.outcome_numbers:
                chosen = np.flatnonzero((numbers == number) & (kind_numbers == i))
                if kind == "haar":
                    drawn = rank_one_povms(rng, len(chosen), d, number)
                elif kind == "rank-deficient":
                    drawn = rank_deficient_povms(rng, len(chosen), d, number)
                else:
                    drawn = convex_mixtures(rng, len(chosen), d, number // d)
                effects[chosen] = padded(drawn, self.most_outcomes)
        return effects


@dataclass(frozen=True, eq=False)
class ListedMeasurements(EffectSet):
    """Finitely many measurements of a space of any dimension, all equally likely.

    Args:
        effects: Effects of each measurement, shape ``(m, num_outcomes, D, D)``; effects that are zero stand for
            outcomes that a measurement does not have.

    Raises:
        MeasurementError: If they are no POVMs.

    Examples:
        Two measurements of a party of two qubits, each in a product basis:

        >>> from qiskit_lhv.measurements import ListedMeasurements, measurement
        >>> listed = ListedMeasurements.of([measurement(basis="XZ"), measurement(basis="ZZ")])
        >>> print(listed, listed.effects.shape)
        2 chosen measurements of dimension 4 (2, 4, 4, 4)
        >>> listed.contains(measurement(basis="ZZ")), listed.contains(measurement(basis="ZX"))
        (True, False)
    """

    effects: ComplexArray
    """Effects, shape ``(m, num_outcomes, D, D)``."""

    def __post_init__(self) -> None:
        try:
            array = np.array(self.effects, dtype=complex)
        except (TypeError, ValueError) as exc:
            raise MeasurementError.bad_argument(
                "effects",
                expected="numbers, shape (m, num_outcomes, D, D)",
                got=shown(self.effects),
                remedy="Of measurements with unequal numbers of outcomes: ListedMeasurements.of([...]).",
            ) from exc
        if array.ndim != 4 or not array.size or array.shape[2] != array.shape[3] or array.shape[2] < 2:
            raise MeasurementError.bad_argument(
                "effects", expected="shape (m, num_outcomes, D, D) with D >= 2", got=f"shape {array.shape}"
            )
        for i, own in enumerate(array):
            try:
                measurement(own)
            except MeasurementError as exc:
                raise MeasurementError(f"effects[{i}]: {exc.message}") from exc
        object.__setattr__(self, "effects", frozen(array))

    @classmethod
    def of(cls, measurements: Sequence[Any]) -> ListedMeasurements:
        """Returns the set of some measurements of equal dimension.

        Args:
            measurements: Anything that ``measurement`` takes.

        Raises:
            MeasurementError: If one is not a measurement, or their dimensions differ.
        """
        given = [measurement(spec) for spec in measurements]
        if len({own.dimension for own in given}) != 1:
            raise MeasurementError.bad_argument(
                "measurements",
                expected="at least one measurement, all of one dimension",
                got=f"dimensions {[own.dimension for own in given]}",
            )
        most = max(own.num_outcomes for own in given)
        return cls(np.concatenate([padded(own.effects[None], most) for own in given]))

    def __str__(self) -> str:
        return f"{len(self.effects)} chosen measurements of dimension {self.dimension}"

    @property
    def measurements(self) -> list[Measurement]:
        """The measurements."""
        return [measurement(own) for own in self.effects]

    @property
    def name(self) -> str:
        """Empty: a list has no name."""
        return ""

    @property
    def dimension(self) -> int:
        """Dimension of the space of the party that measures."""
        return int(self.effects.shape[-1])

    @property
    def size(self) -> int | None:
        """Length of the list."""
        return len(self.effects)

    @property
    def is_projective(self) -> bool:
        """Whether all of them are projective."""
        return all(own.basis is not None for own in self.measurements)

    @property
    def most_outcomes(self) -> int:
        """Largest number of outcomes."""
        return int(self.effects.shape[1])

    def contains(self, spec: Any) -> bool:
        """Whether ``spec`` is in the list, up to the order of its outcomes and to effects that are zero.

        Args:
            spec: Anything that ``measurement`` takes.
        """
        given = measurement(spec)
        return given.dimension == self.dimension and any(_same(given.effects, own) for own in self.effects)

    def draw(self, rng: np.random.Generator, count: int) -> ComplexArray:
        """Effects of independent members of the list.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """
        return self.effects[rng.integers(len(self.effects), size=count)]

    def spread(self, rng: np.random.Generator, count: int) -> ComplexArray:
        """Effects of members of the list without repetition; of all if there are at most ``count``.

        Args:
            rng: Source of randomness.
            count: Largest number of members.
        """
        if len(self.effects) <= count:
            return self.effects
        return self.effects[rng.choice(len(self.effects), count, replace=False)]


def _same(first: ComplexArray, second: ComplexArray) -> bool:
    """Whether two measurements have the same effects in any order, apart from effects that are zero."""
    left = [effect for effect in first if np.abs(effect).max() > PROJECTOR_ATOL]
    right = [effect for effect in second if np.abs(effect).max() > PROJECTOR_ATOL]
    if len(left) != len(right):
        return False
    for effect in left:
        match = next((i for i, other in enumerate(right) if np.abs(effect - other).max() <= PROJECTOR_ATOL), None)
        if match is None:
            return False
        del right[match]
    return True
