"""Draws the pictures of the guide on states, inequalities, many qubits and qudits into ``docs/images``.

``python docs/draw_pictures_of_states.py`` takes some seconds; with words, it draws the pictures whose names contain one
of them. The pictures are the same on every machine up to fonts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from draw_pictures import draw_all
from matplotlib.figure import Figure
from qiskit_lhv import optimize_settings
from qiskit_lhv.measurements import planar_directions
from qiskit_lhv.polytope import (
    ardehali,
    baccari_inequality,
    cglmp,
    mermin,
    sum_of_chsh,
    toth_guehne_briegel_inequality,
    werner_inequality,
)
from qiskit_lhv.projective import prove_compatible, werner_certificate
from qiskit_lhv.quantum import isotropic_state

LOCAL, OPEN, NONLOCAL, GRAY = "#2a6fb0", "#d9d9d9", "#c8553d", "#666666"


def axes_of(width: float, height: float) -> tuple[Figure, Any]:
    """A figure with one pair of axes without a box."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def werner_states() -> Figure:
    """What is proven about Werner states by visibility, for three sets of measurements."""
    projective, inequality = werner_certificate().visibility, werner_inequality().visibility
    rows = {
        "the settings of CHSH": (2**-0.5, 2**-0.5),
        "all in one plane": (2**-0.5, 2**-0.5),
        "all projective": (projective, inequality),
        "all POVMs": (0.5, inequality),
    }
    figure, axes = axes_of(8, 2.6)
    for row, (local, nonlocal_above) in enumerate(rows.values()):
        axes.barh(row, local, color=LOCAL, height=0.62)
        axes.barh(row, nonlocal_above - local, left=local, color=OPEN, height=0.62)
        axes.barh(row, 1 - nonlocal_above, left=nonlocal_above, color=NONLOCAL, height=0.62)
        axes.text(local - 0.01, row, f"LOCAL up to {local:.4f}", color="white", va="center", ha="right", fontsize=9)
        above = f"NONLOCAL above {nonlocal_above:.4f}"
        axes.text(0.99, row, above, color="white", va="center", ha="right", fontsize=9)
    axes.axvline(1 / 3, color="black", linestyle=":", linewidth=1)
    axes.text(1 / 3, len(rows) - 0.4, "entangled above 1/3", ha="center", va="bottom", fontsize=9)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlim(0, 1)
    axes.set_xlabel("visibility v of the Werner state")
    return figure


def two_forms_of_chsh() -> Figure:
    """Local, quantum and no-signaling behaviors in the plane of two forms of CHSH."""
    figure, axes = axes_of(5.2, 4.6)
    angle = np.linspace(0, 2 * np.pi, 400)
    axes.fill([4, 0, -4, 0], [0, 4, 0, -4], color=OPEN, label="no-signaling")
    axes.fill(8**0.5 * np.cos(angle), 8**0.5 * np.sin(angle), color="#9ec5e8", label="quantum")
    axes.fill([2, -2, -2, 2], [2, 2, -2, -2], color=LOCAL, label="local")
    axes.plot([2, 2], [-4, 4], color=NONLOCAL, linewidth=1.5, label="the inequality S <= 2")
    axes.plot(8**0.5, 0, "o", color="black", markersize=4)
    axes.annotate("singlet", (8**0.5, 0), (2.95, 0.5), fontsize=9)
    axes.plot(4, 0, "o", color="black", markersize=4)
    axes.annotate("PR box", (4, 0), (3.45, -0.75), fontsize=9)
    axes.set_aspect("equal")
    axes.set_xlim(-4.3, 4.6)
    axes.set_xlabel("S = E00 + E01 + E10 - E11")
    axes.set_ylabel("S' = E00 + E01 - E10 + E11")
    axes.legend(loc="upper right", fontsize=8, framealpha=1)
    return figure


