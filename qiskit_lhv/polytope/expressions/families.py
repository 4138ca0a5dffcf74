"""Well-known Bell expressions: CHSH, Mermin, chained, elegant, I3322 and CGLMP."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..._support.types import FloatArray
from ..._support.validation import whole_number, whole_numbers
from ...exceptions import ScenarioError
from ...targets.scenario import BellScenario
from .expression import BellExpression
from .many_parties.ghz_families import mermin_of_many
from .many_parties.symmetric import SymmetricExpression

__all__ = ["cglmp", "chained", "chsh", "chsh_forms", "clauser_horne", "elegant", "i3322", "mermin", "mermin_table"]

# Coefficients are stored densely; up to these sizes they take half a gigabyte or less.
_MAX_PARTIES, _MAX_NUMBER = 13, 4000
_MOST_WITH_TABLE = 7


def chsh(minus: Sequence[int] = (1, 1)) -> BellExpression:
    """The CHSH expression: the sum of the four correlators, one of them with a minus sign.

    Its local bound is 2, its quantum bound 2 sqrt(2), its no-signaling bound 4.

    Args:
        minus: Settings ``(x, y)`` of the correlator with the minus sign.

    Returns:
        The expression, with two settings of two outcomes per party.

    Raises:
        ScenarioError: If ``minus`` is not a pair of settings 0 or 1.

    References:
        J. F. Clauser, M. A. Horne, A. Shimony, R. A. Holt, Phys. Rev. Lett. 23, 880 (1969).

    Examples:
        >>> from qiskit_lhv import Behavior, ghz_state
        >>> print(chsh())
        <A0 B0> + <A0 B1> + <A1 B0> - <A1 B1>
        >>> round(chsh().value(Behavior.from_state(ghz_state(2), "chsh")), 6)
        2.828427
    """
    pair = whole_numbers(minus, "minus", ScenarioError, minimum=0)
    if len(pair) != 2 or max(pair) > 1:
        raise ScenarioError.bad_argument("minus", expected="a pair of settings 0 or 1", got=f"{minus}")
    return _chsh(pair)


@lru_cache(maxsize=4)
def _chsh(minus: tuple[int, ...]) -> BellExpression:
    correlators = np.ones((2, 2))
    correlators[minus] = -1
    return BellExpression.from_correlators(correlators, marginals=False)


def clauser_horne() -> BellExpression:
    """The Clauser-Horne expression of two parties with two settings, each with a click (outcome 0) or none (outcome 1).

    It is ``p(00|00) + p(00|01) + p(00|10) - p(00|11) - p_A(0|0) - p_B(0|0)``, from coincidences and clicks of single
    parties alone, with a local bound of 0. Eberhard's J, which is at least 0 for local models, is minus its value. On
    no-signaling behaviors it is a quarter of CHSH less a half.

    Returns:
        The expression, with two settings of two outcomes per party.

    References:
        J. F. Clauser, M. A. Horne, Phys. Rev. D 10, 526 (1974); P. H. Eberhard, Phys. Rev. A 47, R747 (1993).

    Examples:
        >>> print(clauser_horne().to_collins_gisin())
        [[ 0. -1.  0.]
         [-1.  1.  1.]
         [ 0.  1. -1.]]
    """
    return _clauser_horne()


@lru_cache(maxsize=1)
def _clauser_horne() -> BellExpression:
    table = [[0, -1, 0], [-1, 1, 1], [0, 1, -1]]
    return BellExpression.from_collins_gisin(table, BellScenario((2, 2), (2, 2)))


def mermin(num_parties: int) -> BellExpression | SymmetricExpression:
    """The Mermin expression of N parties with two settings: the real part of ``prod_k (A_k0 + i A_k1)``.

    With the settings X and Y for every party, the GHZ state |0...0> + |1...1> gives it the value 2**(N - 1); local
    models reach 2**(N // 2).

    Args:
        num_parties: Number of parties, from 2 to 1000.

    Returns:
        Up to seven parties, as far as experiments with tables of all settings and outcomes go, a ``BellExpression``;
        from eight parties on a ``SymmetricExpression``, which has no table. Where the other one is needed,
        ``mermin(5).to_sparse()`` and ``BellExpression.from_sparse(mermin(8))`` convert.

    Raises:
        ScenarioError: If the number of parties is out of range.

    References:
        N. D. Mermin, Phys. Rev. Lett. 65, 1838 (1990).

    Examples:
        >>> mermin(3).scenario.num_cells, mermin(200).num_terms == 2**199
        (64, True)
    """
    n = whole_number(num_parties, "num_parties", ScenarioError, minimum=2)
    return mermin_table(n) if n <= _MOST_WITH_TABLE else mermin_of_many(n)


def mermin_table(num_parties: int) -> BellExpression:
    """The Mermin expression with its table, of up to 13 parties; see :func:`mermin`."""
    n = whole_number(num_parties, "num_parties", ScenarioError, minimum=2, maximum=_MAX_PARTIES)
    ones = np.indices((2,) * n).sum(axis=0)
    return BellExpression.from_correlators(np.array([1.0, 0.0, -1.0, 0.0])[ones % 4], marginals=False)


def chained(num_settings: int) -> BellExpression:
    """The chained expression of m settings per party: a closed chain of correlators, the last with a minus sign.

    It is ``A0 B0 + A1 B0 + A1 B1 + ... + A(m-1) B(m-1) - A0 B(m-1)``. Its local bound is 2 m - 2, its quantum bound
    2 m cos(pi / 2 m), its no-signaling bound 2 m. For two settings it is CHSH.

    Args:
        num_settings: Number of settings of each party, at least 2.

    Returns:
        The expression, with m settings of two outcomes per party.

    Raises:
        ScenarioError: If there are fewer than 2 settings.

    References:
        S. L. Braunstein, C. M. Caves, Ann. Phys. 202, 22 (1990); S. Wehner, arXiv:quant-ph/0510076.

    Examples:
        >>> from qiskit_lhv import local_bound
        >>> from qiskit_lhv.polytope import quantum_bound
        >>> print(chained(3))
        <A0 B0> - <A0 B2> + <A1 B0> + <A1 B1> + <A2 B1> + <A2 B2>
        >>> local_bound(chained(3)).value, round(quantum_bound(chained(3), 1).upper, 6)  # 6 cos(pi / 6)
        (4.0, 5.196152)
    """
    m = whole_number(num_settings, "num_settings", ScenarioError, minimum=2, maximum=_MAX_NUMBER)
    correlators = np.eye(m) + np.eye(m, k=-1)
    correlators[0, m - 1] = -1
    return BellExpression.from_correlators(correlators, marginals=False)


def elegant() -> BellExpression:
    """Gisin's elegant expression: three settings against four, with signs given by the corners of a tetrahedron.

    Its local bound is 6, its quantum bound 4 sqrt(3), reached on two qubits by three orthogonal directions
    against the four corners of a tetrahedron.

    Returns:
        The expression, with three settings of party 0 and four of party 1.

    References:
        N. Gisin, arXiv:quant-ph/0702021.

    Examples:
        >>> from qiskit_lhv import local_bound
        >>> from qiskit_lhv.polytope import quantum_bound
        >>> print(elegant().to_correlators()[1:, 1:])
        [[ 1.  1. -1. -1.]
         [ 1. -1.  1. -1.]
         [ 1. -1. -1.  1.]]
        >>> local_bound(elegant()).value, round(quantum_bound(elegant(), 1).upper, 6)  # 4 sqrt(3)
        (6.0, 6.928203)
    """
    signs = [[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]
    return BellExpression.from_correlators(np.array(signs, dtype=np.float64), marginals=False)


def i3322() -> BellExpression:
    """The I3322 expression in the form with local bound 0, three settings of two outcomes per party.

    In probabilities of outcome 0 it is ``sum of T_xy p(00|xy) - 2 p_A(0|0) - p_A(0|1) - p_B(0|0)`` with
    ``T = [[1, 1, 1], [1, 1, -1], [1, -1, 0]]``. Qubits reach 0.25, other quantum systems at most 0.250876.

    Returns:
        The expression, in the scenario of three settings with two outcomes per party.

    References:
        D. Collins, N. Gisin, arXiv:quant-ph/0306129; K. F. Pal, T. Vertesi, arXiv:1006.3032.

    Examples:
        >>> from qiskit_lhv import local_bound
        >>> from qiskit_lhv.polytope import no_signaling_bound
        >>> print(i3322().to_collins_gisin())
        [[ 0. -1.  0.  0.]
         [-2.  1.  1.  1.]
         [-1.  1.  1. -1.]
         [ 0.  1. -1.  0.]]
        >>> local_bound(i3322()).value, round(no_signaling_bound(i3322()).value, 6)
        (0.0, 1.0)
    """
    table = [[0, -1, 0, 0], [-2, 1, 1, 1], [-1, 1, 1, -1], [0, 1, -1, 0]]
    return BellExpression.from_collins_gisin(table, BellScenario((3, 3), (2, 2)))


def cglmp(num_outcomes: int) -> BellExpression:
    """The Collins-Gisin-Linden-Massar-Popescu expression of two settings with d outcomes per party.

    Its local bound is 2 and its no-signaling bound 4. For two outcomes it is CHSH; for three, the maximally
    entangled pair of qutrits reaches 2.8729 (it stays nonlocal in white noise down to visibility 0.69615),
    and the quantum bound is 2.9149. Coefficients are multiples of 1 / (d - 1): where that is no binary
    fraction, exact local bounds are rounded up by less than 1e-9.

    Args:
        num_outcomes: Number of outcomes d, at least 2.

    Returns:
        The expression, with two settings of d outcomes per party.

    Raises:
        ScenarioError: If there are fewer than 2 outcomes.

    References:
        D. Collins, N. Gisin, N. Linden, S. Massar, S. Popescu, Phys. Rev. Lett. 88, 040404 (2002),
        arXiv:quant-ph/0106024.

    Examples:
        >>> from qiskit_lhv import local_bound
        >>> from qiskit_lhv.polytope import are_equivalent, chsh, no_signaling_bound
        >>> are_equivalent(cglmp(2), chsh())
        True
        >>> local_bound(cglmp(3)).value, round(no_signaling_bound(cglmp(3)).value, 6)
        (2.0, 4.0)
    """
    d = whole_number(num_outcomes, "num_outcomes", ScenarioError, minimum=2, maximum=_MAX_NUMBER)
    coefficients = np.zeros((2, 2, d, d))
    a, b = np.indices((d, d))
    for k in range(d // 2):
        weight = (d - 1 - 2 * k) / (d - 1)
        for sign, shift in ((weight, k), (-weight, -k - 1)):
            # Each pair of settings wins when the outcomes differ by the right amount, modulo d.
            coefficients[0, 0][(a - b - shift) % d == 0] += sign
            coefficients[1, 0][(b - a - shift - 1) % d == 0] += sign
            coefficients[1, 1][(a - b - shift) % d == 0] += sign
            coefficients[0, 1][(b - a - shift) % d == 0] += sign
    return BellExpression(coefficients)


def chsh_forms(correlators: FloatArray) -> FloatArray:
    """The eight CHSH values of a 2 x 2 table of correlators, shape ``(2, 2, 2)``: minus sign at x, y; sign."""
    total = correlators.sum() - 2 * correlators
    return np.stack([total, -total], axis=-1)
