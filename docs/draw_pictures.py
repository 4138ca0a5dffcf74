"""Draws the pictures of the guide on reports into ``docs/images``.

``python docs/draw_pictures.py`` takes some ten seconds. The pictures are the same on every machine up to fonts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from qiskit_lhv import Behavior, BellCounts, CountsOptions, analyze, ghz_state, load_bundled_counts, werner_state
from qiskit_lhv.plotting import plot_difference, plot_evidence, plot_report

IMAGES = Path(__file__).resolve().parent / "images"
QUICK = CountsOptions(num_replicates=0)


def device() -> Any:
    """The report on ten pairs of a small device, one of which signals."""
    pairs = [(0, 1), (1, 2), (2, 3), (3, 5), (5, 8), (1, 4), (4, 7), (7, 6), (7, 10), (8, 9)]
    counts = {}
    for i, pair in enumerate(pairs):
        behavior = Behavior.from_state(werner_state(0.66 + 0.035 * i), "chsh")
        counts[pair] = behavior.sample(800, i)
    array = counts[4, 7].array.copy()
    # The outcome of one qubit follows the setting of the other.
    array[0, 1, 0, 0] += array[0, 1, 1, 0]
    array[0, 1, 1, 0] = 0
    counts[4, 7] = BellCounts(array)
    return analyze(counts, QUICK, alpha=0.05, seed=1)


def main() -> None:
    """Draws every picture."""
    hanoi = analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, QUICK, seed=1)
    delft = analyze(load_bundled_counts("delft_2015").counts, QUICK, seed=1)
    three = analyze(Behavior.from_state(ghz_state(3, 0.9), "mermin").sample(100, 1), QUICK, seed=1)
    places = np.array([[0, 0], [1, 0], [2, 0], [3, 0], [1, -1], [4, 0], [0, -2], [1, -2], [4, -1], [4, -2], [2, -2]])
    figures = {
        "report_chsh": plot_report(hanoi),
        "report_difference": plot_difference(hanoi),
        "report_evidence": plot_evidence(delft),
        "report_correlators": plot_report(three),
        "report_state": plot_report(analyze(werner_state(0.6), seed=1)),
        "report_device": device().plot(positions=dict(enumerate(places.tolist()))),
    }
    for name, figure in figures.items():
        figure.savefig(IMAGES / f"{name}.png", dpi=80)


if __name__ == "__main__":
    main()
