"""Lower bounds on quantum values of Bell expressions, by improving state and measurements in turn."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from ..._support.types import ComplexArray
from ...targets import coordinates
from ..expressions.expression import BellExpression

__all__ = ["seesaw"]


_STARTS = 12
_MAX_ROUNDS = 1000
_STEPS = 3
_TOLERANCE = 1e-13


def seesaw(
    expression: BellExpression, dimension: int, rng: np.random.Generator, starts: int = _STARTS
) -> tuple[ComplexArray, list[ComplexArray]]:
    """The best state and measurements found in a local dimension, from many random starts at once.

    The state is the eigenvector of the Bell operator with the largest eigenvalue. A two-outcome measurement of one
    party is replaced by the best one for the state and the other parties' measurements. A measurement with more
    outcomes is changed in steps that cannot lower the value.

    Args:
        expression: The Bell expression.
        dimension: Dimension D of each party.
        rng: Random generator of the starts.
        starts: Number of starts.

    Returns:
        State, shape ``(D,) * N``, party k on axis k; and for each party the effects, shape ``(m_k, d_k, D, D)``, 0 for
        outcomes that a setting does not have.
    """
    scenario = expression.scenario
    if not scenario.has_equal_outcomes:
        full = BellExpression(scenario.filled(expression.coefficients))
        state, effects = seesaw(full, dimension, rng, starts)
        return state, [
            _collected(party_effects, sizes)
            for party_effects, sizes in zip(effects, scenario.num_outcomes, strict=True)
        ]
    n = scenario.num_parties
    tensor = coordinates.to_party_axes(expression.coefficients, scenario)
    sizes = list(zip(scenario.num_settings, scenario.max_outcomes, strict=True))
    effects = [_random_effects(rng, starts, m, d, dimension) for m, d in sizes]
    operators = _Contraction(_bell_operator_terms(n))
    responses = [_Contraction(_response_terms(n, k)) for k in range(n)]
    size = dimension**n
    threshold = _TOLERANCE * max(1.0, float(np.abs(expression.coefficients).sum()))
    values = np.full(starts, -np.inf)
    while True:
        for _ in range(_MAX_ROUNDS):
            flat = [party_effects.reshape(starts, -1, dimension, dimension) for party_effects in effects]
            operator = operators(tensor, *flat).reshape(starts, size, size)
            energies, vectors = np.linalg.eigh(operator)
            states = vectors[:, :, -1].reshape(starts, *(dimension,) * n)
            done = bool(np.all(energies[:, -1] - values < threshold))
            values = energies[:, -1]
            if done:
                break
            for k, (m, d) in enumerate(sizes):
                others = [
                    party_effects.reshape(starts, -1, dimension, dimension)
                    for j, party_effects in enumerate(effects)
                    if j != k
                ]
                response = responses[k](tensor, states.conj(), states, *others)
                effects[k] = _improve(effects[k], response.reshape(starts, m, d, dimension, dimension))
        best = int(np.argmax(values))
        if starts == 1 or done:
            return states[best], [party_effects[best] for party_effects in effects]
        # Slow starts are given up; only the best start continues.
        effects, values, starts = [party_effects[best : best + 1] for party_effects in effects], np.full(1, -np.inf), 1


class _Contraction:
    """An ``einsum`` that finds the order of its steps once."""

    def __init__(self, terms: str) -> None:
        self._terms = terms
        self._path: Any = None

    def __call__(self, *operands: Any) -> Any:
        if self._path is None:
            self._path = np.einsum_path(self._terms, *operands, optimize="greedy")[0]
        return np.einsum(self._terms, *operands, optimize=self._path)


def _collected(effects: ComplexArray, sizes: tuple[int, ...]) -> ComplexArray:
    """Effects whose additional outcomes, which count as the last one, are given to it."""
    result = effects.copy()
    for setting_effects, size in zip(result, sizes, strict=True):
        setting_effects[size - 1] += setting_effects[size:].sum(axis=0)
        setting_effects[size:] = 0
    return result


def _bell_operator_terms(n: int) -> str:
    """The contraction of coefficients and effects to an operator; ``z`` numbers the starts."""
    cells, rows, columns = string.ascii_lowercase[:n], string.ascii_uppercase[:n], string.ascii_uppercase[n : 2 * n]
    operands = [cells, *(f"z{c}{r}{s}" for c, r, s in zip(cells, rows, columns, strict=True))]
    return f"{','.join(operands)}->z{rows}{columns}"


def _response_terms(n: int, party: int) -> str:
    """The contraction to the operators whose expectation in a party's effects is the value."""
    cells, rows, columns = string.ascii_lowercase[:n], string.ascii_uppercase[:n], string.ascii_uppercase[n : 2 * n]
    others = [f"z{cells[k]}{rows[k]}{columns[k]}" for k in range(n) if k != party]
    # <psi| E |psi> = sum conj(psi)[row] E[row, column] psi[column] = tr(E G) with G[column, row].
    return f"{','.join([cells, f'z{rows}', f'z{columns}', *others])}->z{cells[party]}{columns[party]}{rows[party]}"


