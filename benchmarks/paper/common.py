"""What the scripts of the published figures share: reading their data, the deviation that they show, and pictures."""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from qiskit_lhv import CorrelationTensor, sweep
from qiskit_lhv.measurements import measurement_set
from qiskit_lhv.models import ResponseModel
from qiskit_lhv.optimize import GradientDescent, SettingsGrid, find_local_models
from qiskit_lhv.optimize.direction_problem import target_probabilities
from qiskit_lhv.sweeps import FailedTask

PICTURES = Path(__file__).parents[2] / "docs" / "images"
# The last commit of github.com/Nick-von-Selzam/AutoLHVs with the data of its figures is the one before this.
DELETION = "71b4e4e"
OURS, THEIRS = "tab:blue", "black"
# The figures need no evaluation but that of their own measure.
BRIEF = SettingsGrid(num_evaluated=2)
# States whose models are trained side by side: more would not fit into the cache.
_SIDE_BY_SIDE = 8
# How the trainings are spread over workers; set by the command line.
_SPREAD: dict[str, Any] = {"executor": None}


def arguments(description: str | None) -> argparse.Namespace:
    """Returns the options of a script: where the published data are, whether to run long, whether to draw."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", type=Path, metavar="PATH", help="a git clone of AutoLHVs, for its data")
    parser.add_argument("--full", action="store_true", help="the sizes of the paper, for hours, not minutes")
    parser.add_argument(
        "--pictures", type=Path, default=PICTURES, metavar="FOLDER", help="where the picture is written"
    )
    parser.add_argument("--workers", type=int, help="number of processes; default: this one")
    given = parser.parse_args()
    _SPREAD["executor"] = given.workers
    return given


def published(clone: Path | None, figure: str) -> list[tuple[str, np.ndarray]]:
    """Returns the rows of numbers of a published data file, each with its label; none without a clone.

    Args:
        clone: A git clone of AutoLHVs, with its whole history.
        figure: Name of the figure, such as ``"2b"``.
    """
    if clone is None:
        return []
    name = f"{DELETION}~1:Figures/Datafiles/Figure{figure}.txt"
    text = subprocess.run(["git", "-C", clone, "show", name], check=True, capture_output=True, text=True).stdout
    rows, label = [], ""
    for line in text.splitlines():
        head, colon, tail = line.rpartition(":")
        try:
            values = np.array([float(word) for word in tail.replace("<=", "").split()])
        except ValueError:
            values = np.empty(0)
        if len(values) > 5:
            rows.append((head.strip() or label, values))
        elif line.strip():
            label = line.strip().rstrip(":") if not (colon and not tail.strip() and head == "losses") else label
    return rows


def named(rows: list[tuple[str, np.ndarray]], word: str, number: int = 0) -> np.ndarray:
    """Returns the given row among those whose label contains a word."""
    return [values for label, values in rows if word in label][number]


def bell_diagonal(xx: float, yy: float, zz: float) -> CorrelationTensor:
    """Returns the tensor of two qubits with these correlators alone; it need not belong to a state."""
    return CorrelationTensor(np.diag([1.0, xx, yy, zz]))


def event_divergence(model: ResponseModel, target: Any, measurements: Any = "projective") -> float:
    """Returns the deviation that AutoLHVs publishes: the divergence of "all outcomes up" or not, mean over directions.

    Opposite directions swap the outcomes, so that the mean is taken over all outcomes, too. In double precision.
    """
    tensor = target if isinstance(target, CorrelationTensor) else CorrelationTensor.from_state(target)
    rng, parties = np.random.default_rng(0), tensor.num_parties
    each = min(300, round(10_000 ** (1 / parties)))
    found = []
    for _ in range(1 if parties < 3 else 4):
        directions = [measurement_set(measurements).draw(rng, each) for _ in range(parties)]
        p = target_probabilities(tensor, directions)
        q = model.behavior([list(party) for party in directions]).array
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = [np.where(a > 0, a * np.log(a / b), 0.0) for a, b in ((p, q), (1 - p, 1 - q))]
        found.append(np.mean(terms[0] + terms[1]))
    return float(np.mean(found))


def models_of(targets: Sequence[Any], num_steps: int, **options: Any) -> list[ResponseModel]:
    """Returns models of states, each from a random start; options as for ``find_local_models``."""
    chosen = {"optimizer": GradientDescent(num_steps=num_steps), "grid": BRIEF, "seed": 1, "progress": False} | options
    parts = [targets[first : first + _SIDE_BY_SIDE] for first in range(0, len(targets), _SIDE_BY_SIDE)]
    found = sweep(find_local_models, [{"targets": part, **chosen} for part in parts], **_SPREAD)
    for results in found:
        if isinstance(results, FailedTask):
            raise RuntimeError(results.traceback)
    return [result.model for results in found for result in results]


def deviations(targets: Sequence[Any], num_steps: int, **options: Any) -> np.ndarray:
    """Returns the published measure of the models of states, each from a random start."""
    measured = options.get("measurements", "projective")
    models = models_of(targets, num_steps, **options)
    return np.array([event_divergence(*pair, measured) for pair in zip(models, targets, strict=True)])


def panels(columns: int, width: float = 4.2, height: float = 3.2) -> tuple[Figure, Any]:
    """Returns a figure with panels side by side, and the list of them."""
    figure = Figure(figsize=(width * columns, height), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def draw(axis: Any, v: Any, ours: Any, rows: tuple[Any, Any] | None, label: str = "visibility") -> None:
    """Draws our deviations, and the published ones if there are any, on a logarithmic axis."""
    if rows is not None:
        axis.plot(*rows, ".", color=THEIRS, markersize=3, label="AutoLHVs, published")
    axis.plot(v, ours, "o-", color=OURS, markersize=3.5, linewidth=1, label="this package")
    axis.set_yscale("log")
    axis.set_xlabel(label)
    axis.set_ylabel("deviation (event, nats)")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)


def save(figure: Figure, folder: Path, name: str) -> None:
    """Writes a picture, and says how long the script ran."""
    folder.mkdir(exist_ok=True)
    figure.savefig(folder / f"paper_{name}.png", dpi=80)
    print(f"picture: paper_{name}.png; {time.process_time():.0f} s of processor time", flush=True)


def print_columns(**columns: Any) -> None:
    """Prints columns of numbers below their names."""
    print("  ".join(f"{name:>10}" for name in columns))
    for row in zip(*columns.values(), strict=True):
        print("  ".join(f"{value:>10.3g}" for value in row), flush=True)
