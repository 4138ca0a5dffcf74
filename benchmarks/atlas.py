"""Atlas of Bell-diagonal states: where the tetrahedron of correlations (t_x, t_y, t_z) is local, nonlocal, or open.

By symmetry one face is enough: for rays from white noise through its points, how far the states are proven local, and
from where on nonlocal. Draws the picture of the docs.
"""

import argparse
import time

import numpy as np
from qiskit_lhv import CorrelationTensor, optimize_settings, sweep
from qiskit_lhv.projective import SettingsSearch, extend_local_models, horodecki_settings


def bounds(direction, seconds):
    """Visibilities along a ray: proven local, proven nonlocal."""
    tensor = CorrelationTensor(np.diag([1.0, *direction]))
    certificate = extend_local_models(tensor)
    assert certificate.verify(tensor)
    settings = horodecki_settings(tensor)
    if seconds:
        more = optimize_settings(tensor, 3, search=SettingsSearch(num_starts=20), time_limit=seconds, seed=1)
        settings = min(settings, more, key=lambda one: one.visibility)
    return certificate.visibility, settings.visibility


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=13, help="points along an edge of the face")
    parser.add_argument("--seconds", type=float, default=0.0, help="for three settings per party, each point")
    parser.add_argument("--workers", type=int, default=None, help="number of processes; default: this one")
    parser.add_argument("--store", default=None, help="folder that keeps the bounds, to go on after an interruption")
    parser.add_argument("--picture", default=None, help="file for the map (PNG)")
    options = parser.parse_args()
    corners = np.array([[-1, -1, -1], [-1, 1, 1], [1, -1, 1]], dtype=float)
    start = time.monotonic()
    m = options.points - 1
    weights = np.array([(i, j, m - i - j) for i in range(m + 1) for j in range(m + 1 - i)]) / m
    tasks = [{"direction": direction, "seconds": options.seconds} for direction in weights @ corners]
    rows = np.hstack([weights, sweep(bounds, tasks, executor=options.workers, store=options.store)])
    lower, upper = np.minimum(rows[:, 3], 1), np.minimum(rows[:, 4], 1)
    print(f"{len(rows)} rays through a face of the tetrahedron, {time.monotonic() - start:.1f} s")
    print(f"{'weights of three Bell states':<32}{'local up to':>12}{'nonlocal above':>16}")
    for one in rows[:: max(1, len(rows) // 12)]:
        print(f"{one[0]:>8.3f}{one[1]:>9.3f}{one[2]:>9.3f}{'':<6}{min(one[3], 1):>12.5f}{min(one[4], 1):>16.5f}")
    volume = [float(np.mean(part**3)) for part in (lower, upper)]
    shares = {"local": volume[0], "open": volume[1] - volume[0], "nonlocal": 1 - volume[1]}
    print("of the volume:", ", ".join(f"{name} {share:.3f}" for name, share in shares.items()))
    if options.picture:
        draw(rows, lower, upper, options.picture)


def draw(rows, lower, upper, path):
    """Two triangles: how far each ray is local, and how wide what is open."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    x = rows[:, 1] + 0.5 * rows[:, 2]
    y = rows[:, 2] * np.sqrt(3) / 2
    figure, axes = pyplot.subplots(1, 2, figsize=(8, 3.4))
    for axis, values, title in ((axes[0], lower, "proven local up to visibility"), (axes[1], upper - lower, "open")):
        mesh = axis.tripcolor(x, y, values, shading="gouraud", cmap="viridis")
        figure.colorbar(mesh, ax=axis, shrink=0.8)
        axis.set_title(title, fontsize=10)
        axis.set_aspect("equal")
        axis.axis("off")
        for corner, name in (((0, 0), "singlet"), ((1, 0), "Bell 2"), ((0.5, 0.87), "Bell 3")):
            axis.annotate(name, corner, ha="center", va="top" if corner[1] == 0 else "bottom", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
