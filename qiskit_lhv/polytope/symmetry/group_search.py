"""The relabelings that leave a behavior unchanged, found from its correlators alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from ..._support.deadlines import Deadline
from ..._support.types import FloatArray, IntArray
from ..._support.validation import instance
from ...exceptions import ScenarioError
from ...targets.behaviors import Behavior
from ...targets.scenario import BellScenario
from .relabelings import Relabeling, Symmetry

__all__ = ["check_symmetry", "find_symmetry"]


_ATOL = 1e-9
_INVARIANT = 1e-10
_MAX_RANK = 6
_MAX_CANDIDATES = 20000
_ENOUGH = 4000


def check_symmetry(symmetry: Symmetry, *behaviors: Behavior, atol: float = _INVARIANT) -> None:
    """Checks that relabelings leave behaviors unchanged.

    Raises:
        ScenarioError: If a behavior changes by more than ``atol``.
    """
    for behavior in behaviors:
        for relabeling in symmetry.generators:
            change = float(np.abs(relabeling.behavior(behavior).array - behavior.array).max())
            if change > atol:
                raise ScenarioError.bad_argument(
                    "symmetry",
                    expected="relabelings that leave behavior and noise unchanged",
                    got=f"one that changes a probability by {change:.3g}",
                    remedy="Pass symmetry='auto' to have them found.",
                )


def find_symmetry(*behaviors: Behavior, time_limit: float | None = None) -> Symmetry:
    """Finds a group of relabelings that leave all the given behaviors unchanged.

    The candidates are permutations of the parties, combined with relabelings of settings and outcomes if all parties
    have two outcomes. These relabelings are found from the Gram matrix of a party's correlators, which every symmetry
    must leave unchanged. For more than two outcomes, only permutations of the parties are tried.

    Args:
        behaviors: Behaviors of one scenario; candidates are derived from the first one.
        time_limit: Number of seconds after which the search stops and uses the relabelings found so far; default: none,
            see :ref:`time-limits`.

    Returns:
        The group that was found, which is not always the largest one.

    Raises:
        ScenarioError: If there is no behavior.

    References:
        S. Designolle, T. Vertesi, S. Pokutta, Phys. Rev. A 109, 022205 (2024), arXiv:2310.20677 (symmetric inequalities
        and models).

    Examples:
        >>> from qiskit_lhv import Behavior, ghz_state
        >>> symmetry = find_symmetry(Behavior.from_state(ghz_state(3), [("X", "Y")] * 3))
        >>> print(symmetry)
        192 relabelings of 3 parties with 2 settings of 2 outcomes each
        >>> len(symmetry), len(symmetry.generators)
        (192, 5)
    """
    deadline = Deadline(time_limit)
    if not behaviors:
        raise ScenarioError.bad_argument("behaviors", expected="at least one Behavior", got="none")
    scenario = instance(behaviors[0], Behavior, "behaviors", ScenarioError).scenario
    found: list[Relabeling] = []
    orders = [
        order
        for order in itertools.permutations(range(scenario.num_parties))
        if all(scenario.shape[k] == scenario.shape[j] for k, j in enumerate(order))
        and all(scenario.num_outcomes[k] == scenario.num_outcomes[j] for k, j in enumerate(order))
    ]
    for order in orders:
        own = order == tuple(range(scenario.num_parties))
        for candidate in _candidates(behaviors[0], order, deadline):
            if any(
                np.abs(candidate.table(behavior.array) - behavior.array).max() > _INVARIANT for behavior in behaviors
            ):
                continue
            found.append(candidate)
            if not own or len(found) > _ENOUGH:
                break
    return Symmetry.grown_by(found, scenario)


def _candidates(behavior: Behavior, order: tuple[int, ...], deadline: Deadline) -> Iterator[Relabeling]:
    scenario = behavior.scenario
    yield Relabeling.of(scenario, parties=order)
    if not (deadline.allows() and scenario.is_two_outcome and scenario.num_parties > 1):
        return
    wanted = behavior.to_correlators()
    given = wanted.transpose(order)
    firsts = [list(_signed_permutations(_gram(given, k), _gram(wanted, k))) for k in range(wanted.ndim - 1)]
    count = int(np.prod([len(matches) for matches in firsts], dtype=float))
    choices: Iterable[tuple[tuple[IntArray, IntArray], ...]] = itertools.product(*firsts)
    if count > _MAX_CANDIDATES:
        # There are too many to try all, so the same change is tried for all parties, if they are alike.
        choices = [(change,) * (wanted.ndim - 1) for change in firsts[0] if len({len(f) for f in firsts}) == 1]
    last = wanted.ndim - 1
    rows = wanted.reshape(-1, wanted.shape[last])
    for choice in choices:
        if deadline.over:
            return
        moved = given
        for k, (numbers, signs) in enumerate(choice):
            index = np.concatenate([[0], 1 + numbers])
            shape = [-1 if j == k else 1 for j in range(wanted.ndim)]
            moved = np.take(moved, index, axis=k) * np.concatenate([[1], signs]).reshape(shape)
        matched = _match(moved.reshape(rows.shape)[:, 1:].T, rows[:, 1:].T)
        if matched is None or np.abs(moved.reshape(rows.shape)[:, 0] - rows[:, 0]).max() > _ATOL:
            continue
        yield _relabeling(scenario, order, [*choice, matched])


def _relabeling(scenario: BellScenario, order: tuple[int, ...], parts: list[tuple[IntArray, IntArray]]) -> Relabeling:
    outcomes = [np.where(signs[:, None] > 0, [0, 1], [1, 0]) for _, signs in parts]
    return Relabeling.of(
        scenario, parties=order, settings=[numbers.tolist() for numbers, _ in parts], outcomes=outcomes
    )


def _gram(tensor: FloatArray, party: int) -> FloatArray:
    rows = np.moveaxis(tensor, party, 0).reshape(tensor.shape[party], -1)[1:]
    return rows @ rows.T


def _match(given: FloatArray, wanted: FloatArray) -> tuple[IntArray, IntArray] | None:
    """Numbers j and signs s with ``wanted[i] = s_i given[j_i]``, each row used once; ``None`` if there are none."""
    from scipy.spatial import cKDTree

    count = len(given)
    distance, nearest = cKDTree(np.concatenate([given, -given])).query(wanted)
    numbers, signs = nearest % count, np.where(nearest < count, 1, -1)
    if distance.max() > _ATOL * max(1.0, float(np.abs(wanted).max())) or len(np.unique(numbers)) < count:
        return None
    return numbers.astype(np.int64), signs


def _signed_permutations(given: FloatArray, wanted: FloatArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Signed permutations that turn one Gram matrix into another: ``wanted = s given[j][:, j] s``.

    The images of as many independent rows as the rank determine all others.
    """
    size = float(np.abs(wanted).max())
    # Correlators that are zero up to rounding have no directions that can be distinguished.
    if size <= _ATOL**2 or given.shape != wanted.shape:
        return
    vectors, images = _embedded(wanted), _embedded(given)
    rank = vectors.shape[1]
    if images.shape[1] != rank or rank > _MAX_RANK:
        return
    basis = _independent(vectors)
    points = np.concatenate([images, -images])
    inner = points @ points.T
    gram = vectors[basis] @ vectors[basis].T
    inverse = np.linalg.inv(vectors[basis])
    atol = 1e-8 * size

    def extend(chosen: list[int]) -> Iterator[list[int]]:
        i = len(chosen)
        if i == rank:
            yield chosen
            return
        fits = np.abs(np.diagonal(inner) - gram[i, i]) < atol
        for j, other in enumerate(chosen):
            fits &= np.abs(inner[:, other] - gram[i, j]) < atol
        for candidate in np.flatnonzero(fits):
            yield from extend([*chosen, int(candidate)])

    for chosen in itertools.islice(extend([]), _MAX_CANDIDATES):
        matched = _match(images, vectors @ (inverse @ points[chosen]))
        if matched is not None:
            yield matched


def _embedded(gram: FloatArray) -> FloatArray:
    """Vectors of the smallest dimension with the given inner products."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > 1e-9 * values[-1]
    return vectors[:, kept] * np.sqrt(values[kept])


def _independent(vectors: FloatArray) -> list[int]:
    """Numbers of independent rows that span all, chosen greedily."""
    rest, chosen = vectors.copy(), []
    for _ in range(vectors.shape[1]):
        lengths = np.linalg.norm(rest, axis=1)
        chosen.append(int(np.argmax(np.round(lengths / lengths.max(), 9))))
        unit = rest[chosen[-1]] / lengths[chosen[-1]]
        rest = rest - np.outer(rest @ unit, unit)
    return chosen
