"""Figure 9a: two-qubit states with correlators xx = yy and zz on two boundaries.

The physical boundary is that of neighbors in XXZ ground states, the other is where the CHSH inequality begins to be
violated. Without the published points, ours lie on rings of 16 spins.
"""

import numpy as np
from common import arguments, bell_diagonal, deviations, panels, published, save
from qiskit_lhv import CorrelationTensor
from qiskit_lhv.spin_chains import ground_state, xxz_chain


def boundaries(number: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns the correlators xx and zz of points on both boundaries."""
    tensors = [
        CorrelationTensor.from_state(ground_state(xxz_chain(16, delta), magnetization=0).reduced([0, 1])).array
        for delta in np.linspace(0, 4, number)
    ]
    turn = np.linspace(np.arcsin(np.sqrt(0.5) - 0.29), np.pi / 2, number)
    zz = -np.sin(turn)
    xx = -np.minimum(np.cos(turn), np.sqrt(0.5))
    return [(np.array([t[1, 1] for t in tensors]), np.array([t[3, 3] for t in tensors])), (xx, zz)]


def main() -> None:
    given = arguments(__doc__)
    rows = published(given.published, "9a")
    hidden, steps, every = (2**15, 20_000, 1) if given.full else (2**14, 1000, 7)
    points = [(rows[i][1], rows[i + 1][1]) for i in (0, 3)] if rows else boundaries(71)
    figure, axes = panels(2)
    for number, (axis, title) in enumerate(zip(axes, ("physical boundary", "CHSH boundary"), strict=True)):
        xx, zz = points[number]
        ours = deviations(
            [bell_diagonal(a, a, b) for a, b in zip(xx[::every], zz[::every], strict=True)], steps, num_hidden=hidden
        )
        if rows:
            axis.semilogy(zz, rows[3 * number + 2][1], ".", color="black", markersize=3, label="AutoLHVs, published")
        axis.semilogy(zz[::every], ours, "o-", color="tab:blue", markersize=3.5, linewidth=1, label="this package")
        axis.set(xlabel="zz", ylabel="deviation (event, nats)", title=title)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
        print(f"{title}: median {np.median(ours):.1e}, largest {ours.max():.1e}", flush=True)
    save(figure, given.pictures, "9a")


if __name__ == "__main__":
    main()
