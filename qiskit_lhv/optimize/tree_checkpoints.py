"""Checkpoints of a training run: what an interrupted run needs to go on as if nothing had happened."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from .._support.checkpoints import ArrayCheckpoint, fingerprint

__all__ = ["Checkpoint", "fingerprint"]


class Checkpoint(ArrayCheckpoint):
    """A file that holds the state of one training run, any tree of arrays."""

    def load(self, template: Any) -> tuple[Any, NDArray[np.float64]] | None:
        """Returns the saved state and the loss of every step taken, or ``None`` if there is no file yet.

        Args:
            template: A state of the same structure and shapes.

        Raises:
            CertificateError: If the file is damaged or belongs to another run; the file is not changed.
        """
        arrays = self.load_arrays()
        if arrays is None:
            return None
        history = arrays.pop("history", np.empty(0))
        saved = [arrays[f"leaf_{i}"] for i in range(len(arrays))]
        leaves, structure = jax.tree.flatten(template)
        if [leaf.shape for leaf in leaves] != [leaf.shape for leaf in saved]:
            raise self.refused("a checkpoint of this very run", "one with other shapes")
        restored = [
            jax.numpy.asarray(value, like.dtype) if isinstance(like, jax.Array) else value
            for value, like in zip(saved, leaves, strict=True)
        ]
        return jax.tree.unflatten(structure, restored), history

    def save(self, state: Any, history: NDArray[np.float64], *, now: bool = False) -> None:
        """Writes the state, at most every few seconds unless ``now``; the file is replaced as a whole.

        Args:
            state: Any tree of arrays.
            history: Loss of every step taken.
            now: Whether to write however little time has passed.
        """
        if now or self.due:
            leaves = {f"leaf_{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
            self.save_arrays({"history": history, **leaves})
