"""What is declared for counts before they are read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .._support.deadlines import Deadline
from .._support.validation import fresh_seed, generator, probability, whole_number
from ..exceptions import CountsError
from ..polytope.expressions.expression import BellExpression
from ..statistics.evidence.combined_tests import family_of
from ..statistics.signaling.hidden import check_kappa
from ..targets.counts import BellCounts
from ..targets.trials import BellTrials

__all__ = ["TESTS", "CountsOptions"]

TESTS = ("combined", "e-value", "game")
_MAX_REPLICATES = 100_000


@dataclass(frozen=True)
class CountsOptions:
    """What is declared for counts, see :func:`analyze`; checked by :meth:`checked`."""

    alpha: float = 0.01
    test: str | None = None
    expression: BellExpression | None = None
    kappa: float | None = None
    signaling_level: float = 0.01
    predictability: float = 0.0
    fair_sampling: bool = False
    num_replicates: int | None = None
    time_limit: float | None = None
    progress: bool | None = None
    seed: int | None = None

    def checked(self) -> CountsOptions:
        """The options with numbers of the right type, and a seed that was drawn where none was given.

        Raises:
            CountsError: If one of them is out of range.
        """
        if self.test is not None and (not isinstance(self.test, str) or self.test not in TESTS):
            raise CountsError.bad_argument("test", expected="'combined', 'e-value' or 'game'", got=repr(self.test))
        if self.expression is not None and not isinstance(self.expression, BellExpression):
            raise CountsError.bad_argument(
                "expression",
                expected="a BellExpression, such as chsh()",
                got=type(self.expression).__name__,
                remedy="Make one with BellExpression.from_correlators or BellExpression(coefficients).",
            )
        if self.kappa is not None:
            check_kappa(self.kappa)
        if self.progress is not None and not isinstance(self.progress, bool | np.bool_):
            raise CountsError.bad_argument("progress", expected="True, False or None", got=repr(self.progress))
        generator(self.seed)
        replicates = self.num_replicates
        if replicates is not None:
            replicates = whole_number(replicates, "num_replicates", CountsError, minimum=0)
            if replicates > _MAX_REPLICATES:
                raise CountsError.bad_argument(
                    "num_replicates", expected=f"at most {_MAX_REPLICATES}", got=f"{replicates}"
                )
        Deadline(self.time_limit)
        return replace(
            self,
            alpha=probability(self.alpha, "alpha", CountsError, open_interval=True),
            signaling_level=probability(self.signaling_level, "signaling_level", CountsError, open_interval=True),
            num_replicates=replicates,
            # Drawn once and reported, so that the result can be had again.
            seed=fresh_seed() if self.seed is None else self.seed,
        )

    def test_for(self, data: BellCounts | BellTrials) -> str:
        """The declared test, or the default of a kind of data.

        Raises:
            CountsError: If the test is not for these data.
        """
        family = isinstance(data, BellCounts) and bool(family_of(data.scenario))
        if self.test is None:
            return "combined" if family else "e-value"
        if self.test == "combined" and not family:
            raise CountsError.bad_argument(
                "test",
                expected="'e-value' or 'game' for trials, and for scenarios without a known family of inequalities",
                got="'combined'",
                remedy="The combined test is for counts of CHSH tests.",
            )
        return self.test
