"""A progress bar, shown on terminals and in notebooks."""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import Any, Self

__all__ = ["ProgressBar"]


class ProgressBar:
    """A progress bar of tqdm, which shows the steps of a run and what they have reached.

    Args:
        total: Number of steps; ``None`` if it is not known.
        shown: Whether to show it; ``None`` shows it on a terminal and in a notebook that has widgets.
        unit: What is counted.
    """

    def __init__(self, total: int | None, shown: bool | None, unit: str = "step") -> None:
        self._bar: Any = None
        if shown is not False:
            self._bar = _bar_class()(total=total, unit=unit, disable=None if shown is None else not shown)

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


def _bar_class() -> Any:
    """The bar of notebooks or of terminals, whichever this process runs in."""
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        # A notebook without widgets gets the bar of terminals. The warning that widgets are missing is not needed.
        warnings.simplefilter("ignore", TqdmWarning)
        from tqdm.auto import tqdm
    return tqdm
