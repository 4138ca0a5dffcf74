"""What all pictures share: new figures, colors that can be told apart in grey, titles, and names of outcomes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..reports.html_pages import VERDICT_COLORS
from ..targets.scenario import BellScenario

if TYPE_CHECKING:
    from ..reports.locality import LocalityReport

__all__ = [
    "BLUE",
    "GREY",
    "ON_WHITE",
    "ORANGE",
    "add_legend",
    "add_title",
    "new_figure",
    "outcome_names",
    "setting_name",
]

# A dark and a light color, which differ in grey as well.
BLUE, ORANGE, GREY = "#0b4a8f", "#e08214", "#6e7781"
# The box of a text that lines may cross.
ON_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}


def new_figure(width: float, height: float) -> Any:
    """Returns a new figure that notebooks display, and that is not in the registry of pyplot.

    Args:
        width: Width in inches.
        height: Height in inches.
    """
    # Notebooks draw figures only after pyplot was imported.
    import matplotlib.pyplot  # noqa: F401
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def add_title(figure: Any, report: LocalityReport) -> None:
    """Writes the verdict in its color, and below it the headline, over a figure.

    Args:
        figure: The figure.
        report: The report.
    """
    width = int(figure.get_figwidth() * 11)
    lines = textwrap.wrap(f"{report.verdict}: {report.headline}", width)
    figure.suptitle("\n".join(lines), fontsize=9, color=VERDICT_COLORS[report.verdict], fontweight="bold")


def add_legend(figure: Any, columns: int = 3) -> None:
    """Writes the legend below a figure, where it covers nothing.

    Args:
        figure: The figure.
        columns: Number of columns.
    """
    figure.legend(loc="outside lower center", fontsize=8, ncols=columns, frameon=False)


def setting_name(setting: Sequence[int], names: Sequence[Sequence[str]] | None) -> str:
    """Returns the settings of all parties in party order, by their names if they have any.

    Args:
        setting: The setting of each party.
        names: For each party, the name of each of its settings, or ``None``.
    """
    return ", ".join(str(x) if names is None else names[k][x] for k, x in enumerate(setting))


def outcome_names(scenario: BellScenario, outcomes: Sequence[Sequence[int]]) -> tuple[list[str], str]:
    """Returns how outcomes are written, and in words in which order they stand.

    If every number of outcomes is a power of two, outcomes are bitstrings as Qiskit writes them: party 0 stands on the
    right. Otherwise they are numbers in party order.

    Args:
        scenario: The scenario.
        outcomes: The outcome of each party, for each of several results.
    """
    sizes = [int(np.log2(d)) for d in scenario.max_outcomes]
    if all(2**size == d and size > 0 for size, d in zip(sizes, scenario.max_outcomes, strict=True)):
        written = ["".join(f"{a:0{size}b}" for a, size in reversed(list(zip(o, sizes, strict=True)))) for o in outcomes]
        return written, "outcomes as bitstrings of Qiskit, party 0 on the right"
    return [",".join(map(str, o)) for o in outcomes], "outcomes of the parties, party 0 on the left"
