"""Figure 3: a quadrant of all pairs of correlators xx = yy and zz, with the symmetries of the XXZ model.

A quarter of the quadrant is no state, but as every correlator lies between -1 and 1 all probabilities are valid.
"""

import numpy as np
from common import arguments, bell_diagonal, deviations, panels, published, save
from matplotlib.colors import LogNorm
from qiskit_lhv.optimize import GradientDescent


def main() -> None:
    given = arguments(__doc__)
    points, size, steps = (50, 2**12, 3000) if given.full else (16, 2048, 400)
    line = np.linspace(-1, 0, points)
    targets = [bell_diagonal(xx, xx, zz) for zz in line for xx in line]
    # All points have the symmetry of a cylinder, few have more.
    shared = [bell_diagonal(-0.3, -0.3, -0.6)]
    descent = GradientDescent(num_steps=steps, symmetry=shared)
    ours = deviations(targets, steps, num_hidden=size, optimizer=descent).reshape(points, points)
    rows = published(given.published, "3")
    tables = [("this package", line, ours)]
    if rows:
        theirs = np.array([values for label, values in rows if label.startswith("50x50")])
        tables.insert(0, ("AutoLHVs, published", np.linspace(-1, 0, 50), theirs))
        at = np.rint(49 * (line + 1)).astype(int)
        other = theirs[np.ix_(at, at)]
        floor = other < 5e-8
        print(f"on the published floor (below 5e-8): {floor.sum()} of {floor.size} points; ours there: median")
        print(
            f"{np.median(ours[floor]):.1e}, largest {ours[floor].max():.1e}; above 1e-5 the median of ours / published"
        )
        print(f"is {np.median((ours / other)[other > 1e-5]):.3f}")
    figure, axes = panels(len(tables), 4.2, 3.6)
    for axis, (title, grid, table) in zip(axes, tables, strict=True):
        mesh = axis.pcolormesh(grid, grid, table, norm=LogNorm(1e-8, 6e-3), cmap="viridis")
        # Two correlators of a Bell-diagonal state violate CHSH where the sum of their largest squares exceeds 1.
        turn = np.linspace(0, np.pi / 4, 50)
        axis.plot([-np.sqrt(0.5)] * 2, [-np.sqrt(0.5), 0], "w--", linewidth=1)
        axis.plot(-np.sin(turn), -np.cos(turn), "w--", linewidth=1)
        # States: no eigenvalue of the density matrix is negative.
        axis.plot([-0.5, -1], [0, -1], "w", linewidth=1)
        axis.set(title=title, xlabel="xx = yy", ylabel="zz")
    figure.colorbar(mesh, ax=list(axes), label="deviation (event, nats)")
    save(figure, given.pictures, "3")


if __name__ == "__main__":
    main()
