"""Draws the pictures of the guide into ``docs/images``.

``python docs/draw_pictures.py`` takes some ten seconds; with words, such as ``verdicts``, it draws the pictures whose
names contain one of them. The pictures are the same on every machine up to fonts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorSampler
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellExperiment,
    CountsOptions,
    DeviceExperiment,
    analyze,
    ghz_state,
    load_bundled_counts,
    werner_state,
)
from qiskit_lhv.experiments import SettingSchedule, coupled_groups
from qiskit_lhv.plotting import plot_difference, plot_evidence, plot_report
from qiskit_lhv.statistics import simulated_log10_p

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


def device_map() -> Any:
    """The map of that device."""
    places = np.array([[0, 0], [1, 0], [2, 0], [3, 0], [1, -1], [4, 0], [0, -2], [1, -2], [4, -1], [4, -2], [2, -2]])
    return device().plot(positions=dict(enumerate(places.tolist())))


def bell_pair() -> QuantumCircuit:
    """The circuit of a Bell pair."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    return circuit


def verdicts() -> Any:
    """Four published tables in the plane of two CHSH values, with what local models and quantum theory reach."""
    tables = {
        "IBM Hanoi 19-20, circuit 13": ("ibm_hanoi19_20circuit13", (0, -34), "center"),
        "Delft 2015": ("delft_2015", (0, 18), "center"),
        "IBM Hanoi 19-20, circuit 4": ("ibm_hanoi19_20circuit4", (8, -18), "left"),
        "IBM Washington 91-98": ("ibm_washington91_98circuit4", (8, 8), "left"),
    }
    markers = {"LOCAL": "o", "NONLOCAL": "D", "SIGNALING": "X", "INCONCLUSIVE": "s"}
    figure, axes = plt.subplots(figsize=(7, 5.2), layout="constrained")
    angles = np.linspace(0, 2 * np.pi, 200)
    axes.fill([4, 0, -4, 0], [0, 4, 0, -4], color="0.93", label="no-signaling")
    axes.fill(8**0.5 * np.cos(angles), 8**0.5 * np.sin(angles), color="#b5d0ea", label="quantum theory")
    axes.fill([2, -2, -2, 2], [2, 2, -2, -2], color="#f4d9a8", label="local models")
    for name, (key, offset, side) in tables.items():
        counts = load_bundled_counts(key).counts
        report = analyze(counts, QUICK, seed=1)
        signs = np.array([[1, -1], [-1, 1]])
        correlators = np.einsum("xyab,ab->xy", counts.frequencies().array, signs)
        errors = (1 - correlators**2) / counts.num_shots
        # The largest CHSH value, and that with the minus sign at the other setting of party 1.
        values = correlators.sum() - 2 * correlators
        x, y = np.unravel_index(np.argmax(np.abs(values)), (2, 2))
        first, second = values[x, y] * np.sign(values[x, y]), values[x, 1 - y] * np.sign(values[x, y])
        verdict = report.verdict.name
        error = float(errors.sum()) ** 0.5
        axes.errorbar(first, second, error, error, fmt=markers[verdict], color="k", markersize=7, capsize=2)
        axes.annotate(
            f"{verdict}\n{name}", (first, second), offset, textcoords="offset points", ha=side, fontsize=9, va="bottom"
        )
    axes.set(xlim=(-1.5, 4.3), ylim=(-2.6, 2.6), aspect="equal")
    axes.set(xlabel="S, the largest CHSH value", ylabel="S with the minus sign moved")
    axes.legend(loc="upper right", fontsize=9)
    return figure


