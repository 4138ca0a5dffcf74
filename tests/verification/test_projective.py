"""The exact check of proofs for all projective measurements, against recomputations that share no code with it."""

import dataclasses
import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, Statevector
from qiskit_lhv.exceptions import CertificateError, LHVError
from qiskit_lhv.measurements.axes import icosahedral_directions, platonic_directions, random_directions
from qiskit_lhv.measurements.polyhedra import hull_triangles, inradius
from qiskit_lhv.projective.certificates.certificate import AllProjectiveCertificate, claimed_visibility
from qiskit_lhv.projective.certificates.certify import certify_all_projective
from qiskit_lhv.quantum.states import bell_diagonal_state, ghz_state, random_state, w_state, werner_state
from qiskit_lhv.targets.correlations import CorrelationTensor
from qiskit_lhv.verification.projective import (
    GROTHENDIECK_BOUND,
    Proof,
    ProofError,
    _block_norm,
    _root_above,
    _root_below,
    _squared_inradius,
    proven_visibility,
)
from scipy.linalg import hadamard
from scipy.optimize import linprog

from helpers import with_proof_search

BITS = 60
COARSE = 2.0**30


def dyadic(directions):
    return np.rint(np.asarray(directions) * COARSE) / COARSE


# Independent recomputations


def hull_squared_inradius(directions):
    """The exact squared inradius by brute force: planes through three points with all others on one side."""
    integers = [[int(x * COARSE) for x in row] for row in directions]
    assert np.array_equal(np.array(integers) / COARSE, directions)
    points = integers + [[-x for x in row] for row in integers]
    smallest = None
    for p, q, r in itertools.combinations(points, 3):
        u, v = [b - a for a, b in zip(p, q, strict=True)], [b - a for a, b in zip(p, r, strict=True)]
        normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
        offset = sum(a * b for a, b in zip(normal, p, strict=True))
        if offset < 0:
            normal, offset = [-x for x in normal], -offset
        if offset and all(sum(a * b for a, b in zip(normal, point, strict=True)) <= offset for point in points):
            squared = Fraction(offset**2, sum(x * x for x in normal)) / 2**60
            smallest = squared if smallest is None else min(smallest, squared)
    return smallest


def images_of(certificate):
    """All relabeled strategies, shape (G, K, total)."""
    moved = certificate.strategies[:, certificate.sources.astype(int)].transpose(1, 0, 2)
    return moved ^ certificate.flips[:, None, :]


def float_visibility(certificate, squared_inradii=None, plain=False):
    """The visibility that the certificate shows, in floats, by formulas written down anew; or if 2-norms are all.

    Without exact inradii, each polyhedron's is that of the certificate's own triangles.
    """
    n = certificate.correlations.num_parties
    sizes = [len(d) for d in certificate.directions]
    cuts = np.cumsum(sizes)[:-1]
    if squared_inradii is None:
        squared_inradii = []
        for directions, triangles in zip(certificate.directions, certificate.triangles, strict=True):
            points = np.concatenate([directions, -directions])[triangles]
            # Heights of tetrahedra over the origin: six times the volume over twice the area.
            volume = np.abs(np.linalg.det(points))
            area = np.linalg.norm(np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]), axis=1)
            squared_inradii.append(((volume / area) ** 2).min())
    letters = "abcdef"[:n]
    model = np.zeros([m + 1 for m in sizes])
    for image in images_of(certificate):
        parties = [np.hstack([np.ones((len(part), 1)), 1.0 - 2.0 * part]) for part in np.split(image, cuts, axis=1)]
        spec = ",".join(f"k{letter}" for letter in letters)
        model += np.einsum(f"k,{spec}->{letters}", certificate.weights, *parties) / len(certificate.sources)
    target = certificate.mixture_visibility * certificate.correlations.array
    share = 1.0
    if certificate.noise is not None:
        target = target + (1 - certificate.mixture_visibility) * certificate.noise.correlations.array
        # The noise is 1 / mu of a local state and this much white noise.
        share = 1 - 1 / certificate.noise.visibility
    target[(0,) * n] = 1
    for weight, vectors in zip(certificate.product_weights, certificate.product_vectors, strict=True):
        product = np.array(weight)
        for vector in vectors:
            product = np.multiply.outer(product, np.append(1.0, vector))
        target = target - product
    for directions, squared in zip(certificate.directions, squared_inradii, strict=True):
        matrix = np.zeros((len(directions) + 1, 4))
        matrix[0, 0] = 1
        matrix[1:, 1:] = directions / math.sqrt(squared)
        target = np.tensordot(target, matrix, axes=(0, 1))
    residual = model - target
    total = 0.0
    for index in itertools.product((0, 1), repeat=n):
        if any(index):
            block = residual[tuple(slice(1, None) if i else 0 for i in index)]
            total += np.linalg.norm(block) if plain and block.ndim > 1 else float_block_norm(block)
    return certificate.mixture_visibility / (1 + total / share)


