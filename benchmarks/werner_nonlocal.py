"""A Bell inequality for two-qubit Werner states: search for it, and prove its local bound.

``search`` looks for axes with the symmetry of the icosahedron, 36 of one party and more of the other, at which the
singlet tolerates the most noise. Coefficients are equal on pairs of axes that a rotation maps to each other, so the
linear program of the visibility has one row for each class of pairs. Its dual is a Bell expression; the axes then
turn to where the singlet's value of it is largest, and so on in turns. ``prove`` proves the local bound of a
file by branch and bound, by the independent tree of ``WernerInequality.verify``, and by listing strategies.
"""

import argparse
import time

import numpy as np
from qiskit_lhv import BellExpression, BellInequality, local_bound
from qiskit_lhv.polytope.inequalities.werner import WernerInequality, werner_inequality
from qiskit_lhv.polytope.thresholds.visibility_program import VisibilityProgram
from qiskit_lhv.verification.local_bounds import exact_local_bound

GOLDEN = (1 + 5**0.5) / 2
SCALES = range(1000, 1800, 4)
BITS = 40


def rotation(axis, angle):
    """The rotation about an axis."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def icosahedral_group():
    """The 60 rotations, as products of two that generate them."""
    generators = [rotation((0, 1, GOLDEN), 2 * np.pi / 5), rotation((1, 1, 1), 2 * np.pi / 3)]
    group = [np.eye(3)]
    for element in group:
        for generator in generators:
            product = element @ generator
            if min(np.abs(product - other).max() for other in group) > 1e-6:
                group.append(product)
    return np.array(group)


def orbit(group, axis):
    """The axes that an axis is turned to."""
    axes = []
    for image in group @ (np.array(axis) / np.linalg.norm(axis)):
        if not axes or np.abs(np.array(axes) @ image).max() < 1 - 1e-9:
            axes.append(image)
    return np.array(axes)


def signed_images(group, axes):
    """For every rotation, the axis that each axis is turned to, and its sign."""
    overlaps = np.einsum("gij,xj,yi->gxy", group, axes, axes)
    images = np.abs(overlaps).argmax(axis=2)
    return images, np.sign(np.take_along_axis(overlaps, images[:, :, None], 2)[:, :, 0])


def signed_numbers(rotation, axes):
    """The axes' places after a rotation, counted from 1, negative if the axis turns over."""
    images, signs = signed_images(rotation[None], axes)
    return ((images[0] + 1) * signs[0]).astype(np.int64)