def circuit_to_counts() -> Any:
    """A circuit, the rotations of its settings, and the counts of each setting combination."""
    experiment = BellExperiment(bell_pair(), "chsh")
    counts = experiment.run(StatevectorSampler(seed=7), shots=1000).array
    figure = plt.figure(figsize=(8, 2.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.15, 1])
    axes = left.subplots()
    axes.set(xlim=(0, 10), ylim=(-0.4, 2.6))
    axes.axis("off")
    for wire, (party, setting) in enumerate((("party 0", "setting $x$"), ("party 1", "setting $y$"))):
        height = 1.7 - 1.2 * wire
        axes.plot([0.2, 8.7], [height, height], color="k", zorder=0)
        for center, width, text in ((5.3, 2.3, setting), (8.4, 1.4, f"${'ab'[wire]}$")):
            box = plt.Rectangle((center - width / 2, height - 0.35), width, 0.7, facecolor="#b5d0ea", edgecolor="k")
            axes.add_patch(box)
            axes.text(center, height, text, ha="center", va="center", fontsize=11)
        axes.text(0.2, height + 0.12, party, fontsize=9)
    axes.add_patch(plt.Rectangle((1.8, 0.1), 1.6, 2.0, facecolor="#f4d9a8", edgecolor="k"))
    axes.text(2.6, 1.1, "your\ncircuit", ha="center", va="center", fontsize=11)
    axes.text(5.3, -0.25, "rotations", ha="center", fontsize=9)
    axes.text(8.4, -0.25, "outcomes", ha="center", fontsize=9)
    panels = right.subplots(2, 2, sharex=True, sharey=True)
    for x, y in np.ndindex(2, 2):
        panels[x, y].bar(["00", "01", "10", "11"], counts[x, y].ravel(), color="#3f73a8", width=0.7)
        panels[x, y].set_title(f"$x$ = {x}, $y$ = {y}", fontsize=9)
        panels[x, y].tick_params(labelsize=8)
    right.supxlabel("outcomes $ab$", fontsize=9)
    right.supylabel("counts", fontsize=9)
    return figure


def layers() -> Any:
    """The layers in which the pairs of a lattice run: pairs of one layer share no qubit."""
    # Two hexagons of a lattice, as on large devices of IBM.
    rows = {0: list(range(9)), 1: [9, 10, 11], 2: list(range(12, 21))}
    places = {q: (i, 0) for i, q in enumerate(rows[0])} | {q: (i, -2) for i, q in enumerate(rows[2])}
    places |= {9: (0, -1), 10: (4, -1), 11: (8, -1)}
    edges = [(q, q + 1) for row in (0, 2) for q in rows[row][:-1]]
    edges += [(0, 9), (9, 12), (4, 10), (10, 16), (8, 11), (11, 20)]
    experiment = DeviceExperiment(bell_pair(), "chsh", coupled_groups(edges))
    figure, panels = plt.subplots(1, len(experiment.layers), figsize=(9, 1.7), layout="constrained")
    for number, (axes, layer) in enumerate(zip(panels, experiment.layers, strict=True)):
        for a, b in edges:
            active = (a, b) in layer or (b, a) in layer
            axes.plot(
                *zip(places[a], places[b], strict=True),
                color="#c0392b" if active else "0.75",
                linewidth=4 if active else 1,
                zorder=0,
            )
        axes.scatter(*zip(*places.values(), strict=True), color="k", s=18)
        axes.set_title(f"layer {number + 1}: {len(layer)} pairs", fontsize=10)
        axes.set_aspect("equal")
        axes.margins(0.08)
        axes.axis("off")
    return figure


def schedules() -> Any:
    """The order of the settings in the three schedules."""
    shown = {
        "blocks": SettingSchedule.blocks((2, 2), 12),
        "interleaved": SettingSchedule.interleaved((2, 2), 12, rounds=4, seed=3),
        "random": SettingSchedule.random((2, 2), 48, seed=4),
    }
    figure, axes = plt.subplots(figsize=(8, 1.9), layout="constrained")
    colors = ["#1f3b5c", "#3f73a8", "#e0a030", "#f4d9a8"]
    for row, schedule in enumerate(shown.values()):
        start = 0
        for (x, y), shots in zip(schedule.positions, schedule.shots, strict=True):
            axes.barh(-row, shots, left=start, height=0.7, color=colors[2 * x + y], edgecolor="white", linewidth=0.6)
            start += shots
    axes.set_yticks([0, -1, -2], list(shown))
    axes.set_xlabel("shots, in the order in which they run", fontsize=9)
    for i, color in enumerate(colors):
        axes.bar(0, 0, color=color, label=f"settings {i // 2}, {i % 2}")
    figure.legend(loc="outside right", fontsize=9)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return figure


