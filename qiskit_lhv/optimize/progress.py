"""A progress bar that stays silent where nobody watches."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

__all__ = ["ProgressBar"]


class ProgressBar:
    """A tqdm bar of optimizer steps with the current loss.

    Args:
        total: Number of steps.
        shown: ``True``, ``False``, or ``None``: only on a terminal.
    """

    def __init__(self, total: int, shown: bool | None) -> None:
        self._bar: Any = None
        if shown is None:
            shown = sys.stderr.isatty()
        if shown:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, unit="step")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, steps: int, loss: float) -> None:
        """Advances by ``steps`` and shows the loss."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {loss:.3e}", refresh=False)
            self._bar.update(steps)