class Search:
    """Visibility at which the singlet's correlators become local, minimized over axes with a symmetry."""

    def __init__(self, group, first, second, seed):
        self.axes = [first, second]
        self.rng = np.random.default_rng(seed)
        (images, signs), (others, other_signs) = (signed_images(group, axes) for axes in self.axes)
        self.kind = np.full((len(first), len(second)), -1)
        self.sign = np.zeros(self.kind.shape)
        self.count = 0
        for x, y in np.ndindex(self.kind.shape):
            if self.sign[x, y] or self.kind[x, y] == 0:
                continue
            xs, ys, both = images[:, x], others[:, y], signs[:, x] * other_signs[:, y]
            if np.any((xs == x) & (ys == y) & (both < 0)):
                self.kind[xs, ys] = 0  # a rotation flips its sign, so its coefficient is 0
                continue
            self.kind[xs, ys], self.sign[xs, ys] = self.count, both
            self.count += 1
        self.kind = np.maximum(self.kind, 0)
        self.sizes = np.bincount(self.kind[self.sign != 0], minlength=self.count)
        spins = self.rng.normal(size=(400, 3))
        self.columns = self.tables(*(np.where(spins @ axes.T >= 0, 1.0, -1.0) for axes in self.axes))
        self.known = np.empty((0, len(first)), dtype=np.float32)

    def mean(self, table):
        """Means over the classes of pairs."""
        return np.bincount(self.kind.ravel(), (self.sign * table).ravel(), minlength=self.count) / self.sizes

    def tables(self, a, b):
        """Coordinates of deterministic strategies."""
        return np.array([np.append(1, self.mean(np.outer(*pair))) for pair in zip(a, b, strict=True)])

    def strategies(self, matrix, starts):
        """Good strategies for a matrix, best first: answers in turns, then single flips of the first party."""
        matrix = matrix.astype(np.float32)
        a = np.where(self.rng.random((starts, len(matrix))) < 0.5, np.float32(1), np.float32(-1))
        a = np.concatenate([a, self.known])
        best = np.full(len(a), -np.inf)
        while True:
            answers = np.where(a @ matrix >= 0, np.float32(1), np.float32(-1)) @ matrix.T
            values = np.abs(answers).sum(axis=1)
            a = np.where(answers >= 0, np.float32(1), np.float32(-1))
            if np.all(values <= best + 1e-6 * np.abs(values)):
                break
            best = values
        a = a[np.argsort(-values)[:100]]
        for _ in range(30):
            sums = a @ matrix
            flipped = [np.abs(sums - 2 * a[:, [x]] * row).sum(axis=1) for x, row in enumerate(matrix)]
            gains = np.stack(flipped, axis=1) - np.abs(sums).sum(axis=1)[:, None]
            rows = np.flatnonzero(gains.max(axis=1) > 1e-6 * np.abs(sums).sum(axis=1))
            if not len(rows):
                break
            a[rows, gains[rows].argmax(axis=1)] *= -1
        sums = a @ matrix
        values = np.abs(sums).sum(axis=1)
        order = np.argsort(-values)
        return values[order], a[order], np.where(sums[order] >= 0, 1.0, -1.0)

    def solve(self, starts=500):
        """Solves the linear program for the present axes; returns the visibility that its dual excludes."""
        target = self.mean(self.axes[0] @ self.axes[1].T)
        program = VisibilityProgram(np.append(1, target), np.append(1, 0 * target), 1.0, np.asarray)
        program.add_strategies(np.concatenate([np.eye(1, self.count + 1), self.columns]))
        while True:
            visibility, _, prices = program.parts(program.solve())
            self.matrix = self.sign * (prices[1:] / self.sizes)[self.kind]
            values, a, b = self.strategies(self.matrix, starts)
            excluded = float(values[0] / (prices[1:] @ target))
            good = np.flatnonzero(values > -prices[0] + 1e-7)[:40]
            if excluded < visibility + 2e-6 or not len(good):
                break
            new = np.unique(self.tables(a[good], b[good]).round(10), axis=0)
            program.add_strategies(new)
            self.columns = np.concatenate([self.columns, new])
            self.known = np.concatenate([self.known, a[good[:10]]])[-300:]
        self.columns = self.columns[np.argsort(-(self.columns @ prices))[:3000]]
        return excluded

    def turn(self):
        """Turns the axes to where the singlet's value of the dual is largest."""
        for _ in range(20):
            for k, matrix in ((1, self.matrix.T), (0, self.matrix)):
                vectors = matrix @ self.axes[1 - k]
                lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
                self.axes[k] = np.where(lengths > 1e-9, vectors / np.maximum(lengths, 1e-9), self.axes[k])

    def run(self, seconds):
        """Turns and solves until it no longer helps; returns the visibility reached."""
        start = time.monotonic()
        reached = [self.solve()]
        while time.monotonic() < start + seconds and (len(reached) < 4 or reached[-4] - reached[-1] > 1e-5):
            before = self.axes, self.matrix
            self.axes = list(self.axes)
            self.turn()
            reached.append(self.solve())
            if reached[-1] > reached[-2]:
                self.axes, self.matrix = before
                return reached[-2]
        return reached[-1]


def dyadic(axes):
    """Binary fractions near unit vectors, none longer than 1."""
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    return np.trunc(axes * (1 - 2.0 ** (2 - BITS)) * 2.0**BITS) / 2.0**BITS


