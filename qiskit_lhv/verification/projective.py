"""Exact check of the proof that a state is local for all projective measurements, or for all POVMs, of its qubits.

It shares no code with what found the proof.

Floats are taken as the rational numbers that they are. Bloch vectors, weights and the tensor become integers;
matrix products of integers are done in floats only where every partial sum is exact.

The proof has four parts. (1) The polyhedra: closed surfaces of triangles around the origin, all at a distance of
at least eta, so every vector of length eta is a mixture of their corners. (2) The model: deterministic strategies,
averaged over relabelings, and product states. (3) The residual: what the model misses of the state's correlators,
each index scaled by 1 / eta. (4) Its absorption: a block of correlators of the parties S is local if its norm is at
most 1, so white noise of relative weight sum_S norm_S makes up for it.

For all POVMs, eta sqrt(2/3) takes the place of eta: a POVM of a qubit whose Bloch vectors are shrunk by sqrt(2/3) is a
mixture of projective measurements, whatever the number of its outcomes. Proof. Let E_a = w_a (1 + s_a n_a . sigma) with
sum_a w_a = 1, sum_a w_a s_a n_a = 0, |s_a| <= 1. If the POVM shrunk by t were no such mixture, some functional
sum_a tr(E_a (z_a + y_a . sigma)) / 2 would be larger for it than for all projective measurements with one outcome a
(value z_a) or two outcomes a and b (value at most (z_a + z_b + |y_a - y_b|) / 2, which is reached); add a constant to
all z_a so that the largest of these values is 1. With r_a = 1 - z_a >= 0, then |y_a - y_b| <= r_a + r_b: the balls of
centers y_a and radii r_a intersect pairwise. Below it is shown that some c has |y_a - c| <= rho r_a for all a, with
rho^2 = 3/2. The value for the shrunk POVM is sum_a w_a (z_a + t s_a n_a . (y_a - c)), which is at most
1 - sum_a w_a r_a + t rho sum_a w_a r_a, so not above 1 for t = 1 / rho: a contradiction. The point c: if some r_a is 0,
then y_a lies in all balls. Else let c, put at the origin, minimize the largest |y_a - c|^2 / r_a^2, and let rho^2 > 1
be this minimum. On the outcomes at which it is reached, y_a = rho r_a u_a with unit vectors u_a, and (the gradients
vanish in a mixture) sum_a m_a u_a = 0 for some weights m_a >= 0 of sum 1, at most four of them positive. Pairwise
intersection gives u_a . u_b >= 1 - 2 / rho^2. With S = sum_a m_a^2 >= 1/4 follows
0 = |sum_a m_a u_a|^2 >= S + (1 - S) (1 - 2 / rho^2), hence rho^2 <= 2 (1 - S) <= 3/2. (This is Jung's theorem for
balls of different radii.)

References:
    arXiv:1609.06114, arXiv:2302.04721 (polyhedra, absorption by the 2-norm); arXiv:1609.06139 (shrunk POVMs);
    J. L. Krivine, C. R. Acad. Sci. Paris A 284, 445 (1977) (Grothendieck's constant is at most
    pi / (2 log(1 + sqrt 2)) < 1.7823).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .remembered_checks import remembered

__all__ = ["GROTHENDIECK_BOUND", "SHRINKING_OF_POVMS", "Proof", "ProofError", "proven_visibility"]

# Krivine's upper bound of Grothendieck's constant, rounded up.
GROTHENDIECK_BOUND = Fraction(17823, 10000)
SHRINKING_OF_POVMS = Fraction(2, 3)
"""The square of the factor by which Bloch vectors of a qubit's POVMs shrink to those of projective measurements."""

_MAX_WEIGHT_BITS = 52
_RESIDUAL_BITS = 60
_FACTOR_BITS = 22
_STRATEGIES_PER_BATCH = 4096


class ProofError(Exception):
    """A part of the proof does not hold."""


@dataclass(frozen=True)
class Proof:
    """The parts of the proof; ``AllProjectiveCertificate`` says what each of them means."""

    tensor: NDArray[np.float64]
    noise: NDArray[np.float64] | None
    mixture_visibility: float
    directions: Sequence[NDArray[np.float64]]
    triangles: Sequence[NDArray[np.int64]]
    weights: NDArray[np.float64]
    strategies: NDArray[np.int8]
    sources: NDArray[np.int16]
    flips: NDArray[np.int8]
    product_weights: NDArray[np.float64]
    product_vectors: NDArray[np.float64]
    for_povms: bool = False