def polygon() -> Figure:
    """A shortened Bloch vector as a mixture of the axes of a polygon."""
    corners = planar_directions(4)[:, :2]
    corners = np.concatenate([corners, -corners])
    corners = corners[np.argsort(np.arctan2(corners[:, 1], corners[:, 0]))]
    eta = np.cos(np.pi / len(corners))
    figure, axes = axes_of(4.6, 4.6)
    axes.axis("off")
    angle = np.linspace(0, 2 * np.pi, 400)
    axes.plot(np.cos(angle), np.sin(angle), color="black", linewidth=1)
    axes.fill(*corners.T, facecolor="#dbe8f5", edgecolor=LOCAL, linewidth=1.5)
    axes.plot(eta * np.cos(angle), eta * np.sin(angle), color=NONLOCAL, linewidth=1, linestyle="--")
    left, right = corners[4], corners[5]
    wanted = 0.35 * left + 0.65 * right
    wanted = wanted / np.linalg.norm(wanted)
    for end, name, color in ((left, "$n_i$", LOCAL), (right, "$n_j$", LOCAL), (wanted, "$n$", "black")):
        axes.annotate("", end, (0, 0), arrowprops={"arrowstyle": "->", "color": color, "linewidth": 1.5})
        axes.text(*(1.09 * end), name, ha="center", va="center")
    axes.plot(*(eta * wanted), "o", color=NONLOCAL)
    axes.annotate(
        r"$\eta\, n = c_i n_i + c_j n_j$",
        eta * wanted,
        (-0.6, -0.3),
        color=NONLOCAL,
        arrowprops={"arrowstyle": "-", "color": NONLOCAL, "linewidth": 0.7},
    )
    axes.text(0, -eta + 0.08, r"radius $\eta$", color=NONLOCAL, ha="center")
    axes.set_aspect("equal")
    return figure


def many_qubits() -> Figure:
    """How far quantum states exceed the local bounds of families of expressions, by the number of qubits."""
    numbers = (8, 10, 20, 30, 50, 70, 100, 150)

    def ring(n: int) -> list[tuple[int, int]]:
        return [(k, (k + 1) % n) for k in range(n)]

    panels: tuple[dict[str, Callable[[int], Any]], ...] = (
        {"Ardehali, GHZ states": ardehali, "Mermin, GHZ states": mermin},
        {
            "Toth, Guehne, Briegel, rings": lambda n: toth_guehne_briegel_inequality(ring(n)).expression,
            "CHSH on disjoint pairs": lambda n: sum_of_chsh(ring(n)[::2]),
            "Baccari et al., rings": lambda n: baccari_inequality(ring(n), centers="packed").expression,
        },
    )
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axes, families in zip(figure.subplots(1, 2), panels, strict=True):
        axes.spines[["top", "right"]].set_visible(False)
        for (name, make), style in zip(families.items(), ("o-", "s--", "^-"), strict=False):
            bounds = [make(n).known_bounds for n in numbers]
            axes.plot(numbers, [one.quantum / one.local for one in bounds], style, label=name, markersize=4)
        axes.axhline(1, color=GRAY, linewidth=1)
        axes.text(150, 1.02, "local models", ha="right", va="bottom", fontsize=9, color=GRAY)
        axes.set_xlabel("qubits, one per party")
        axes.set_ylabel("quantum value / local bound")
        axes.legend(fontsize=9, frameon=False)
    figure.axes[0].set_yscale("log")
    figure.axes[1].set_ylim(0.9, 2.9)
    return figure


def isotropic_states() -> Figure:
    """What is proven about isotropic states by their dimension."""
    dimensions = (2, 3, 4)
    figure, axes = axes_of(8, 2.4)
    for row, d in enumerate(dimensions):
        state = isotropic_state(1, d)
        povm = prove_compatible(state, measurements="povm").visibility
        projective = werner_certificate().visibility if d == 2 else prove_compatible(state).visibility
        above = (
            werner_inequality().visibility
            if d == 2
            else optimize_settings(state, expression=cglmp(d), seed=1).visibility
        )
        axes.barh(row, povm, color=LOCAL, height=0.62)
        axes.barh(row, projective - povm, left=povm, color="#7fb0dc", height=0.62)
        axes.barh(row, above - projective, left=projective, color=OPEN, height=0.62)
        axes.barh(row, 1 - above, left=above, color=NONLOCAL, height=0.62)
        axes.plot([1 / (d + 1)] * 2, [row - 0.31, row + 0.31], color="white", linewidth=1.5, linestyle=":")
        axes.text(povm - 0.006, row, f"{povm:.4f}", color="white", va="center", ha="right", fontsize=9)
        axes.text(projective - 0.006, row, f"{projective:.4f}", va="center", ha="right", fontsize=9)
        axes.text(above + 0.01, row, f"{above:.4f}", color="white", va="center", fontsize=9)
    axes.set_yticks(range(len(dimensions)), [f"d = {d}" for d in dimensions])
    axes.set_xlim(0, 1)
    axes.set_xlabel("visibility: local for all POVMs | for all projective measurements | open | nonlocal")
    return figure


PICTURES: dict[str, Callable[[], Any]] = {
    "werner_states": werner_states,
    "two_forms_of_chsh": two_forms_of_chsh,
    "polygon": polygon,
    "many_qubits": many_qubits,
    "isotropic_states": isotropic_states,
}


if __name__ == "__main__":
    draw_all(PICTURES, sys.argv[1:])
