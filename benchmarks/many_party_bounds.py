"""Local bounds of expressions of many parties: against all strategies, on whole devices, and against published ones.

Every bound is proven again by ``verify()``. Times are processor seconds of this process.
"""

import itertools
import time
from fractions import Fraction

import numpy as np
from qiskit_ibm_runtime.fake_provider import FakeSherbrooke
from qiskit_lhv import BellExpression, BellScenario, local_bound
from qiskit_lhv.polytope import (
    SymmetricExpression,
    ardehali,
    baccari_inequality,
    bound_per_site,
    permutation_invariant_expression,
    stabilizer_sum,
    sum_of_chsh,
    svetlichny,
    translation_invariant_chain,
    two_body_expression,
)


def timed(function):
    begin = time.process_time()
    result = function()
    return result, time.process_time() - begin


def shown(name, expression, published=None):
    bound, seconds = timed(lambda: local_bound(expression))
    check, again = timed(bound.verify)
    assert check, check
    assert published is None or bound.fraction == Fraction(published), (name, bound.fraction, published)
    width = "" if bound.width is None else f"{bound.width}, {bound.memory / 2**20:.3g} MiB"
    print(f"{name:<52}{bound.value:>14.9g}{bound.method:>22}{width:>18}{seconds:>9.3f}{again:>9.3f}", flush=True)
    return bound


def mermin_types(n):
    """The Mermin expression, also of few parties without a table."""
    ones = np.arange(0, n + 1, 2)
    return SymmetricExpression(BellScenario([2] * n, 2), np.stack([n - ones, ones], axis=1), (-1.0) ** (ones // 2))


def random_expression(rng):
    n = int(rng.integers(2, 11))
    sizes = [int(m) for m in rng.integers(1, 4, n)]
    while sum(sizes) > 15:
        sizes[int(np.argmax(sizes))] -= 1
    terms = {}
    for _ in range(int(rng.integers(1, 30))):
        row = [int(rng.integers(0, m)) if rng.random() < 0.4 else -1 for m in sizes]
        value = rng.normal() if rng.random() < 0.3 else rng.integers(-5, 6)
        terms[tuple((k, x) for k, x in enumerate(row) if x >= 0)] = float(value)
    return BellExpression.from_terms(BellScenario(sizes, 2), terms)


def largest_of_all(expression):
    """The largest value of all strategies, in floating-point numbers."""
    sizes = expression.scenario.num_settings
    first = np.cumsum([0, *sizes[:-1]])
    signs = 1 - 2 * (np.arange(2 ** sum(sizes))[:, None] >> np.arange(sum(sizes)) & 1)
    total = np.zeros(len(signs))
    for row, value in zip(expression.rows, expression.coefficients, strict=True):
        total += value * signs[:, (first + row)[row >= 0]].prod(axis=1)
    return total.max()


def main():
    rng = np.random.default_rng(1)
    worst = 0.0
    for _ in range(300):
        expression = random_expression(rng)
        bound = local_bound(expression)
        worst = max(worst, abs(bound.value - largest_of_all(expression)))
        assert bound.verify()
    print(f"300 random expressions of up to 10 parties: largest difference to all strategies {worst:.2g}\n")
    print(f"{'expression':<52}{'bound':>14}{'method':>22}{'width, tables':>18}{'CPU s':>9}{'again':>9}")
    device = FakeSherbrooke().coupling_map
    couplings = sorted({tuple(sorted(edge)) for edge in device.get_edges()})
    grid = [(10 * i + j, 10 * i + j + 10) for i in range(9) for j in range(10)]
    grid += [(10 * i + j, 10 * i + j + 1) for i in range(10) for j in range(9)]
    for m in (2, 3):
        pairs = rng.integers(-5, 6, (len(couplings), m, m))
        shown(f"127 qubits, couplings, {m} settings", two_body_expression(couplings, pairs))
    shown("127 qubits, sum of CHSH", sum_of_chsh(couplings), 2 * len(couplings))
    shown("10 x 10 grid, 2 settings", two_body_expression(grid, rng.integers(-5, 6, (len(grid), 2, 2))))
    dense = list(itertools.combinations(range(24), 2))
    shown("24 parties, all pairs", two_body_expression(dense, rng.integers(-5, 6, (len(dense), 2, 2))))
    print("\npublished bounds")
    degree = max(np.bincount(np.array(couplings).ravel()))
    center = int(np.argmax(np.bincount(np.array(couplings).ravel())))
    inequality = baccari_inequality(couplings, [center]).expression
    shown("Baccari et al. 1812.10428, 127 qubits", inequality, 127 + degree - 1)
    several = baccari_inequality(couplings).expression
    shown("the same with many centers", several, several.known_bounds.local)
    for n in (3, 10, 51, 100, 200):
        shown(f"Mermin 1990, n = {n}", mermin_types(n), 2 ** (n // 2))
    for n in (4, 5, 100, 101):
        shown(f"Ardehali 1992, n = {n}", ardehali(n), 2 ** ((n + 1) // 2))
    shown("Svetlichny 1987 (local models), n = 3", svetlichny(3), 4)
    for n in (10, 50, 100):
        expression = permutation_invariant_expression(n, [2, 0], [[-1, 1], [1, -1]])
        shown(f"Tura et al. 1306.6860, n = {n}", expression, 2 * n)
    for n in (3, 4, 5, 6):
        star = [(0, k) for k in range(1, n)]
        published = 2**n * (Fraction(1, 2) + Fraction(1, 2 ** ((n + 1) // 2)))
        shown(f"Guehne et al. quant-ph/0410059, GHZ, n = {n}", stabilizer_sum(star).expression, published)
    for m in (3, 10, 100):
        signs = {((0, x), (1, y)): -1 if (x, y) == (m - 1, 0) else 1 for x in range(m) for y in (x, (x + 1) % m)}
        shown(f"Braunstein, Caves 1990, m = {m}", BellExpression.from_terms(BellScenario([m, m], 2), signs), 2 * m - 2)
    print("\nchains")
    terms = {((0, x), (d, y)): int(rng.integers(-3, 4)) for d in (1, 2) for x in (0, 1) for y in (0, 1)}
    for n in (10, 100, 10_000):
        shown(f"second neighbors, ring of {n}", translation_invariant_chain(terms, n))
    limit, seconds = timed(lambda: bound_per_site(translation_invariant_chain(terms, 10)))
    check, again = timed(limit.verify)
    assert check
    print(f"per site: {limit.fraction}, {limit} ({seconds:.3f}, {again:.3f})")


if __name__ == "__main__":
    main()
