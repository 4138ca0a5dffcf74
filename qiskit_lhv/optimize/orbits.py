"""Ensembles of orbits: each free hidden variable stands for all its images under a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from .._support.types import FloatArray
from .._support.validation import generator
from ..models.features import Features
from .symmetry import LocalSymmetry

__all__ = ["Orbits"]

# Largest part of rotated features that may lie outside the span of the features.
_CLOSED = 1e-8
# Hidden variables that are the same but for rounding, relative to the largest.
_SAME = 1e-9


@dataclass(frozen=True, eq=False)
class Orbits:
    """The action of a group on the features of all parties.

    Rotating the directions of a party has the same effect as transforming its hidden variables:
    ``features(R n) @ lambda = features(n) @ (D lambda)``. The orbits therefore form an ordinary ensemble.
    """

    sources: tuple[tuple[int, ...], ...]
    """For each class of elements with one exchange of parties, and each party, whose hidden variables it takes."""
    matrices: tuple[tuple[NDArray[np.float64], ...], ...]
    """For each class and each party the matrices D of its elements, shape ``(G, F, F)``."""

    @classmethod
    def of(cls, symmetry: LocalSymmetry, features: Features) -> Orbits | None:
        """Returns the action of a group on features, or ``None`` if rotated features are not combinations of them.

        Args:
            symmetry: The group.
            features: The features, the same for all parties.
        """
        sources, matrices = [], []
        known: dict[bytes, FloatArray | None] = {}
        for _, members in groupby(range(symmetry.order), key=lambda g: tuple(symmetry.parties[g])):
            elements = list(members)
            # Party parties[k] takes what response k has.
            source = np.argsort(symmetry.parties[elements[0]])
            stacks = []
            for k in source:
                own = []
                for g in elements:
                    rotation = symmetry.rotations[g, k]
                    key = np.round(rotation, 12).tobytes()
                    if key not in known:
                        known[key] = _feature_matrix(features, rotation)
                    own.append(known[key])
                if any(matrix is None for matrix in own):
                    return None
                stacks.append(np.stack([matrix for matrix in own if matrix is not None]))
            sources.append(tuple(int(k) for k in source))
            matrices.append(tuple(stacks))
        return cls(tuple(sources), tuple(matrices))

    @property
    def order(self) -> int:
        """Number of elements of the group."""
        return sum(len(stacks[0]) for stacks in self.matrices)

    @property
    def key(self) -> tuple[Any, ...]:
        """Value that distinguishes this action from others."""
        return self.sources, tuple(tuple(np.round(stack, 9).tobytes() for stack in stacks) for stacks in self.matrices)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Orbits) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def logits(self, features: Sequence[Any], hidden: Sequence[Any]) -> list[Any]:
        """Logits of every party for the whole ensemble, for JAX.

        Args:
            features: Features of each party's directions, shape ``(m_k, F)``.
            hidden: Free hidden variables of each party, shape ``(F, h)``.

        Returns:
            For each party an array of shape ``(m_k, G h)``, in the order of :meth:`expanded`.
        """
        result = []
        for party, own in enumerate(features):
            parts = []
            for source, stacks in zip(self.sources, self.matrices, strict=True):
                # Fewer directions than hidden variables: it is the features that are turned.
                matrix = jnp.asarray(np.concatenate(list(stacks[party]), axis=1), own.dtype)
                turned = (own @ matrix).reshape(-1, own.shape[-1])
                parts.append((turned @ hidden[source[party]]).reshape(len(own), -1))
            result.append(jnp.concatenate(parts, axis=1) if len(parts) > 1 else parts[0])
        return result

    def expanded(self, hidden: Sequence[FloatArray]) -> list[FloatArray]:
        """Returns the whole ensemble of the free hidden variables, which come first.

        Args:
            hidden: Free hidden variables of each party, shape ``(h, F)``.

        Returns:
            For each party an array of shape ``(G h, F)``.
        """
        return [
            np.concatenate(
                [
                    hidden[source[party]] @ matrix.T
                    for source, stacks in zip(self.sources, self.matrices, strict=True)
                    for matrix in stacks[party]
                ]
            )
            for party in range(len(hidden))
        ]

    def contains(self, hidden: Sequence[FloatArray]) -> bool:
        """Returns whether an ensemble consists of whole orbits, in the order of :meth:`expanded`.

        Args:
            hidden: Hidden variables of each party, shape ``(H, F)``.
        """
        size = len(hidden[0]) // self.order
        if size * self.order != len(hidden[0]):
            return False
        images = self.expanded([own[:size] for own in hidden])
        scale = max(float(np.abs(own).max()) for own in hidden)
        return all(np.abs(image - own).max() <= _SAME * scale for image, own in zip(images, hidden, strict=True))


def _feature_matrix(features: Features, rotation: FloatArray) -> FloatArray | None:
    """The matrix D with ``features(rotation @ n) = features(n) @ D``, if there is one."""
    if np.array_equal(rotation, np.eye(3)):
        return np.eye(features.size)
    directions = features.domain.draw(generator(0), 4 * features.size)
    images = directions @ rotation.T
    if features.domain.distances(images).max() > _CLOSED:
        return None
    values, turned = features.evaluate(directions), features.evaluate(images)
    matrix = np.asarray(np.linalg.lstsq(values, turned, rcond=None)[0], dtype=np.float64)
    return matrix if np.abs(values @ matrix - turned).max() <= _CLOSED else None
