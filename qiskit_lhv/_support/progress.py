"""A progress bar that stays silent where nobody watches."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

__all__ = ["ProgressBar"]


class ProgressBar:
    """A tqdm bar of steps with what they have reached.

    Args:
        total: Number of steps; ``None`` if nobody knows.
        shown: ``True``, ``False``, or ``None``: only on a terminal.
        unit: What is counted.
    """

    def __init__(self, total: int | None, shown: bool | None, unit: str = "step") -> None:
        self._bar: Any = None
        if shown is None:
            shown = sys.stderr.isatty()
        if shown:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, unit=unit)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, steps: int, reached: str) -> None:
        """Advances by ``steps`` and shows what they have reached."""
        if self._bar is not None:
            self._bar.set_postfix_str(reached, refresh=False)
            self._bar.update(steps)