def float_block_norm(block):
    if block.ndim == 1:
        return np.abs(block).max()
    plain = np.linalg.norm(block)
    if block.ndim == 2:
        left, values, right = np.linalg.svd(block, full_matrices=False)
        rows = ((left**2) @ values).max(), ((right.T**2) @ values).max()
        return min(plain, float(GROTHENDIECK_BOUND) * math.sqrt(rows[0] * rows[1]))
    # The party with the fewest settings answers with the rows of a Hadamard matrix.
    first = np.moveaxis(block, int(np.argmin(block.shape)), 0)
    matrix = hadamard(1 << (len(first) - 1).bit_length())[:, : len(first)]
    return min(plain, np.mean([float_block_norm(np.tensordot(row, first, axes=1)) for row in matrix]))


def exact_visibility_with_two_norms(certificate):
    """The visibility shown if two-party blocks, too, count by their 2-norm: fractions all the way, no arrays."""
    n = certificate.correlations.num_parties
    sizes = [len(d) for d in certificate.directions]
    starts = [sum(sizes[:k]) for k in range(n)]
    # Square roots to 200 bits.
    roots = []
    for directions in certificate.directions:
        squared = hull_squared_inradius(directions)
        roots.append(Fraction(math.isqrt(squared.numerator * 4**200 // squared.denominator), 2**200))
    scaled = [
        [[Fraction(1), Fraction(0), Fraction(0), Fraction(0)]]
        + [[Fraction(0), *(Fraction(float(x)) / root for x in row)] for row in directions]
        for directions, root in zip(certificate.directions, roots, strict=True)
    ]
    visibility = Fraction(certificate.mixture_visibility)
    target = {}
    for index in np.ndindex(*[4] * n):
        value = Fraction(float(certificate.correlations.array[index]))
        value = value * visibility if any(index) else Fraction(1)
        for weight, vectors in zip(certificate.product_weights, certificate.product_vectors, strict=True):
            product = Fraction(float(weight))
            for k, i in enumerate(index):
                product *= Fraction(float(vectors[k][i - 1])) if i else 1
            value -= product
        target[index] = value
    counts = {}
    for weight, strategies in zip(certificate.weights, images_of(certificate).transpose(1, 0, 2), strict=True):
        for strategy in strategies.tolist():
            counts[tuple(strategy)] = counts.get(tuple(strategy), 0) + Fraction(float(weight))
    total = Fraction(0)
    blocks = {}
    for cell in np.ndindex(*[m + 1 for m in sizes]):
        model = Fraction(0)
        for strategy, weight in counts.items():
            flips = sum(strategy[starts[k] + x - 1] for k, x in enumerate(cell) if x)
            model += -weight if flips % 2 else weight
        model /= len(certificate.sources)
        wanted = Fraction(0)
        for index, value in target.items():
            factor = value
            for k, i in enumerate(index):
                factor *= scaled[k][cell[k]][i]
            wanted += factor
        blocks.setdefault(tuple(bool(x) for x in cell), []).append(model - wanted)
    for taken, values in blocks.items():
        if sum(taken) == 0:
            assert abs(values[0]) < Fraction(1, 10**50)
        elif sum(taken) == 1:
            total += max(abs(value) for value in values)
        else:
            squares = sum(value * value for value in values)
            total += Fraction(math.isqrt(squares.numerator * 4**200 // squares.denominator) + 1, 2**200)
    return visibility / (1 + total)


def local_norm(block):
    """The least weight of local models that make up a block of correlators of all its parties: a linear program."""
    shape = block.shape
    vertices = []
    for signs in itertools.product((1, -1), repeat=sum(shape) - len(shape) + 1):
        rest, product = list(signs), np.ones(())
        for k, m in enumerate(shape):
            # An overall sign of each party but the first is the first one's.
            own = [rest.pop() for _ in range(m)] if k == 0 else [1, *(rest.pop() for _ in range(m - 1))]
            product = np.multiply.outer(product, own)
        vertices.append(product.ravel())
    result = linprog(np.ones(len(vertices)), A_eq=np.array(vertices).T, b_eq=block.ravel(), method="highs")
    assert result.status == 0
    return result.fun


# Blocks


def integers(block):
    return np.array([round(float(x) * 2**BITS) for x in block.flat], dtype=object).reshape(block.shape)


@pytest.mark.parametrize("shape", [(3,), (3, 3), (2, 4), (4, 4), (2, 2, 2), (3, 2, 3), (2, 2, 2, 2)])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-9])
def test_blocks_are_absorbed_by_no_less_than_they_need(shape, scale):
    rng = np.random.default_rng(5)
    for trial in range(4):
        if trial % 2:
            block = scale * rng.standard_normal(shape)
        else:
            block = scale * rng.choice([-1.0, 0.0, 1.0], size=shape, p=[0.3, 0.2, 0.5])
        bound = float(_block_norm(integers(block), BITS))
        needed = local_norm(block / scale) * scale
        assert bound >= needed * (1 - 1e-7)
        assert bound == pytest.approx(float_block_norm(block), rel=1e-4)
        if len(shape) == 1:
            assert bound == pytest.approx(np.abs(block).max(), rel=1e-6)


def test_chsh_blocks():
    """The correlators of a PR box need twice as much as those of a strategy: their 2-norm is just that."""
    box = np.array([[1.0, 1], [1, -1]])
    assert local_norm(box) == pytest.approx(2)
    assert 2 <= float(_block_norm(integers(box), BITS)) < 2 + 1e-9


def test_large_blocks_of_low_rank_use_grothendiecks_constant():
    rng = np.random.default_rng(2)
    block = 1e-3 * np.outer(rng.choice([-1, 1], size=40), rng.choice([-1, 1], size=30))
    bound = float(_block_norm(integers(block), BITS))
    # It is one strategy of weight 1e-3, while its 2-norm is 0.035.
    assert 1e-3 <= bound < 1.79e-3
    rough = np.rint(block * 2**30) / 2**30 + 1e-6 * rng.standard_normal(block.shape)
    assert float(_block_norm(integers(rough), BITS)) == pytest.approx(float_block_norm(rough), rel=1e-4)


def test_blocks_of_one_strategy_of_three_parties():
    """Sign vectors of a Hadamard matrix leave two-party blocks of one strategy each, instead of a 2-norm of 22."""
    rng = np.random.default_rng(3)
    a, b, c = (rng.choice([-1.0, 1.0], size=m) for m in (8, 9, 7))
    block = np.einsum("x,y,z->xyz", a, b, c)
    bound = float(_block_norm(integers(block), BITS))
    assert 1 <= bound <= np.linalg.norm(block)
    assert bound == pytest.approx(float_block_norm(block), rel=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_bounds_of_larger_blocks_exceed_what_inequalities_show(seed):
    """Any expression whose local bound is at most 1 bounds the weight from below: here products of signs."""
    rng = np.random.default_rng(seed)
    block = rng.standard_normal((12, 9)) @ rng.standard_normal((9, 10)) * 10.0 ** -rng.integers(0, 8)
    below = 0.0
    for _ in range(20):
        expression = block + rng.standard_normal(block.shape) * np.abs(block).mean() * rng.integers(0, 2)
        signs = np.array(list(itertools.product((1, -1), repeat=10)))
        local = np.abs(expression @ signs.T).sum(axis=0).max()
        below = max(below, np.sum(expression * block) / local)
    assert float(_block_norm(integers(block), BITS)) >= below > 0


def test_zero_blocks():
    for shape in ((3,), (3, 4), (2, 2, 2)):
        block = np.zeros(shape, dtype=int).astype(object)
        assert 0 <= _block_norm(block, BITS) < Fraction(1, 10**15)


def test_roots_are_on_the_safe_side():
    rng = np.random.default_rng(1)
    for _ in range(200):
        number = Fraction(int(rng.integers(1, 2**60)), int(rng.integers(1, 2**60)) ** int(rng.integers(1, 4)))
        above, below = _root_above(number), _root_below(number)
        assert below**2 <= number <= above**2
        assert above**2 <= number * (1 + Fraction(1, 2**58))
        if number > Fraction(1, 2**60):
            assert below**2 >= number * (1 - Fraction(1, 2**40))
    assert _root_above(Fraction(0)) == 0
    # Krivine's bound, rounded up.
    assert float(GROTHENDIECK_BOUND) >= math.pi / (2 * math.log(1 + math.sqrt(2))) > float(GROTHENDIECK_BOUND) - 1e-4


# Polyhedra


@pytest.mark.parametrize("name", ["octahedron", "cube", "icosahedron"])
def test_inradii_are_those_of_the_hull(name):
    directions = dyadic(platonic_directions(name))
    exact = _squared_inradius(directions, hull_triangles(directions))
    assert exact == hull_squared_inradius(directions)
    assert float(exact) == pytest.approx(inradius(directions) ** 2, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_inradii_of_random_polyhedra(seed):
    """Vectors of any length: the proof asks no unit vectors."""
    directions = dyadic(random_directions(5, seed=seed) * np.linspace(0.5, 1.5, 5)[:, None])
    assert _squared_inradius(directions, hull_triangles(directions)) == hull_squared_inradius(directions)


def changed_triangles():
    directions = dyadic(platonic_directions("icosahedron"))
    triangles = hull_triangles(directions)
    turned = triangles.copy()
    turned[3] = turned[3][::-1]
    yield "does not close", triangles[1:]
    yield "does not close", np.concatenate([triangles, triangles[:1]])
    yield "face away", turned
    yield "face away", np.concatenate([triangles, triangles[:1, ::-1]])
    yield "face away", np.concatenate([triangles, [[0, 0, 1]]])
    yield "does not exist", np.concatenate([triangles, [[0, 1, 12]]])
    yield "does not exist", np.concatenate([triangles, [[0, 1, -1]]])
    yield "does not close", np.empty((0, 3), dtype=np.int64)
    yield "face away", triangles[:, ::-1]


@pytest.mark.parametrize(("message", "triangles"), list(changed_triangles()))
def test_surfaces_with_faults_are_refused(message, triangles):
    directions = dyadic(platonic_directions("icosahedron"))
    with pytest.raises(ProofError, match=message.replace("does not close", "do not close")):
        _squared_inradius(directions, triangles)


def test_a_double_surface_is_closed_and_as_near():
    directions = dyadic(platonic_directions("icosahedron"))
    triangles = hull_triangles(directions)
    assert _squared_inradius(directions, np.concatenate([triangles] * 2)) == _squared_inradius(directions, triangles)


def test_a_surface_of_other_triangles_is_never_farther_than_the_hull():
    """Two neighbors exchange their diagonal; where it still faces outward, the surface dents inward."""
    directions = dyadic(random_directions(8, seed=4))
    triangles = hull_triangles(directions)
    exact = hull_squared_inradius(directions)
    tried = 0
    for a, b in itertools.permutations(range(len(triangles)), 2):
        common = set(triangles[a].tolist()) & set(triangles[b].tolist())
        if len(common) != 2:
            continue
        (p,), (q,) = set(triangles[a].tolist()) - common, set(triangles[b].tolist()) - common
        i = triangles[a].tolist().index(p)
        r, s = triangles[a][(i + 1) % 3], triangles[a][(i + 2) % 3]
        flipped = np.concatenate([np.delete(triangles, [a, b], axis=0), [[p, r, q], [p, q, s]]])
        try:
            assert _squared_inradius(directions, flipped) <= exact
            tried += 1
        except ProofError:
            pass
    assert tried > 3


# Certificates


def make(state, **options):
    return certify_all_projective(state, **with_proof_search(seed=1, progress=False, **options))


ICOSAHEDRON = platonic_directions("icosahedron")
CUBE = platonic_directions("cube")
OWN = np.concatenate([CUBE, platonic_directions("octahedron")])
RECIPES = {
    "werner": (werner_state(1), {"directions": ICOSAHEDRON}),
    "bell-diagonal": (bell_diagonal_state([0.9, -0.5, 0.4]), {"directions": ICOSAHEDRON}),
    "marginals": (Statevector([math.cos(0.1), 0, 0, math.sin(0.1)]), {"directions": ICOSAHEDRON, "visibility": 0.83}),
    "ghz": (ghz_state(3), {"directions": ICOSAHEDRON, "visibility": 0.29}),
    "w": (w_state(3), {"directions": CUBE, "visibility": 0.2}),
    "separable w": (w_state(3, 0.25), {"directions": CUBE, "visibility": 0.6}),
    "random": (random_state(2, seed=3), {"directions": CUBE, "visibility": 0.5}),
    "sixteen": (bell_diagonal_state([0.9, -0.5, 0.4]), {"directions": icosahedral_directions(16, optimized=False)}),
    "two solids": (random_state(2, rank=2, seed=5), {"directions": [CUBE, ICOSAHEDRON], "visibility": 0.4}),
    "own axes": (werner_state(1), {"directions": OWN}),
    "one qubit": (random_state(1, seed=3), {"directions": ICOSAHEDRON, "visibility": 0.9}),
    "noise": (
        werner_state(1),
        {
            "directions": ICOSAHEDRON,
            "visibility": 0.4,
            "noise": DensityMatrix(np.kron(np.diag([0.7, 0.3]), np.diag([0.6, 0.4]))),
        },
    ),
    "inside": (werner_state(0.25), {"directions": icosahedral_directions(16, optimized=False)}),
}


@pytest.fixture(scope="module")
def certificates():
    return {name: make(state, **options) for name, (state, options) in RECIPES.items()}


@pytest.mark.parametrize("name", RECIPES)
def test_certificates_hold_and_floats_agree(certificates, name):
    certificate = certificates[name]
    assert certificate.verify()
    of_noise = None if certificate.noise is None else Fraction(certificate.noise.visibility)
    proven, squared, absorbed = proven_visibility(certificate.proof(), of_noise)
    assert certificate.visibility == claimed_visibility(proven)
    assert 0 <= proven - Fraction(certificate.visibility) < Fraction(1, 10**7)
    # Exact witnesses of two-party blocks have 22 bits: they show a little less than floats, never more.
    assert -1e-13 < float_visibility(certificate) - float(proven) < 1e-6 * float(proven)
    share = 1 if of_noise is None else 1 - 1 / float(of_noise)
    assert float(proven) == pytest.approx(certificate.mixture_visibility / (1 + absorbed / share), rel=1e-12)
    for one, directions in zip(squared, certificate.directions, strict=True):
        assert one == pytest.approx(inradius(directions) ** 2, rel=1e-12)
    assert certificate.visibility > 0.1


def test_the_certificates_are_of_all_kinds(certificates):
    """With and without product states, one to three parties, one relabeling and many."""
    assert len(certificates) == 13
    assert sum(len(one.product_weights) > 0 for one in certificates.values()) >= 3
    assert sum(len(one.product_weights) == 0 for one in certificates.values()) >= 3
    assert {one.correlations.num_parties for one in certificates.values()} == {1, 2, 3}
    assert min(len(one.sources) for one in certificates.values()) == 1
    assert max(len(one.sources) for one in certificates.values()) == 240


@pytest.mark.parametrize("name", ["werner", "bell-diagonal", "marginals", "random", "two solids", "one qubit"])
def test_tiny_proofs_in_fractions(certificates, name):
    """By brute force over cells, strategies and relabelings, with the exact inradius of the hull."""
    certificate = certificates[name]
    proven = proven_visibility(certificate.proof())[0]
    plain = exact_visibility_with_two_norms(certificate)
    # A better bound of two-party blocks may show more, rounding a little less.
    assert proven >= plain - Fraction(1, 10**14)
    squared = [float(hull_squared_inradius(d)) for d in certificate.directions]
    assert float(proven) == pytest.approx(float_visibility(certificate, squared), rel=1e-9)
    if float_visibility(certificate, squared, plain=True) == float_visibility(certificate, squared):
        # Here the 2-norm is the better one.
        assert abs(proven - plain) < Fraction(1, 10**9)


def scaled_correlators(certificate, visibility):
    tensor = visibility * certificate.correlations.array
    tensor[(0,) * tensor.ndim] = 1
    for directions in certificate.directions:
        matrix = np.zeros((len(directions) + 1, 4))
        matrix[0, 0] = 1
        matrix[1:, 1:] = directions / inradius(directions)
        tensor = np.tensordot(tensor, matrix, axes=(0, 1))
    return tensor


@pytest.mark.parametrize("name", ["werner", "bell-diagonal"])
def test_claims_are_true_by_a_linear_program_over_all_strategies(certificates, name):
    """The largest visibility whose scaled correlators have a local model at all is no smaller than the claim."""
    certificate = certificates[name]
    assert (len(certificate.product_weights) > 0) == (name == "bell-diagonal")
    block = scaled_correlators(certificate, 1.0)[1:, 1:]
    m = len(block)
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=m)))
    half = signs[signs[:, 0] > 0]
    vertices = np.einsum("ai,bj->abij", half, signs).reshape(-1, m * m)
    # The product states of the certificate are local too.
    means = [
        vectors @ directions.T / inradius(directions)
        for vectors, directions in zip(
            certificate.product_vectors.transpose(1, 0, 2), certificate.directions, strict=True
        )
    ]
    vertices = np.concatenate([vertices, np.einsum("pi,pj->pij", *means).reshape(-1, m * m)])
    result = linprog(
        np.append(np.zeros(len(vertices)), -1.0),
        A_eq=np.vstack([np.column_stack([vertices.T, -block.ravel()]), np.append(np.ones(len(vertices)), 0.0)]),
        b_eq=np.append(np.zeros(m * m), 1.0),
        method="highs",
    )
    assert result.status == 0
    largest = -result.fun
    assert certificate.visibility <= largest + 1e-9
    assert certificate.visibility >= 0.999 * largest


# Tampering


def replaced(array, index, value):
    result = np.array(array)
    result[index] = value
    return result


def tampered(certificate, rng):
    """Copies with one number changed: the field, the copy, and whether none of it may pass.

    Changes of the tensor that are smaller than the residual of the model can bring the tensor closer to the model. Then
    the copy is a true proof about another state, which `test_tampering` computes anew.
    """

    def with_entry(field, value):
        return dataclasses.replace(certificate, **{field: value})

    def pick(array):
        return tuple(int(rng.integers(size)) for size in array.shape)

    n = certificate.correlations.num_parties
    for sign in (1, -1):
        for size in (1e-7, 1e-6, 10.0 ** rng.uniform(-7, -1), 10.0 ** rng.uniform(-7, -1), 0.1):
            yield "visibility", with_entry("visibility", certificate.visibility + sign * size), True
        size = 10.0 ** rng.uniform(-6, -1)
        yield (
            "mixture_visibility",
            with_entry("mixture_visibility", certificate.mixture_visibility + sign * size),
            False,
        )
    tensor = certificate.correlations.array
    for size in (1e-3, 1e-2, 0.1, *10.0 ** rng.uniform(-5.9, -1, size=4)):
        index = pick(tensor)
        while not any(index):
            index = pick(tensor)
        new = CorrelationTensor(replaced(tensor, index, tensor[index] + rng.choice([-1, 1]) * size))
        yield "correlations", with_entry("correlations", new), size in (1e-3, 1e-2, 0.1)
    for size in 10.0 ** rng.uniform(-8, -1, size=3):
        k = int(rng.integers(n))
        new = list(certificate.directions)
        index = pick(new[k])
        new[k] = dyadic(replaced(new[k], index, new[k][index] + size))
        yield "directions", with_entry("directions", tuple(new)), False
    for _ in range(3):
        k = int(rng.integers(n))
        new = list(certificate.triangles)
        new[k] = replaced(new[k], pick(new[k]), rng.integers(2 * len(certificate.directions[k])))
        yield "triangles", with_entry("triangles", tuple(new)), False
    weights, strategies = certificate.weights, certificate.strategies
    for size in (2.0**-40, 2.0 ** -int(rng.integers(5, 39))):
        i = int(rng.integers(len(weights)))
        yield "weights", with_entry("weights", replaced(weights, i, weights[i] + size)), False
    if len(weights) > 1:
        for size in (2.0**-39, weights.min() / 2):
            size = np.rint(size * 2**40) / 2**40
            i, j = rng.choice(len(weights), 2, replace=False)
            moved = replaced(weights, i, weights[i] - size)
            yield "weights", with_entry("weights", replaced(moved, j, weights[j] + size)), False
    for _ in range(4):
        index = pick(strategies)
        yield "strategies", with_entry("strategies", replaced(strategies, index, 1 - strategies[index])), False
    for _ in range(3):
        index = pick(certificate.sources)
        value = rng.integers(certificate.sources.shape[1])
        yield "sources", with_entry("sources", replaced(certificate.sources, index, value)), False
        row = replaced(certificate.sources, index, certificate.sources[index[0], 0])
        row[index[0], 0] = certificate.sources[index]
        yield "sources", with_entry("sources", row), False
        index = pick(certificate.flips)
        yield "flips", with_entry("flips", replaced(certificate.flips, index, 1 - certificate.flips[index])), False
    if certificate.noise is not None:
        for size in (1e-7, 1e-3, 0.1):
            for sign in (1, -1):
                noise = certificate.noise.with_claim(certificate.noise.visibility + sign * size)
                yield "noise", with_entry("noise", noise), True
            tensor = certificate.noise.correlations.array
            tensor = CorrelationTensor(replaced(tensor, (3, 3), tensor[3, 3] + size))
            yield "noise", with_entry("noise", dataclasses.replace(certificate.noise, correlations=tensor)), True
        yield "noise", with_entry("noise", None), True
    if len(certificate.product_weights):
        for size in (2.0**-40, 2.0 ** -int(rng.integers(5, 39))):
            i = int(rng.integers(len(certificate.product_weights)))
            new = replaced(certificate.product_weights, i, certificate.product_weights[i] + size)
            yield "product_weights", with_entry("product_weights", new), False
        for size in (1e-9, 1e-5, 1e-2, 1.0):
            index = pick(certificate.product_vectors)
            value = certificate.product_vectors[index]
            new = replaced(certificate.product_vectors, index, value + math.copysign(size, value))
            yield "product_vectors", with_entry("product_vectors", dyadic(new)), False


@pytest.mark.parametrize("name", RECIPES)
def test_tampering(certificates, name, tmp_path):
    certificate = certificates[name]
    rng = np.random.default_rng(list(RECIPES).index(name))
    count = refused = claims = 0
    for number, (field, copy, is_claim) in enumerate(tampered(certificate, rng)):
        if number % 3 == 0:
            copy.save(tmp_path / "copy.npz")
            copy = AllProjectiveCertificate.load(tmp_path / "copy.npz")
        if copy == certificate:
            continue
        result = copy.verify()
        count += 1
        claims += is_claim
        if not result:
            refused += 1
            assert str(result)
            continue
        assert not is_claim, f"{field} number {number}: {result}"
        # What passes must be true: the claim is shown by what there is now.
        for directions, triangles in zip(copy.directions, copy.triangles, strict=True):
            points = np.concatenate([directions, -directions])[triangles]
            normal = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
            distance = np.einsum("fi,fi->f", normal, points[:, 0]) / np.linalg.norm(normal, axis=1)
            assert distance.min() <= inradius(directions) + 1e-12
        assert abs(math.fsum([*copy.weights, *copy.product_weights]) - 1) < 1e-15
        assert -1e-11 <= float_visibility(copy) - copy.visibility < 4e-7
    # At least 34 times 13 in all.
    assert count >= 34, count
    assert claims == (13 if certificate.noise is None else 23)
    assert refused >= 0.8 * count, f"{refused} of {count}"


def test_changed_certificates_of_a_state_are_of_another_state(certificates):
    certificate = certificates["random"]
    state = RECIPES["random"][0]
    assert certificate.verify(state)
    tensor = certificate.correlations.array
    for size in (1e-11, 1e-8, 1e-3):
        other = CorrelationTensor(replaced(tensor, (1, 2), tensor[1, 2] + size))
        copy = dataclasses.replace(certificate, correlations=other)
        result = copy.verify(state)
        assert not result
        assert result.deviation == pytest.approx(size, rel=1e-2)


def test_edited_json(certificates, tmp_path):
    path = tmp_path / "certificate.json"
    certificates["marginals"].save(path)
    assert AllProjectiveCertificate.load(path).verify()
    fields = json.loads(path.read_text())
    fields["fields"]["visibility"] += 1e-6
    path.write_text(json.dumps(fields))
    assert not AllProjectiveCertificate.load(path).verify()
    fields["fields"]["visibility"] = "high"
    path.write_text(json.dumps(fields))
    with pytest.raises(CertificateError):
        AllProjectiveCertificate.load(path)


def test_noise_needs_its_own_proof(certificates):
    certificate = certificates["noise"]
    with pytest.raises(ProofError, match="no proof for the noise"):
        proven_visibility(certificate.proof())
    with pytest.raises(ProofError, match="holds no white noise"):
        proven_visibility(certificate.proof(), Fraction(1))
    with pytest.raises(ProofError, match="no proof for the noise"):
        proven_visibility(certificates["werner"].proof(), Fraction(2))
    with pytest.raises(CertificateError, match="noise: expected a certificate of 2 qubits in white noise"):
        dataclasses.replace(certificate, noise=certificate)
    with pytest.raises(CertificateError, match="noise: expected a certificate of 2 qubits in white noise"):
        dataclasses.replace(certificate, noise=certificates["ghz"])
    # Other noise, proven by itself, is not what the model was made for.
    assert not dataclasses.replace(certificate, noise=certificates["inside"]).verify()


# Proofs that do not hold


def proof_of(certificate, **changes):
    return dataclasses.replace(certificate.proof(), **changes)


def broken_proofs(certificate):
    weights, strategies = certificate.weights, certificate.strategies
    yield "weights are not multiples", {"weights": weights + 2.0**-54}
    yield "sum to 1", {"weights": weights[:-1], "strategies": strategies[:-1]}
    yield "sum to 1", {"weights": replaced(weights, 0, -weights[0])}
    yield "sum to 1", {"weights": 2 * weights}
    yield "outcomes 0 and 1", {"strategies": replaced(strategies, (0, 0), 2)}
    yield "outcomes 0 and 1", {"strategies": replaced(strategies, (0, 0), -1)}
    yield "outcomes 0 and 1", {"strategies": strategies[:, 1:]}
    yield "relabelings do not fit", {"sources": certificate.sources[:, 1:]}
    yield "relabelings do not fit", {"sources": certificate.sources[:0], "flips": certificate.flips[:0]}
    yield "one of parties", {"sources": replaced(certificate.sources, (0, 0), -1)}
    yield "one of parties", {"sources": replaced(certificate.sources, (0, 0), 99)}
    yield "one of parties", {"sources": replaced(certificate.sources, (0, 0), certificate.sources[0, 1])}
    yield "one of parties", {"flips": replaced(certificate.flips, (0, 0), 2)}
    yield "one of parties", {"flips": replaced(certificate.flips, (0, 0), -1)}
    yield "longer than 1", {"product_vectors": certificate.product_vectors * 1.5}
    yield "negative", {"mixture_visibility": -0.1}
    yield "trace", {"tensor": 2 * certificate.correlations.array}


def test_broken_proofs_are_refused(certificates):
    certificate = certificates["marginals"]
    assert len(certificate.product_weights)
    number = 0
    for message, changes in broken_proofs(certificate):
        with pytest.raises(ProofError, match=message):
            proven_visibility(proof_of(certificate, **changes))
        number += 1
    assert number == 17


def test_both_parties_from_one_are_refused(certificates):
    """A relabeling that lets both parties answer as the first one did would be signaling."""
    certificate = certificates["werner"]
    m = len(certificate.directions[0])
    sources = np.tile(np.arange(m), 2)[None].astype(np.int16)
    with pytest.raises(ProofError, match="one of parties"):
        proven_visibility(proof_of(certificate, sources=sources, flips=np.zeros_like(sources, dtype=np.int8)))


def test_zero_visibility_proves_nothing(certificates):
    assert proven_visibility(proof_of(certificates["random"], mixture_visibility=0.0))[0] == 0


def test_a_proof_by_hand():
    """White noise on the octahedron: one deterministic strategy and all flips; a product state for the second."""
    directions = np.eye(3)
    flips = np.array([[0] * 6, [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [1] * 6], dtype=np.int8)
    tensor = np.zeros((4, 4))
    tensor[0, 0] = 1
    proof = Proof(
        tensor=tensor,
        noise=None,
        mixture_visibility=1.0,
        directions=[directions] * 2,
        triangles=[hull_triangles(directions)] * 2,
        weights=np.array([1.0]),
        strategies=np.zeros((1, 6), dtype=np.int8),
        sources=np.tile(np.arange(6, dtype=np.int16), (4, 1)),
        flips=flips,
        product_weights=np.empty(0),
        product_vectors=np.empty((0, 2, 3)),
    )
    proven, squared, absorbed = proven_visibility(proof)
    assert squared == [1 / 3, 1 / 3]
    assert 0 < absorbed < 1e-15
    assert 1 - Fraction(1, 10**15) < proven < 1
    # Without the flips the strategy's nine correlators of 1 and its six marginals of 1 are missing.
    proven, _, absorbed = proven_visibility(
        dataclasses.replace(proof, sources=proof.sources[:1], flips=proof.flips[:1])
    )
    # One strategy's correlators, but Grothendieck's constant counts them as 1.7823.
    assert absorbed == pytest.approx(1 + 1 + 1.7823, rel=1e-6)
    # A pure product state is a proof of itself, at visibility 1.
    pure = np.multiply.outer([1, 0, 0.6, 0.8], [1, 1.0, 0, 0])
    vectors = np.array([[[0, 0.6, 0.8], [1.0, 0, 0]]])
    vectors = np.floor(vectors * 2**30) / 2**30
    proof = dataclasses.replace(
        proof,
        tensor=pure,
        weights=np.empty(0),
        strategies=np.empty((0, 6), dtype=np.int8),
        product_weights=np.array([1.0]),
        product_vectors=vectors,
    )
    proven, _, absorbed = proven_visibility(proof)
    assert absorbed < 1e-7
    assert proven > 1 - Fraction(1, 10**7)


# The class


def test_claims_are_rounded_down():
    assert claimed_visibility(Fraction(1, 3)) == 0.3333333
    assert claimed_visibility(Fraction(3)) == 3.0
    rng = np.random.default_rng(1)
    for value in rng.random(200):
        claim = claimed_visibility(Fraction(float(value)))
        assert claim <= value < claim + 1.0001e-7


def test_text(certificates):
    text = str(certificates["two solids"])
    assert text.startswith("local for all projective measurements up to visibility 0.")
    assert "4 x 6 axes" in text
    assert "squared inradius 0.3333333, 0.6314757" in str(certificates["two solids"].verify())


def test_wrong_claims_are_named(certificates):
    certificate = certificates["werner"]
    result = certificate.with_claim(0.7).verify()
    assert not result
    assert f"the proof shows visibility {certificate.visibility:.7f}, the claim is 0.7" in str(result)
    assert result.deviation == pytest.approx(0.7 - certificate.visibility)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"visibility": math.nan}, "visibility: expected a finite number"),
        ({"visibility": "0.5"}, "visibility: expected a finite number"),
        ({"mixture_visibility": math.inf}, "mixture_visibility: expected a finite number"),
        ({"correlations": np.eye(4)}, "correlations: expected a correlation tensor of qubits"),
        ({"correlations": CorrelationTensor(np.eye(1, 81).reshape(9, 9))}, "correlations: expected"),
        ({"directions": (np.eye(3),)}, "directions"),
        ({"directions": (np.eye(2), np.eye(2))}, "directions"),
        ({"triangles": (np.zeros((1, 3)),)}, "triangles"),
        ({"triangles": (np.full((1, 3), 0.5),) * 2}, "triangles: expected whole numbers"),
        ({"weights": np.array([0.5, math.nan])}, "weights: expected finite numbers"),
        ({"weights": np.array([1.0])}, "strategies: expected shape"),
        ({"strategies": np.full((3, 12), 300)}, "strategies: expected (whole )?numbers"),
        ({"strategies": np.full((3, 12), 0.5)}, "strategies: expected whole numbers"),
        ({"sources": np.full((1, 12), 10**6)}, "sources: expected (whole )?numbers"),
        ({"flips": np.array([0, 1])}, "flips: expected an array with 2 axes"),
        ({"product_weights": np.array([0.5])}, "strategies|product"),
        ({"product_vectors": np.full((1, 2, 3), math.nan), "product_weights": np.array([0.0])}, "finite"),
    ],
)
def test_malformed_certificates_are_refused(certificates, changes, message):
    with pytest.raises(LHVError, match=message):
        dataclasses.replace(certificates["werner"], **changes)


def test_product_vectors_of_another_shape_are_refused(certificates):
    with pytest.raises(LHVError):
        dataclasses.replace(certificates["werner"], product_vectors=np.zeros((1, 5)))


def test_triangles_with_four_corners_are_refused(certificates):
    with pytest.raises(CertificateError, match=r"triangles: expected shape \(F, 3\)"):
        dataclasses.replace(certificates["werner"], triangles=(np.zeros((1, 4), dtype=np.int64),) * 2)


def test_other_states_are_refused(certificates):
    certificate = certificates["werner"]
    assert certificate.verify(werner_state(1))
    assert certificate.verify(CorrelationTensor.from_state(werner_state(1)))
    for state in (werner_state(0.9), bell_diagonal_state([-1, 1, 1]), ghz_state(3), DensityMatrix(np.eye(2) / 2)):
        result = certificate.verify(state)
        assert not result
        assert "the certificate is about" in str(result)
