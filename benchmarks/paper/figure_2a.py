"""Figure 2a: loss against steps, for Werner states of six visibilities.

Published is the divergence of one event, all outcomes up or not, on the batch of the step; ours is the divergence of
all outcomes, which near white noise is three times as large.
"""

import numpy as np
from common import BRIEF, arguments, panels, published, save
from qiskit_lhv import werner_state
from qiskit_lhv.optimize import GradientDescent, find_local_models

VISIBILITIES = (0.005, 0.5, 0.679, 0.691, 0.717, 1.0)


def spaced(length: int) -> np.ndarray:
    """Returns steps that are evenly spread on a logarithmic axis."""
    return np.unique(np.geomspace(1, length, 250).astype(int)) - 1


def main() -> None:
    given = arguments(__doc__)
    steps = 20_000 if given.full else 1000
    descent = GradientDescent(num_steps=steps)
    states = [werner_state(v) for v in VISIBILITIES]
    results = find_local_models(states, optimizer=descent, grid=BRIEF, seed=1, progress=False)
    # The file names the visibility of each row in the order below.
    order = (0.005, 0.5, 0.679, 0.755, 0.84, 1.0, 0.717, 0.691, 0.694, 0.697, 0.704)
    rows = dict(zip(order, (values for _, values in published(given.published, "2a")), strict=False))
    figure, (left, right) = panels(2, height=3.6)
    for number, (visibility, result) in enumerate(zip(VISIBILITIES, results, strict=True)):
        color = f"C{number}"
        if visibility in rows:
            losses = rows[visibility]
            shown = spaced(len(losses))
            left.loglog(10 * (shown + 1), losses[shown], color=color, linewidth=0.8)
        shown = spaced(steps)
        right.loglog(shown + 1, result.history[shown], color=color, linewidth=0.8, label=f"v = {visibility}")
        print(f"v = {visibility}: {result.history[-100:].mean():.2e} at the end", flush=True)
    left.set_title("AutoLHVs, published (one event)", fontsize=10)
    right.set_title("this package (all outcomes)", fontsize=10)
    for axis in (left, right):
        axis.set(xlabel="step", ylabel="loss (nats)", ylim=(1e-10, 0.3), xlim=(1, 2e4))
        axis.grid(alpha=0.3)
    figure.legend(fontsize=8, loc="outside right center")
    save(figure, given.pictures, "2a")


if __name__ == "__main__":
    main()
