"""Figure 7: Werner states near the critical visibility: independent starts, and sweeps upwards and downwards."""

import tempfile
from pathlib import Path

import numpy as np
from common import BRIEF, arguments, deviations, event_divergence, panels, published, save
from qiskit_lhv import werner_state
from qiskit_lhv.optimize import GradientDescent, LocalModelResult, sweep_visibility


def swept(line: np.ndarray, steps: int, first_steps: int) -> np.ndarray:
    """Returns the deviations of a sweep along a line of visibilities, in its order."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"optimizer": GradientDescent(num_steps=steps), "num_hidden": 2**14, "grid": BRIEF}
        sweep_visibility(
            werner_state(1), line, first_steps=first_steps, folder=folder, seed=1, progress=False, **options
        )
        models = [LocalModelResult.load(path).model for path in sorted(Path(folder).glob("point_*.npz"))]
    return np.array([event_divergence(model, werner_state(v)) for model, v in zip(models, line, strict=True)])


def main() -> None:
    given = arguments(__doc__)
    rows = published(given.published, "7")
    line = np.linspace(0.66, 0.72, 61 if given.full else 13)
    steps, alone = (1000, 20_000) if given.full else (300, 1000)
    found = {
        "independent": deviations([werner_state(v) for v in line], alone, num_hidden=2**14),
        "upwards": swept(line, steps, alone),
        "downwards": swept(line[::-1], steps, alone)[::-1],
    }
    figure, axes = panels(2 if rows else 1, 4.2, 3.6)
    styles = dict(zip(found, (("o", "black"), (".-", "tab:blue"), (".-", "tab:red")), strict=True))
    for name, values in found.items():
        axes[-1].semilogy(line, values, styles[name][0], color=styles[name][1], markersize=4, linewidth=1, label=name)
        print(f"{name:>12}: " + " ".join(f"{one:.1e}" for one in values), flush=True)
    if rows:
        (_, v), (_, independent), (_, dense), (_, up), (_, down) = rows
        axes[0].semilogy(v, independent, "o", color="black", markersize=3)
        # Published sweeps go from each of 60 independent models to its neighbor alone, in 25 steps of visibility.
        for values, color in ((up, "tab:blue"), (down, "tab:red")):
            axes[0].semilogy(dense.reshape(60, 25).T, values.reshape(60, 25).T, color=color, linewidth=1)
    for axis, title in zip(axes, ("AutoLHVs, published", "this package")[-len(axes) :], strict=True):
        axis.set(xlabel="visibility", ylabel="deviation (event, nats)", ylim=(1e-9, 1e-4), title=title)
        axis.grid(alpha=0.3)
    axes[-1].legend(fontsize=8)
    save(figure, given.pictures, "7")


if __name__ == "__main__":
    main()
