"""Figure 6a: Werner states measured in the xy plane alone, where the critical visibility is known, 1 / sqrt(2)."""

import numpy as np
from common import arguments, deviations, draw, named, panels, print_columns, published, save
from qiskit_lhv import werner_state


def main() -> None:
    given = arguments(__doc__)
    rows = published(given.published, "6a")
    if given.full:
        line, steps = np.linspace(0, 1, 101), 20_000
    else:
        line = np.concatenate([np.linspace(0.05, 0.6, 6), np.linspace(0.64, 0.76, 13), np.linspace(0.8, 1, 5)])
        steps = 1000
    ours = deviations([werner_state(v) for v in line], steps, measurements="xy", num_hidden=2**14)
    theirs = (named(rows, "visibilities"), named(rows, "deviations")) if rows else None
    figure, (axis,) = panels(1, 4.8)
    draw(axis, line, ours, theirs)
    axis.axvline(np.sqrt(0.5), color="gray", linestyle=":")
    print_columns(v=line, ours=ours)
    save(figure, given.pictures, "6a")


if __name__ == "__main__":
    main()
