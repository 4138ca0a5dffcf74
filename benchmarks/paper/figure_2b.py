"""Figure 2b: deviation of Werner states against the visibility; in the inset Bell's response, of degree 1."""

import numpy as np
from common import arguments, deviations, draw, named, panels, print_columns, published, save
from qiskit_lhv import werner_state


def main() -> None:
    given = arguments(__doc__)
    rows = published(given.published, "2b")
    if given.full:
        line, bells, steps, size = np.linspace(0.005, 1, 200), np.linspace(0.005, 1, 200), 20_000, 2**16
    else:
        line = np.concatenate([np.linspace(0.1, 0.6, 6), np.linspace(0.64, 0.76, 13), np.linspace(0.8, 1, 5)])
        bells, steps, size = np.concatenate([np.linspace(0.1, 0.4, 4), np.linspace(0.46, 1, 12)]), 1000, 2**14
    figure, (left, right) = panels(2)
    for number, (axis, v, degree) in enumerate(((left, line, 5), (right, bells, 1))):
        found = deviations([werner_state(one) for one in v], steps, response=degree, num_hidden=size)
        theirs = (named(rows, "visibilities", number), named(rows, "deviations", number)) if rows else None
        draw(axis, v, found, theirs)
        axis.set_title(f"degree {degree}", fontsize=10)
        print(f"degree {degree}")
        columns = {"v": v, "ours": found}
        if theirs is not None:
            columns["published"] = np.exp(np.interp(v, theirs[0], np.log(theirs[1])))
        print_columns(**columns)
    save(figure, given.pictures, "2b")


if __name__ == "__main__":
    main()
