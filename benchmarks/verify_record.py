"""Re-checks a proof for the Werner state that ``record.py`` wrote, on its own: NumPy and the standard library only.

``python benchmarks/verify_record.py qiskit_lhv/data/werner_local.npz``

It reads the archive itself and uses nothing of qiskit_lhv. With the singlet's correlators -v n_x . n_y on axes n_x:

1. The triangles close a surface around the origin at a squared distance of at least eta2 (rational).
2. The strategies, averaged over the relabelings, have the correlators M (rational).
3. E = M + (v / eta2) n_x . n_y is what they miss for the mixture of visibility v, marginals included.
4. E = U V^T + R with small integer matrices U, V, so E is a multiple s of a local model's correlators, where
   s <= 1.7823 max_x |U_x| max_y |V_y| + |R|_2, by Grothendieck's inequality with Krivine's constant.

So visibility v / (1 + s) is local for all projective measurements.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from fractions import Fraction

import numpy as np

KRIVINE = Fraction(17823, 10000)
BITS = 62


def read(path: str) -> dict[str, object]:
    with np.load(path, allow_pickle=False) as archive:
        fields = json.loads(str(archive["__record__"]))["fields"]

        def resolve(value: object) -> object:
            if isinstance(value, dict) and "array" in value:
                return archive[value["array"]]
            if isinstance(value, dict):
                # Of a record with no array, such as the set of measurements, nothing is needed.
                return resolve(value["fields"].get("array"))
            return [resolve(item) for item in value] if isinstance(value, list) else value

        return {name: resolve(value) for name, value in fields.items()}


def integers(array: np.ndarray, bits: int) -> np.ndarray:
    scaled = np.ldexp(array, bits)
    assert np.array_equal(scaled, np.rint(scaled)), "not a multiple of 2 ** -bits"
    assert np.abs(scaled).max(initial=0) < 2**53
    return scaled.astype(np.int64)


def above(number: Fraction) -> Fraction:
    """A rational number not below the square root."""
    return Fraction(math.isqrt(math.ceil(number * 4**BITS)) + 1, 2**BITS)


def squared_distance(axes: np.ndarray, triangles: np.ndarray) -> Fraction:
    points = [[int(c) for c in row] for row in np.concatenate([axes, -axes])]
    edges: Counter[tuple[int, int]] = Counter()
    best = None
    for i, j, k in triangles.tolist():
        p, q, r = points[i], points[j], points[k]
        a, b = [y - x for x, y in zip(p, q, strict=True)], [y - x for x, y in zip(p, r, strict=True)]
        normal = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
        volume = sum(x * y for x, y in zip(normal, p, strict=True))
        assert volume > 0, "a triangle does not face away from the origin"
        edges.update([(i, j), (j, k), (k, i)])
        here = Fraction(volume * volume, sum(x * x for x in normal))
        best = here if best is None else min(best, here)
    assert best is not None
    assert all(edges[j, i] == count for (i, j), count in edges.items()), "the surface is not closed"
    return best


def check(path: str) -> None:
    proof = read(path)
    tensor = proof["correlations"]
    assert np.abs(tensor - np.diag([1.0, -1, -1, -1])).max() < 1e-12, "not the singlet"
    # What follows is about the exact singlet, not the file's rounded correlations.
    first, second = proof["directions"]
    assert np.array_equal(first, second)
    assert proof.get("noise") is None
    assert len(proof["product_weights"]) == 0
    axes = integers(first, 30)
    count = len(axes)
    eta2 = squared_distance(axes, proof["triangles"][0]) / 4**30
    assert np.array_equal(*proof["triangles"])
    print(f"{count} axes, squared inradius {float(eta2):.9f}")

    weights = integers(proof["weights"], 40)
    assert weights.min() >= 0
    assert int(weights.sum()) == 2**40
    signs = 1 - 2 * proof["strategies"].astype(np.int64)
    assert set(np.unique(signs)) <= {-1, 1}
    assert signs.shape == (len(weights), 2 * count)
    ones = np.ones((len(signs), 1))
    alice, bob = np.hstack([ones, signs[:, :count]]), np.hstack([ones, signs[:, count:]])
    # Whole numbers below 2 ** 53: every partial sum is exact.
    table = ((alice * weights[:, None]).T @ bob).astype(np.int64)
    total = np.zeros_like(table)
    sources, flips = proof["sources"].astype(np.int64), proof["flips"].astype(np.int64)
    assert set(np.unique(flips)) <= {0, 1}
    for source, flip in zip(sources, flips, strict=True):
        parts = source[:count], source[count:]
        swapped = bool(parts[0][0] >= count)
        own = (table.T, [parts[0] - count, parts[1]]) if swapped else (table, [parts[0], parts[1] - count])
        assert all(np.array_equal(np.sort(part), np.arange(count)) for part in own[1])
        rows, columns = (np.concatenate([[0], 1 + part]) for part in own[1])
        s, t = (np.concatenate([[1], 1 - 2 * part]) for part in (flip[:count], flip[count:]))
        total += own[0][np.ix_(rows, columns)] * s[:, None] * t
    group = len(sources)
    assert not total[0, 1:].any(), "marginals do not vanish"
    assert not total[1:, 0].any(), "marginals do not vanish"
    print(f"{len(weights)} strategies, averaged over {group} relabelings; all marginals vanish exactly")

    visibility = Fraction(proof["mixture_visibility"])
    products = axes.astype(object) @ axes.astype(object).T
    # E in units of 2 ** -BITS, each entry to within one unit.
    scale = visibility / eta2 / 4**30
    residual = [
        (int(m) * 2**BITS) // (group * 2**40) + (int(p) * scale.numerator * 2**BITS) // scale.denominator
        for m, p in zip(total[1:, 1:].flat, products.flat, strict=True)
    ]
    largest = max(map(abs, residual))
    # In coarser units that fit float matrices; every entry to within two of them.
    cut = max(0, largest.bit_length() - 45)
    rough = np.array([value >> cut for value in residual], dtype=np.int64).reshape(count, count)
    unit = Fraction(2**cut, 2**BITS)
    left, values, right = np.linalg.svd(rough.astype(np.float64))
    grain = 2.0 ** (21 - math.ceil(math.log2(math.sqrt(values[0]))))
    u, v = np.rint(left * np.sqrt(values) * grain), np.rint(right.T * np.sqrt(values) * grain)
    step = Fraction(grain) ** 2
    rest = rough.astype(object) * step.numerator - (u @ v.T).astype(np.int64).astype(object) * step.denominator
    rest_norm = above(Fraction(int((rest * rest).sum()), step.numerator**2))
    rows_norm = Fraction(int((u * u).sum(axis=1).max()) * int((v * v).sum(axis=1).max())) / step**2
    s = unit * (KRIVINE * above(rows_norm) + rest_norm + 3 * count)
    proven = visibility / (1 + s)
    plain = above(Fraction(int(sum(value * value for value in residual)), 4**BITS))
    print(f"2-norm of the residual {float(plain):.3e}, absorbed by noise of relative weight {float(s):.3e}")
    print(f"Werner states are local for all projective measurements up to visibility {float(proven):.9f}")
    assert proven >= Fraction(proof["visibility"]), "the claim is higher"
    print(f"the claim {proof['visibility']} holds; the bound of arXiv:2302.04721 is 0.6875")


if __name__ == "__main__":
    begin = time.perf_counter()
    check(sys.argv[1])
    print(f"{time.perf_counter() - begin:.1f} s")