def proven_visibility(proof: Proof, noise_visibility: Fraction | None = None) -> tuple[Fraction, list[float], float]:
    """The visibility up to which the proof shows that the state is local, in white noise or in the proof's own noise.

    Noise other than white must itself be local up to a visibility above 1, on the line from white noise through it and
    beyond. Then it holds some white noise, which absorbs the residual. The result for the same proof is remembered
    within one process.

    Args:
        proof: The proof.
        noise_visibility: The visibility up to which the proof's own noise is proven local in white noise.

    Returns:
        The visibility, the squared inradius of each party's polyhedron, and the weight of the white noise
        that absorbs the residual.

    Raises:
        ProofError: If a part of the proof does not hold.
    """
    content = [getattr(proof, field.name) for field in fields(proof)]
    return remembered(lambda: _proven_visibility(proof, noise_visibility), "polyhedra", content, str(noise_visibility))


def _proven_visibility(proof: Proof, noise_visibility: Fraction | None) -> tuple[Fraction, list[float], float]:
    inradii = [_squared_inradius(d, t) for d, t in zip(proof.directions, proof.triangles, strict=True)]
    shrinking = SHRINKING_OF_POVMS if proof.for_povms else Fraction(1)
    residual, scale = _residual(proof, [shrinking * eta2 for eta2 in inradii])
    n = residual.ndim
    total = Fraction(0)
    for size in range(1, n + 1):
        for parties in itertools.combinations(range(n), size):
            block = residual[tuple(slice(1, None) if k in parties else 0 for k in range(n))]
            total += _block_norm(block, scale)
    if (proof.noise is None) != (noise_visibility is None):
        raise ProofError("there is no proof for the noise")
    share = Fraction(1)
    if noise_visibility is not None:
        if noise_visibility <= 1:
            raise ProofError("the noise holds no white noise that could absorb a residual")
        # noise = tau / mu + (1 - 1 / mu) * white with tau local, so this is the share of white noise in it.
        share = 1 - 1 / noise_visibility
    return Fraction(proof.mixture_visibility) / (1 + total / share), [float(eta2) for eta2 in inradii], float(total)


def _integers(array: NDArray[np.float64], max_bits: int, what: str) -> tuple[NDArray[Any], int]:
    """Python integers and k with ``integers == array * 2**k``."""
    for exponent in (30, 40):
        # Multiplication by a power of two is exact.
        scaled = np.ldexp(array, exponent)
        if array.size and np.abs(scaled).max() < 2**53 and np.array_equal(scaled, np.rint(scaled)):
            return scaled.astype(np.int64).astype(object), exponent
    exponent = 0
    fractions = [Fraction(float(value)) for value in array.flat]
    for value in fractions:
        exponent = max(exponent, value.denominator.bit_length() - 1)
    if exponent > max_bits:
        raise ProofError(f"{what} are not multiples of 2**-{max_bits}")
    result = np.array([int(value * 2**exponent) for value in fractions], dtype=object)
    return result.reshape(array.shape), exponent


def _squared_inradius(directions: NDArray[np.float64], triangles: NDArray[np.int64]) -> Fraction:
    """A lower bound of the squared inradius of the hull of the directions and their opposites."""
    integers, exponent = _integers(directions, 64, "directions")
    corners = [tuple(row) for row in integers] + [tuple(-x for x in row) for row in integers]
    edges: dict[tuple[int, int], int] = {}
    smallest: Fraction | None = None
    for row in triangles.tolist():
        i, j, k = row
        if min(row) < 0 or max(row) >= len(corners):
            raise ProofError("a triangle has a corner that does not exist")
        for edge in ((i, j), (j, k), (k, i)):
            edges[edge] = edges.get(edge, 0) + 1
        p, q, r = corners[i], corners[j], corners[k]
        u, v = [b - a for a, b in zip(p, q, strict=True)], [b - a for a, b in zip(p, r, strict=True)]
        normal = (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0])
        determinant = sum(a * b for a, b in zip(normal, p, strict=True))
        if determinant <= 0:
            raise ProofError("a triangle does not face away from the origin")
        distance2 = Fraction(determinant**2, sum(x * x for x in normal))
        smallest = distance2 if smallest is None else min(smallest, distance2)
    # Every edge borders as many triangles on one side as on the other: the surface is closed, and as all
    # triangles face away from the origin, it meets every ray from there.
    if smallest is None or any(edges.get((j, i), 0) != count for (i, j), count in edges.items()):
        raise ProofError("the triangles do not close the surface")
    return smallest / 4**exponent