def _random_effects(rng: np.random.Generator, starts: int, m: int, d: int, dimension: int) -> ComplexArray:
    """Projective measurements in random bases, whose vectors are dealt out to the outcomes at random."""
    shape = (starts, m, dimension, dimension)
    bases = _isometry(rng.normal(size=shape) + 1j * rng.normal(size=shape))
    owners = rng.permuted(np.broadcast_to(np.arange(max(d, dimension)) % d, (starts, m, max(d, dimension))), axis=2)
    chosen = np.eye(d)[owners[:, :, :dimension]]
    effects: ComplexArray = np.einsum("zxik,zxka,zxjk->zxaij", bases, chosen, bases.conj())
    return effects


def _improve(effects: ComplexArray, responses: ComplexArray) -> ComplexArray:
    """Effects with a value of at least that of the old ones; the best for two outcomes."""
    responses = (responses + responses.conj().swapaxes(-1, -2)) / 2
    outcomes = effects.shape[2]
    if outcomes == 2:
        first = _positive_projector(responses[:, :, 0] - responses[:, :, 1])
        return np.stack([first, np.eye(effects.shape[-1]) - first], axis=2)
    # sum_a tr(K_a G_a K_a^+) is convex in the isometry of all K_a once every G_a is positive, which a shift common to
    # all outcomes achieves; so the isometry that maximizes the tangent at K_a does not lower it.
    lowest = np.linalg.eigvalsh(responses).min(axis=(2, 3))[..., None, None, None]
    shifted = responses - lowest * np.eye(effects.shape[-1])
    roots = _root(effects)
    for _ in range(_STEPS):
        stacked = (roots @ shifted).reshape(*effects.shape[:2], -1, effects.shape[-1])
        roots = _isometry(stacked).reshape(effects.shape)
    return _effects_of(roots.reshape(*effects.shape[:2], -1, effects.shape[-1]), outcomes)


def _positive_projector(matrices: ComplexArray) -> ComplexArray:
    """The projector onto the eigenvectors of positive eigenvalues of each Hermitian matrix."""
    dimension = matrices.shape[-1]
    if dimension != 2:
        values, vectors = np.linalg.eigh(matrices)
        projectors: ComplexArray = (vectors * (values > 0)[..., None, :]) @ vectors.conj().swapaxes(-1, -2)
        return projectors
    # In closed form: the eigenvalues are half the trace plus and minus the length of what has no trace.
    middle = np.trace(matrices, axis1=-2, axis2=-1).real / 2
    traceless = matrices - middle[..., None, None] * np.eye(2)
    length = np.sqrt(traceless[..., 0, 0].real ** 2 + np.abs(traceless[..., 0, 1]) ** 2)
    share = np.where(middle > length, 1.0, np.where(middle + length > 0, 0.5, 0.0))
    turned = np.where(share == 0.5, 0.5 / np.where(length > 0, length, 1.0), 0.0)
    return share[..., None, None] * np.eye(2) + turned[..., None, None] * traceless


def _isometry(stacked: ComplexArray) -> ComplexArray:
    """The nearest isometry to each matrix: its polar factor."""
    left, _, right = np.linalg.svd(stacked, full_matrices=False)
    return left @ right


def _effects_of(isometry: ComplexArray, outcomes: int) -> ComplexArray:
    dimension = isometry.shape[-1]
    parts: Any = isometry.reshape(*isometry.shape[:-2], outcomes, dimension, dimension)
    effects: ComplexArray = parts.conj().swapaxes(-1, -2) @ parts
    return effects


def _root(effects: ComplexArray) -> ComplexArray:
    values, vectors = np.linalg.eigh(effects)
    root: ComplexArray = (vectors * np.sqrt(np.maximum(values, 0))[..., None, :]) @ vectors.conj().swapaxes(-1, -2)
    return root
