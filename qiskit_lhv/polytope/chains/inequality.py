"""Bell inequalities of infinite chains with their local bound per site."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._support.rounding import round_up
from ..._support.types import IntArray
from ..._support.validation import instance, whole_array, whole_number
from ...exceptions import ScenarioError
from ...targets.scenario import BellScenario
from ...verification.chains import check_chain_bound
from ...verification.evidence import Evidence
from ...verification.result import Verification
from ..expressions.many_parties.base import ABSENT
from ..expressions.many_parties.sparse import SparseExpression
from .data import ChainCorrelators
from .mean_cycles import largest_mean_cycle
from .words import Words

__all__ = ["ChainInequality"]


@dataclass(frozen=True, eq=False, repr=False)
class ChainInequality(Evidence):
    """A Bell inequality of an infinite chain, with integer coefficients, and its local bound per site.

    Its value is the mean over the sites of the sum of all terms that begin at a site. No local model of the chain
    exceeds the bound, which is the largest mean weight of a cycle on the graph of strategies.

    References:
        Z. Wang, S. Singh, M. Navascues, Phys. Rev. Lett. 118, 230401 (2017), arXiv:1608.03485; M. Hu, J. Tura,
        arXiv:2208.02798; arXiv:2407.08783.

    Examples:
        >>> inequality = ChainInequality.of([0, 0], [[[-2, 1], [0, 0]], [[0, 0], [0, -1]]])
        >>> print(inequality)
        Bell inequality of a chain, neighbors up to 2: at most 3 per site
        >>> inequality.bound, inequality.cycle.tolist(), bool(inequality.verify())
        (3.0, [0, 1, 2, 3], True)
        >>> from qiskit_lhv import local_bound
        >>> local_bound(inequality.on_ring(12)).value  # 12 sites
        36.0
    """

    singles: IntArray
    """Coefficients of the outcomes, shape ``(period, m)``: sublattice, setting."""
    pairs: IntArray
    """Coefficients of the products, shape ``(period, reach, m, m)``; see ``ChainCorrelators.pairs``."""
    bound: float
    """The local bound per site; exact, or the next float above."""
    cycle: IntArray
    """A periodic sequence of strategies that reaches it, from sublattice 0 on; bit x of a strategy is the outcome of
    setting x."""

    def __post_init__(self) -> None:
        singles, pairs = _coefficients(self.singles, self.pairs)
        object.__setattr__(self, "singles", singles)
        object.__setattr__(self, "pairs", pairs)
        object.__setattr__(self, "cycle", whole_array(self.cycle, "cycle", ScenarioError, ndim=1))

    @classmethod
    def of(cls, singles: ArrayLike, pairs: ArrayLike) -> ChainInequality:
        """The inequality with these coefficients.

        Args:
            singles: Integers, shape ``(period, m)``; or ``(m,)`` for a translation-invariant one.
            pairs: Integers, shape ``(period, reach, m, m)``; or ``(reach, m, m)``.

        Raises:
            ScenarioError: If the shapes do not fit, the coefficients are not integers or too large, or there are more
                than 16384 words of strategies.

        References:
            arXiv:1608.03485, 2208.02798 and 2407.08783.

        Examples:
            >>> antiferromagnet = ChainInequality.of([0], [[[-1]], [[-1]]])  # of first and second neighbors
            >>> antiferromagnet.bound, antiferromagnet.cycle.tolist()
            (1.0, [0, 0, 1, 1])
        """
        singles, pairs = np.asarray(singles), np.asarray(pairs)
        singles, pairs = _coefficients(
            singles[np.newaxis] if singles.ndim == 1 else singles, pairs[np.newaxis] if pairs.ndim == 3 else pairs
        )
        period, reach, m, _ = pairs.shape
        words = Words(period, m, reach)
        rows = np.concatenate([singles, pairs.reshape(period, -1)], axis=1)
        if np.abs(rows).astype(float).sum() > 2.0**53:
            raise ScenarioError.bad_argument("coefficients", expected="integers of a sum below 2**53", got="larger")
        bound, cycle = largest_mean_cycle(rows @ words.features.T, words)
        return cls(singles, pairs, round_up(bound), cycle)

    @property
    def period(self) -> int:
        """After how many sites the coefficients repeat themselves."""
        return len(self.singles)

    def value(self, correlators: ChainCorrelators) -> float:
        """The value of correlators, per site.

        Args:
            correlators: Correlators of the same shape.

        Raises:
            ScenarioError: If they have another shape.
        """
        instance(correlators, ChainCorrelators, "correlators", ScenarioError)
        if correlators.pairs.shape != self.pairs.shape:
            raise ScenarioError.bad_argument(
                "correlators",
                expected=f"pairs of shape {self.pairs.shape}",
                got=f"shape {correlators.pairs.shape}",
            )
        total = np.sum(self.singles * correlators.singles) + np.sum(self.pairs * correlators.pairs)
        return float(total) / self.period

    def on_ring(self, num_sites: int) -> SparseExpression:
        """The sum over all sites of a closed chain, as a Bell expression of so many parties.

        Its local bound is at most ``num_sites * bound``, and equal to that where the cycle fits into the ring.

        Args:
            num_sites: Number of sites, a multiple of the period and more than twice the reach.

        Raises:
            ScenarioError: If it is not.
        """
        num_sites = whole_number(num_sites, "num_sites", ScenarioError)
        period, reach, m, _ = self.pairs.shape
        if num_sites % period or num_sites <= 2 * reach:
            raise ScenarioError.bad_argument(
                "num_sites", expected=f"a multiple of {period} that is larger than {2 * reach}", got=f"{num_sites}"
            )
        rows: list[NDArray[np.int8]] = []
        coefficients: list[float] = []
        for i in range(num_sites):
            s = i % period
            for x in np.flatnonzero(self.singles[s]):
                rows.append(np.full(num_sites, ABSENT, dtype=np.int8))
                rows[-1][i] = x
                coefficients.append(float(self.singles[s, x]))
            for r, x, y in np.argwhere(self.pairs[s]):
                rows.append(np.full(num_sites, ABSENT, dtype=np.int8))
                rows[-1][i], rows[-1][(i + r + 1) % num_sites] = x, y
                coefficients.append(float(self.pairs[s, r, x, y]))
        table = np.array(rows, dtype=np.int8).reshape(-1, num_sites)
        return SparseExpression(BellScenario([m] * num_sites, 2), table, np.array(coefficients))

    def __str__(self) -> str:
        of_period = f" of period {self.period}" if self.period > 1 else ""
        return (
            f"Bell inequality{of_period} of a chain, neighbors up to {self.pairs.shape[1]}: at most {self.bound:.9g} "
            "per site"
        )

    def verify(self) -> Verification:
        """Proves the bound again, by potentials of the graph, in integers."""
        return check_chain_bound(self.singles, self.pairs, self.bound, self.cycle)


def _coefficients(singles: ArrayLike, pairs: ArrayLike) -> tuple[IntArray, IntArray]:
    singles = whole_array(singles, "singles", ScenarioError, ndim=2)
    pairs = whole_array(pairs, "pairs", ScenarioError, ndim=4)
    period, m = singles.shape
    if not singles.size or not pairs.size or pairs.shape != (period, pairs.shape[1], m, m):
        raise ScenarioError.bad_argument(
            "pairs",
            expected=f"shape (period, reach, settings, settings), as singles have shape {singles.shape}",
            got=f"shape {pairs.shape}",
        )
    return singles, pairs