def _residual(proof: Proof, shrinking: list[Fraction]) -> tuple[NDArray[Any], int]:
    """Model minus scaled target as whole numbers in units of 2**-k, rounded to nearest, and k.

    The numbers given are the squares of the lengths by which each party's non-identity index is divided.
    """
    n = proof.tensor.ndim
    weights, weight_bits = _integers(
        np.concatenate([proof.weights, proof.product_weights]), _MAX_WEIGHT_BITS, "weights"
    )
    unit = 2**weight_bits
    if min(weights.tolist(), default=-1) < 0 or sum(weights.tolist()) != unit or unit >= 2**_MAX_WEIGHT_BITS:
        raise ProofError("the weights are not probabilities that sum to 1")
    split = len(proof.weights)
    model = _model(proof, weights[:split].astype(np.int64))
    group = len(proof.sources)
    # Bloch space: the visible part of the state, minus the product states.
    vectors, vector_bits = _integers(proof.product_vectors, 64, "Bloch vectors of product states")
    if len(vectors) and (vectors * vectors).sum(axis=2).max() > 4**vector_bits:
        raise ProofError("a product state has a Bloch vector longer than 1")
    if vectors.shape != (len(weights) - split, n, 3):
        raise ProofError("the product states do not fit their weights")
    tensor, tensor_bits = _integers(proof.tensor, 1100, "correlations")
    visibility = Fraction(proof.mixture_visibility)
    if tensor.flat[0] != 2**tensor_bits or visibility < 0:
        raise ProofError("the correlations do not have a trace of 1, or the visibility is negative")
    products = weights[split:, None]
    for k in range(n):
        factors = np.concatenate([np.full((len(products), 1), 2**vector_bits, dtype=object), vectors[:, k]], axis=1)
        products = (products[:, :, None] * factors[:, None, :]).reshape(len(products), 4 ** (k + 1))
    separable = products.sum(axis=0)
    target = np.array([Fraction(int(x), 2**tensor_bits) * visibility for x in tensor.flat], dtype=object)
    target = target.reshape(tensor.shape)
    if proof.noise is not None:
        noise, noise_bits = _integers(proof.noise, 1100, "correlations of the noise")
        others = [Fraction(int(x), 2**noise_bits) * (1 - visibility) for x in noise.flat]
        target = target + np.array(others, dtype=object).reshape(tensor.shape)
    target[(0,) * n] = Fraction(1)
    bits = weight_bits + n * vector_bits
    rest = target - np.array([Fraction(int(x), 2**bits) for x in separable.flat], dtype=object).reshape(target.shape)
    # Each non-identity index is divided by a rational lower bound of what the polyhedron allows.
    maps = []
    for directions, eta2 in zip(proof.directions, shrinking, strict=True):
        eta = _root_below(eta2)
        integers, exponent = _integers(directions, 64, "directions")
        matrix = np.zeros((len(directions) + 1, 4), dtype=object)
        matrix[0, 0] = Fraction(1)
        matrix[1:, 1:] = [[Fraction(int(x), 2**exponent) / eta for x in row] for row in integers]
        maps.append(matrix)
    # As integers in units of 2**-precision, with room for the sums: the error stays below the unit of the residual.
    precision = _RESIDUAL_BITS + 40
    scaled = _rounded(rest, precision)
    for matrix in maps:
        scaled = np.tensordot(scaled, _rounded(matrix, precision), axes=(0, 1))
    # scaled is in units of 2**-(precision * (n + 1)), the model in units of 1 / (unit * group).
    units = 2 ** (precision * (n + 1) - _RESIDUAL_BITS)
    residual = _quotients(model, unit * group).astype(object) - scaled // units
    if abs(residual[(0,) * n]) > 2:
        raise ProofError("the model's weights do not make up for the product states")
    return residual.astype(np.int64) if np.abs(residual).max() < 1 << 62 else residual, _RESIDUAL_BITS