def rounded(search):
    """The matrix in integers, at the scale that loses least by rounding."""
    overlaps = search.axes[0] @ search.axes[1].T
    best = (np.inf, None)
    for scale in SCALES:
        integers = np.rint(search.matrix * (scale / np.abs(search.matrix).max()))
        ratio = float(search.strategies(integers, 50)[0][0] / (integers * overlaps).sum())
        best = min(best, (ratio, scale))
    return np.rint(search.matrix * (best[1] / np.abs(search.matrix).max()))


def certified(search, group):
    """The inequality of a search, with the exact local bound."""
    # The singlet's correlators are -n . m.
    expression = BellExpression.from_correlators(-rounded(search), marginals=False)
    # The two generators follow the identity in the group.
    symmetries = [np.concatenate([signed_numbers(turn, axes) for axes in search.axes]) for turn in group[1:3]]
    inequality = BellInequality(expression, local_bound(expression))
    return WernerInequality(*map(dyadic, search.axes), inequality, np.array(symmetries))


def run_search(args):
    group = icosahedral_group()
    five, three, two = (orbit(group, axis) for axis in ((0, 1, GOLDEN), (1, 1, 1), (0, 0, 1)))
    rng = np.random.default_rng(args.seed)
    deadline = time.monotonic() + args.seconds
    best = None
    while best is None or time.monotonic() < deadline:
        # Axes in a mirror plane have orbits of 30 instead of 60.
        angles = rng.uniform(0, np.pi / 2, args.orbits + 1)
        first, *others = (orbit(group, (0, np.sin(angle), np.cos(angle))) for angle in angles)
        axes = np.concatenate([five, first]), np.concatenate([five, three, two, *others])
        if len(axes[0]) != 36 or len(axes[1]) != 31 + 30 * args.orbits:
            continue
        search = Search(group, *axes, int(rng.integers(1 << 30)))
        visibility = search.run(args.seconds / 3)
        print(f"{len(axes[0])} x {len(axes[1])} axes: {visibility:.6f}", flush=True)
        if best is None or visibility < best[0]:
            best = visibility, search
    start = time.monotonic()
    result = certified(best[1], group)
    print(f"{result}; exact bound after {time.monotonic() - start:.1f} s")
    if args.file:
        result.save(args.file)


def run_proof(args):
    certificate = werner_inequality() if args.file is None else WernerInequality.load(args.file)
    expression, claimed = certificate.inequality.expression, certificate.inequality.bound.value
    print(f"{certificate}; local bound {claimed:.0f}, singlet {float(certificate.singlet_value()):.6f}")
    start = time.monotonic()
    bound = local_bound(expression)
    print(f"branch and bound: {bound}, {time.monotonic() - start:.1f} s", flush=True)
    start = time.monotonic()
    check = certificate.verify()
    print(f"independent tree: {check}, {time.monotonic() - start:.1f} s", flush=True)
    start = time.monotonic()
    first = len(certificate.first_axes)
    listed = exact_local_bound(expression.coefficients, [(row[:first], row[first:]) for row in certificate.symmetries])
    print(f"all strategies: {listed}, {time.monotonic() - start:.1f} s")
    if not (check and bound.exact and bound.value == claimed == listed):
        raise SystemExit("NOT PROVEN")
    print(f"proven: Werner states of visibility above {certificate.visibility:.9f} are nonlocal")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    search = commands.add_parser("search", help="look for an inequality")
    search.add_argument("--seconds", type=float, default=300)
    search.add_argument("--orbits", type=int, default=2, help="orbits of 30 axes that the second party has besides 31")
    search.add_argument("--seed", type=int, default=1)
    search.add_argument("--file", help="where to write the result (.npz)")
    search.set_defaults(run=run_search)
    prove = commands.add_parser("prove", help="prove the local bound again, by three algorithms")
    prove.add_argument("--file", help="default: the file that comes with the package")
    prove.set_defaults(run=run_proof)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
