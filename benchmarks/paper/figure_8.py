"""Figure 8: noisy GHZ and W states of three qubits."""

import numpy as np
from common import arguments, deviations, draw, named, panels, print_columns, published, save
from qiskit_lhv import ghz_state
from qiskit_lhv.quantum import w_state


def main() -> None:
    given = arguments(__doc__)
    rows = published(given.published, "8")
    if given.full:
        line, hidden, steps = np.linspace(0, 1, 200), 2**16, 10_000
    else:
        line, hidden, steps = np.array([0.2, 0.4, 0.46, 0.5, 0.54, 0.6, 0.8, 1.0]), 2048, 300
    figure, axes = panels(2)
    for number, (axis, family, title) in enumerate(
        ((axes[0], ghz_state, "GHZ, 3 qubits"), (axes[1], w_state, "W, 3 qubits"))
    ):
        ours = deviations([family(3, v) for v in line], steps, num_hidden=hidden)
        theirs = (named(rows, "visibilities", number), named(rows, "deviations", number)) if rows else None
        draw(axis, line, ours, theirs)
        axis.set_title(title, fontsize=10)
        print(title)
        print_columns(v=line, ours=ours)
    save(figure, given.pictures, "8")


if __name__ == "__main__":
    main()