def _quotients(numbers: NDArray[np.int64], divisor: int) -> NDArray[np.int64]:
    """``numbers * 2**60 // divisor``, for numbers whose absolute values do not exceed the divisor, below 2**62."""
    # Digit by digit, as by hand: the rest stays below the divisor.
    step = min(10, 62 - divisor.bit_length())
    if step < 1:
        return np.array([int(m) * 2**_RESIDUAL_BITS // divisor for m in numbers.flat], dtype=object).reshape(
            numbers.shape
        )
    quotients, rest = np.divmod(numbers, divisor)
    done = 0
    while done < _RESIDUAL_BITS:
        width = min(step, _RESIDUAL_BITS - done)
        more, rest = np.divmod(rest << width, divisor)
        quotients = (quotients << width) + more
        done += width
    return quotients


def _rounded(array: NDArray[Any], bits: int) -> NDArray[Any]:
    return np.array([int(value * 2**bits) for value in array.flat], dtype=object).reshape(array.shape)


def _model(proof: Proof, weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum over relabelings of the correlators of the strategies, in units of the weights."""
    sizes = [len(directions) for directions in proof.directions]
    starts = [0, *itertools.accumulate(sizes)]
    strategies = proof.strategies
    if strategies.shape != (len(weights), starts[-1]) or (strategies.size and not np.isin(strategies, (0, 1)).all()):
        raise ProofError("the strategies are not outcomes 0 and 1 of all settings")
    if proof.sources.shape != proof.flips.shape or proof.sources.shape[1:] != (starts[-1],) or not len(proof.sources):
        raise ProofError("the relabelings do not fit the settings")
    shape = [m + 1 for m in sizes]
    base = np.zeros(shape, dtype=np.int64)
    for begin in range(0, len(weights), _STRATEGIES_PER_BATCH):
        rows = slice(begin, begin + _STRATEGIES_PER_BATCH)
        signs = []
        for k, m in enumerate(sizes):
            party = np.ones((len(weights[rows]), m + 1))
            party[:, 1:] -= 2 * strategies[rows, starts[k] : starts[k + 1]]
            signs.append(party)
        # Sums of whole numbers below 2**52: exact in floats, in any order.
        rest = signs[0] * weights[rows, None]
        for party in signs[1:-1]:
            rest = (rest[:, :, None] * party[:, None, :]).reshape(len(party), -1)
        total = rest.T @ signs[-1] if len(signs) > 1 else rest.sum(axis=0)
        base += total.reshape(shape).astype(np.int64)
    if len(proof.sources) * max(1, int(base.flat[0])) >= 2**62:
        raise ProofError("there are too many relabelings for exact arithmetic")
    average = np.zeros(shape, dtype=np.int64)
    for source, flip in zip(proof.sources.astype(np.int64), proof.flips, strict=True):
        average += _relabeled(base, source, flip, starts)
    return average


def _relabeled(
    base: NDArray[np.int64], source: NDArray[np.int64], flip: NDArray[np.int8], starts: list[int]
) -> NDArray[np.int64]:
    """Correlators when setting i answers what setting source[i] did, flipped or not."""
    n = base.ndim
    order, index, signs = [], [], []
    for k in range(n):
        own = source[starts[k] : starts[k + 1]]
        other = next((j for j in range(n) if starts[j] <= own[0] < starts[j + 1]), -1)
        inside = own - starts[other]
        if other < 0 or not np.array_equal(np.sort(inside), np.arange(starts[other + 1] - starts[other])):
            raise ProofError("a relabeling is not one of parties and settings")
        order.append(other)
        index.append(np.concatenate([[0], 1 + inside]))
        signs.append(np.concatenate([[1], 1 - 2 * flip[starts[k] : starts[k + 1]].astype(np.int64)]))
    if sorted(order) != list(range(n)) or not np.isin(flip, (0, 1)).all():
        raise ProofError("a relabeling is not one of parties and outcomes")
    moved = base.transpose(order)
    for k in range(n):
        moved = np.take(moved, index[k], axis=k)
        if np.any(signs[k] < 0):
            moved *= signs[k].reshape([-1 if j == k else 1 for j in range(n)])
    return moved


def _block_norm(block: NDArray[Any], bits: int) -> Fraction:
    """An upper bound of the weight of local models that make up a block of correlators.

    Args:
        block: Whole numbers in units of ``2**-bits``, each within 2 units of the true number.
        bits: The number of binary digits.
    """
    rounding = Fraction(2 * (math.isqrt(block.size) + 1), 2**bits)
    return _integer_norm(block, bits) + rounding


def _integer_norm(block: NDArray[Any], bits: int) -> Fraction:
    """The same for numbers that are exactly these.

    One party: the largest entry. More: the 2-norm, as the mean square of an expression over random signs is the
    square of its coefficients' 2-norm. Two: also Grothendieck's constant times the largest product of row norms of
    a factorization, whatever it leaves over counted by its 2-norm. Three and more: also the mean, over orthogonal
    sign vectors of the first party, of the bounds of the other parties' blocks that they select.
    """
    largest = int(np.abs(block).max())
    if block.ndim == 1 or largest == 0:
        return Fraction(largest, 2**bits)
    plain = _root_above(Fraction(_sum_of_squares(block), 4**bits))
    if block.ndim == 2:
        return min(plain, _factored_norm(block, bits, largest))
    smallest = int(np.argmin(block.shape))
    moved = np.moveaxis(block, smallest, 0)
    # Rows of a Hadamard matrix: the mean over rows of a_x a_y is 1 if x = y, else 0.
    signs = np.ones((1, 1), dtype=np.int64)
    while len(signs) < len(moved):
        signs = np.block([[signs, signs], [signs, -signs]])
    selected = np.tensordot(signs[:, : len(moved)].astype(object), moved.astype(object), axes=(1, 0))
    mean = sum((_integer_norm(vector, bits) for vector in selected), Fraction(0)) / len(signs)
    return min(plain, mean)


def _factored_norm(block: NDArray[Any], bits: int, largest: int) -> Fraction:
    """Grothendieck's constant times the row norms of a factorization, plus the 2-norm of what it leaves over."""
    # A witness from floats, taken as integers: e = U V^T / 4**f + rest, checked exactly.
    shift = max(0, largest.bit_length() - 44)
    rough = (block >> shift).astype(np.int64)
    left, values, right = np.linalg.svd(rough.astype(np.float64), full_matrices=False)
    roots = np.sqrt(values)
    f = _FACTOR_BITS - math.ceil(math.log2(max(1.0, float(roots[0]))))
    u = np.rint(left * roots * 2.0**f)
    v = np.rint(right.T * roots * 2.0**f)
    # Rows are at most 2**23 long, so every partial sum of their products is a whole number below 2**52.
    product = (u @ v.T).astype(np.int64)
    up, down = 4 ** max(f, 0), 4 ** max(-f, 0)
    # The products are below 2**52, and the rest is small beside what it is made of.
    if max(int(np.abs(rough).max()) * up, (1 << 52) * down) < 1 << 61:
        rest2 = _sum_of_squares(rough * up - product * down)
    else:
        rest2 = _sum_of_squares(rough.astype(object) * up - product.astype(object) * down)
    longest = int((u * u).sum(axis=1).max()) * int((v * v).sum(axis=1).max()) * down**2
    norm = GROTHENDIECK_BOUND * _root_above(Fraction(longest, up**2)) + _root_above(Fraction(rest2, up**2))
    # Cutting off digits changed every entry by less than 1, if any were cut.
    cut = math.isqrt(block.size) + 1 if shift else 0
    return Fraction(2**shift, 2**bits) * (norm + cut)


def _sum_of_squares(numbers: NDArray[Any]) -> int:
    """The sum of the squares of whole numbers, exactly; int64 or Python integers."""
    flat = numbers.ravel()
    if flat.dtype == object:
        if np.abs(flat).max() >= 1 << 62:
            return int(sum(value * value for value in flat))
        flat = flat.astype(np.int64)
    # Digits to the base 2**21, the highest one signed: sums of 2**19 products of two digits stay below 2**62.
    digits = [flat >> 42, (flat >> 21) & ((1 << 21) - 1), flat & ((1 << 21) - 1)]
    total = 0
    for start in range(0, len(flat), 1 << 19):
        part = [digit[start : start + (1 << 19)] for digit in digits]
        for i, j in itertools.product(range(3), repeat=2):
            total += int(part[i] @ part[j]) << 21 * (4 - i - j)
    return total


def _root_above(number: Fraction) -> Fraction:
    """A rational number not below the square root, by a relative 2**-60 or so."""
    if number == 0:
        return Fraction(0)
    shift = max(0, 128 - number.numerator.bit_length() + number.denominator.bit_length())
    shift += shift % 2
    return Fraction(math.isqrt((number.numerator << shift) // number.denominator + 1) + 1, 1 << (shift // 2))


def _root_below(number: Fraction) -> Fraction:
    """A rational number not above the square root."""
    shift = 160
    return Fraction(math.isqrt((number.numerator << shift) // number.denominator), 1 << (shift // 2))