def shifts() -> Any:
    """How far one party's outcomes move with the other party's setting, on two pairs of qubits."""
    tables = {
        "Hanoi 19-20: none detected": "ibm_hanoi19_20circuit13",
        "Washington 91-98: signaling": "ibm_washington91_98circuit4",
    }
    figure, panels = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True, layout="constrained")
    for axes, (title, key) in zip(panels, tables.items(), strict=True):
        counts = load_bundled_counts(key).counts
        labels, moves, errors = [], [], []
        for party in (0, 1):
            array = counts.array if party == 0 else counts.array.transpose(1, 0, 3, 2)
            zeros, shots = array.sum(axis=3)[..., 0], array.sum(axis=(2, 3))
            share = zeros / shots
            for setting in (0, 1):
                labels.append(f"{'AB'[party]}$_{setting}$")
                moves.append(share[setting, 1] - share[setting, 0])
                errors.append((share[setting] * (1 - share[setting]) / shots[setting]).sum() ** 0.5)
        axes.axhline(0, color="0.6", linewidth=1)
        axes.errorbar(labels, moves, np.array(errors) * 2, fmt="o", color="#1f3b5c", capsize=4)
        axes.set_title(title, fontsize=10)
        axes.margins(x=0.15)
    panels[0].set_ylabel("shift of p(outcome 0) with\nthe other party's setting", fontsize=9)
    return figure


def shots() -> Any:
    """The p-value of simulated runs against the number of shots."""
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    numbers = np.array([200, 400, 800, 1600, 3200, 6400, 12800])
    for visibility, color, style in ((0.95, "#1f3b5c", "o-"), (0.9, "#3f73a8", "s-"), (0.8, "#e0a030", "D-")):
        behavior = Behavior.from_state(werner_state(visibility), "chsh")
        runs = np.array([simulated_log10_p(behavior, shots=int(n) // 4, num_runs=40, seed=1) for n in numbers])
        low, middle, high = np.percentile(runs, [10, 50, 90], axis=1)
        axes.fill_between(numbers, low, high, color=color, alpha=0.25, linewidth=0)
        axes.plot(numbers, middle, style, color=color, label=f"v = {visibility}")
    axes.axhline(-6, color="k", linestyle=":", linewidth=1)
    axes.text(205, -6.3, "p = 10$^{-6}$", fontsize=9, va="top")
    axes.set(xscale="log", ylim=(-30, 0.5), xlabel="shots of all settings together", ylabel="log10 p")
    axes.set_xticks(numbers, [str(n) for n in numbers])
    axes.minorticks_off()
    axes.legend(title="Bell pair, visibility", fontsize=9)
    return figure


def report_of(key: str) -> Any:
    """The report on counts that come with the package."""
    return analyze(load_bundled_counts(key).counts, QUICK, seed=1)


def correlators() -> Any:
    """The report on counts of three parties."""
    return plot_report(analyze(Behavior.from_state(ghz_state(3, 0.9), "mermin").sample(100, 1), QUICK, seed=1))


PICTURES: dict[str, Callable[[], Any]] = {
    "report_chsh": lambda: plot_report(report_of("ibm_hanoi19_20circuit13")),
    "report_difference": lambda: plot_difference(report_of("ibm_hanoi19_20circuit13")),
    "report_evidence": lambda: plot_evidence(report_of("delft_2015")),
    "report_correlators": correlators,
    "report_state": lambda: plot_report(analyze(werner_state(0.6), seed=1)),
    "report_device": device_map,
    "verdicts": verdicts,
    "circuit_to_counts": circuit_to_counts,
    "layers": layers,
    "schedules": schedules,
    "shifts": shifts,
    "shots": shots,
}


def draw_all(pictures: dict[str, Callable[[], Any]], words: list[str]) -> None:
    """Draws the pictures whose names contain one of the words, or all."""
    for name, draw in pictures.items():
        if not words or any(word in name for word in words):
            draw().savefig(IMAGES / f"{name}.png", dpi=80)


if __name__ == "__main__":
    draw_all(PICTURES, sys.argv[1:])
