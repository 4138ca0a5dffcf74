"""Local bounds, proven in integers by algorithms that share no code with the solvers that found them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import ScenarioError
from .padding import Outcomes, all_outcomes, filled_padding
from .rationals import scaled_to_integers

__all__ = ["exact_integer_bound", "exact_local_bound", "leaves_unchanged", "local_bound_cost"]

_MAX_BITS = 60
_MAX_BATCH = 1 << 18
_SMALL_PRODUCT = 1 << 17
_MAX_LISTED = 1 << 36
_MAX_GROUP = 10_000
_MAX_ORBIT = 12


def local_bound_cost(shape: tuple[int, ...], num_outcomes: Outcomes | None = None) -> int:
    """Number of strategies that :func:`exact_local_bound` lists: those of all parties but the one with the most.

    Up to 2**23 take about a second, 2**30 minutes; above 2**36 the check is refused.

    Args:
        shape: Shape of the coefficients, ``(m_1, ..., m_N, d_1, ..., d_N)``.
        num_outcomes: See :func:`exact_local_bound`.
    """
    sizes = [math.prod(party) for party in all_outcomes(shape, num_outcomes)]
    return math.prod(sizes) // max(sizes)


def exact_local_bound(
    coefficients: NDArray[np.float64],
    symmetries: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]] = (),
    num_outcomes: Outcomes | None = None,
) -> Fraction:
    """The largest value of a Bell expression over all deterministic strategies, exactly.

    All parties but the one with the most strategies are listed. The strategies of the second largest
    party are multiplied out, as matrices, with the coefficients; the last party answers best. The
    numbers are integers throughout, held in the smallest type that represents every partial sum.

    Args:
        coefficients: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``, binary fractions whose scaled absolute
            sum fits 60 bits.
        symmetries: For two parties with two outcomes, relabelings that leave the coefficients as they are (which is
            checked): for each party one signed number per setting; ``s`` means that the setting takes
            the place of setting ``abs(s) - 1``, with its outcomes swapped if s is negative. Of strategies that
            they map to each other, fewer are listed.
        num_outcomes: Number of outcomes of every setting of every party, where some have fewer than the table; those
            beyond are padding, whose coefficients do not count. Default: nothing is padded.

    Raises:
        ScenarioError: If the coefficients need more bits, there are more than 2**36 strategies to list, or a
            relabeling changes the coefficients.
    """
    scaled = scaled_to_integers(coefficients, _MAX_BITS)
    if scaled is None:
        raise ScenarioError.bad_argument(
            "coefficients",
            expected=f"numbers that add up to less than 2**{_MAX_BITS} after scaling to integers by a power of two",
            got="larger numbers, or more digits",
            remedy="Round them first.",
        )
    sizes = all_outcomes(coefficients.shape, num_outcomes)
    if len(symmetries):
        if any(d != 2 for party in sizes for d in party):
            expected = "no symmetries unless every setting has two outcomes"
            raise ScenarioError.bad_argument("symmetries", expected=expected, got="some")
        return Fraction(_largest_with_symmetries(scaled[0], symmetries), 2 ** scaled[1])
    _check_cost(coefficients.shape, num_outcomes)
    # No sum that is formed from one outcome of each setting grows by the repetition of some.
    return Fraction(_largest_of_integers(filled_padding(scaled[0], num_outcomes), sizes), 2 ** scaled[1])


def exact_integer_bound(integers: NDArray[Any], num_outcomes: Outcomes | None = None) -> int:
    """The largest value of a Bell expression of whole numbers over all deterministic strategies.

    Args:
        integers: Python integers or int64, shape ``(m_1, ..., m_N, d_1, ..., d_N)``; their absolute values add up to
            less than 2**60.
        num_outcomes: See :func:`exact_local_bound`.

    Raises:
        ScenarioError: If they are larger, or there are more than 2**36 strategies to list.
    """
    total = sum(abs(int(value)) for value in integers.flat)
    if total >= 2**_MAX_BITS:
        raise ScenarioError.bad_argument(
            "integers",
            expected=f"a sum of absolute values below 2**{_MAX_BITS}",
            got=f"one of {total.bit_length()} bits",
        )
    _check_cost(integers.shape, num_outcomes)
    sizes = all_outcomes(integers.shape, num_outcomes)
    return _largest_of_integers(filled_padding(integers.astype(np.int64), num_outcomes), sizes)


def _check_cost(shape: tuple[int, ...], num_outcomes: Outcomes | None) -> None:
    cost = local_bound_cost(shape, num_outcomes)
    if cost > _MAX_LISTED:
        raise ScenarioError.bad_argument(
            "coefficients",
            expected=f"at most {_MAX_LISTED:.3g} strategies of all parties but one",
            got=f"{float(min(cost, 10**300)):.3g}",
            remedy="Its bound cannot be proven again in reasonable time: see local_bound_cost(shape).",
        )


def _largest_of_integers(integers: NDArray[np.int64], outcomes: list[list[int]]) -> int:
    n = integers.ndim // 2
    party_first = integers.transpose([axis for k in range(n) for axis in (k, n + k)])
    # The party with the most strategies goes last: it answers best instead of being listed.
    sizes = [math.prod(party) for party in outcomes]
    order = sorted(range(n), key=lambda k: sizes[k])
    axes = [axis for k in order for axis in (2 * k, 2 * k + 1)]
    return _largest(party_first.transpose(axes), [outcomes[k] for k in order])


def _largest_with_symmetries(
    integers: NDArray[np.int64], symmetries: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> int:
    """Maximum of a two-party expression with axes ``(m_1, m_2, 2, 2)`` that relabelings leave unchanged."""
    for maps in symmetries:
        if not leaves_unchanged(integers, maps):
            raise ScenarioError.bad_argument(
                "symmetries", expected="relabelings that leave the coefficients as they are", got="another one"
            )
    listed = int(integers.shape[0] > integers.shape[1])
    tensor = integers.transpose((1, 3, 0, 2) if listed else (0, 2, 1, 3))
    identity = np.arange(1, len(tensor) + 1)
    # The relabelings of the listed party's settings; what the other party's do is only a renaming of its answers.
    generators = [np.asarray(maps[listed], dtype=np.int64) for maps in symmetries]
    if np.array_equal(tensor, tensor[:, ::-1, :, ::-1]):
        generators.append(-identity)
    group = {tuple(identity): identity}
    queue = [identity]
    for element in queue:
        for generator in generators:
            product = np.sign(element) * generator[np.abs(element) - 1]
            if tuple(product) not in group:
                group[tuple(product)] = product
                queue.append(product)
        if len(group) > _MAX_GROUP:
            raise ScenarioError.bad_argument(
                "symmetries", expected=f"a group of at most {_MAX_GROUP} relabelings", got="more", remedy="Pass fewer."
            )
    orbits = {frozenset(abs(int(element[x])) - 1 for element in group.values()) for x in range(len(tensor))}
    # A set of settings that relabelings map to itself; of the ways to answer these alone, one of each class suffices.
    chosen = sorted(max((orbit for orbit in orbits if len(orbit) <= _MAX_ORBIT), key=len, default=[]))
    position = {x: i for i, x in enumerate(chosen)}
    answers = np.arange(2 ** len(chosen))[:, None] >> np.arange(len(chosen)) & 1
    smallest = np.arange(len(answers))
    for element in group.values():
        images = np.zeros_like(smallest)
        for x, i in position.items():
            images |= (answers[:, i] ^ int(element[x] < 0)) << position[abs(int(element[x])) - 1]
        smallest = np.minimum(smallest, images)
    representatives = answers[smallest == np.arange(len(answers))]
    others = [x for x in range(len(tensor)) if x not in position]
    cost = len(representatives) * 2 ** len(others)
    if cost > _MAX_LISTED:
        raise ScenarioError.bad_argument(
            "coefficients", expected=f"at most {_MAX_LISTED:.3g} strategies", got=f"{cost:.3g} with symmetries"
        )
    values = []
    for answer in representatives:
        settled = tensor[chosen, answer].sum(axis=0)
        rest = tensor[others]
        if others:
            rest[0] += settled
        values.append(_multiplied_out(rest, [2] * len(rest)) if others else int(settled.max(axis=1).sum()))
    return max(values)


def leaves_unchanged(integers: NDArray[Any], maps: tuple[NDArray[np.int64], NDArray[np.int64]]) -> bool:
    """Whether a relabeling, as :func:`exact_local_bound` takes it, leaves the coefficients as they are."""
    places = []
    for size, signed in zip(integers.shape[:2], maps, strict=True):
        place = np.abs(signed) - 1
        if integers.shape[2:] != (2, 2) or sorted(place) != list(range(size)):
            return False
        places.append(place)
    swapped = [np.asarray(signed) < 0 for signed in maps]
    image = np.empty_like(integers)
    for a, b in np.ndindex(2, 2):
        source = integers[..., a, b]
        for flip_a, flip_b in np.ndindex(2, 2):
            rows, columns = np.flatnonzero(swapped[0] == flip_a), np.flatnonzero(swapped[1] == flip_b)
            target = np.ix_(places[0][rows], places[1][columns])
            image[(*target, a ^ flip_a, b ^ flip_b)] = source[np.ix_(rows, columns)]
    return np.array_equal(image, integers)


def _largest(tensor: NDArray[np.int64], sizes: list[list[int]]) -> int:
    """Maximum of an expression with axes ``(m_1, d_1, ..., m_N, d_N)``: the first party's settings one by one.

    Args:
        tensor: The coefficients; padding repeats another outcome.
        sizes: Number of outcomes of the settings of each party.
    """
    if tensor.ndim == 2:
        return int(tensor.max(axis=1).sum())
    if tensor.ndim == 4:
        return _multiplied_out(tensor, sizes[0])
    outcomes = tensor[0, : sizes[0][0]]
    if len(tensor) == 1:
        return max(_largest(outcome, sizes[1:]) for outcome in outcomes)
    rest = [sizes[0][1:], *sizes[1:]]
    values = []
    for outcome in outcomes:
        shorter = tensor[1:].copy()
        # Whatever the next outcome is, this one comes with it.
        shorter[0] += outcome
        values.append(_largest(shorter, rest))
    return max(values)


def _multiplied_out(tensor: NDArray[np.int64], sizes: list[int]) -> int:
    """Maximum of a two-party expression with axes ``(m_1, d_1, m_2, d_2)``, whose first party has so many outcomes."""
    num_settings, num_outcomes, num_answered, _ = tensor.shape
    count = math.prod(sizes)
    if sizes[0] == num_outcomes == tensor.shape[3] == 2 and np.array_equal(tensor, tensor[:, ::-1, :, ::-1]):
        # Flipping all outcomes changes nothing. The first setting's outcome is the last digit below, so
        # the first half of the numbers, where it is 0, has one of each pair.
        count //= 2
    # The value is that of answering 0 throughout, plus what better answers gain. A row of the matrix has the sum
    # for outcome 0 everywhere, then the difference that each other outcome of each setting makes.
    first = tensor[:, 0].sum(axis=0)
    changes = (tensor[:, 1:] - tensor[:, :1]).reshape(-1, *tensor.shape[2:])
    rows = np.concatenate([first[None], changes])
    gains = [rows[:, :, b] - rows[:, :, 0] for b in range(1, rows.shape[2])]
    plain = rows[:, :, 0].sum(axis=1)
    limits = [_column_limits(gain, num_outcomes - 1) for gain in gains]
    gained = sum(int(max(column)) for column in zip(*limits, strict=True))
    dtype = _safe_type(gained + int(_column_limits(plain[:, None], num_outcomes - 1)[0]))
    matrices = [gain.astype(dtype) for gain in gains]
    ones = np.ones(num_answered, dtype=dtype)
    plain = plain.astype(dtype)
    # Blocks in which the last settings take all their outcomes, and the others keep theirs.
    changing = num_settings - 1
    while changing > 0 and math.prod(sizes[num_settings - changing :]) * num_answered > _MAX_BATCH:
        changing -= 1
    block = math.prod(sizes[num_settings - changing :])
    powers = np.array([math.prod(sizes[x + 1 :]) for x in range(num_settings)])
    digits = np.arange(block)[:, None] // powers % sizes
    # Matrices so small that no linear algebra library starts threads for one: they would wait for one another.
    rows_each = block
    for size in sizes[num_settings - changing :]:
        if rows_each * num_answered * len(rows) <= _SMALL_PRODUCT:
            break
        rows_each //= size
    # One column that is always 1, then one for each other outcome than 0 of each setting.
    strategies = np.ones((block, len(rows)), dtype=dtype)
    chosen = strategies[:, 1:].reshape(block, num_settings, num_outcomes - 1)
    chosen[:] = digits[:, :, None] == np.arange(1, num_outcomes)
    stacked = strategies.reshape(-1, rows_each, len(rows))
    nothing = np.zeros((*stacked.shape[:2], num_answered), dtype=dtype)
    best = None
    for start in range(0, count, block):
        constant = start // powers[: num_settings - changing] % sizes[: num_settings - changing]
        chosen[:, : num_settings - changing] = constant[:, None] == np.arange(1, num_outcomes)
        # Some linear algebra libraries compute lanes beside the matrix, whose garbage sets the flag of an invalid
        # operation. All numbers here are whole and below the limit; NaN or infinity could not become an integer.
        with np.errstate(invalid="ignore"):
            best_gains = nothing.copy()
            for matrix in matrices:
                np.maximum(best_gains, stacked @ matrix, out=best_gains)
            values = best_gains @ ones + stacked @ plain
        top = int(values.max())
        best = top if best is None else max(best, top)
    assert best is not None
    return best


def _column_limits(matrix: NDArray[np.int64], group: int) -> NDArray[Any]:
    """What no partial sum of a strategy's rows exceeds, for each column, in Python integers, which cannot wrap.

    Args:
        matrix: Shape ``(1 + K * group, m)``: a row that always counts, then groups of which at most one row does.
        group: Number of rows in a group.
    """
    sizes = np.abs(matrix).astype(object)
    if len(sizes) == 1:
        return sizes[0]
    return sizes[0] + sizes[1:].reshape(-1, group, sizes.shape[1]).max(axis=1).sum(axis=0)


def _safe_type(limit: int) -> Any:
    """The fastest type in which whole numbers up to a limit are exact."""
    for kind, largest in ((np.float32, 2**24), (np.float64, 2**53), (np.int64, 2**63)):
        if limit < largest:
            return kind
    raise ScenarioError.bad_argument(
        "coefficients", expected="sums below 2**63", got=f"sums of up to 2**{limit.bit_length()}", remedy="Round them."
    )
