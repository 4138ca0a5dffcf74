"""The declarations about counts that are made before the counts are read."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from .._support.deadlines import Deadline
from .._support.validation import probability, seed_or_fresh, truth_value, whole_number
from ..exceptions import CountsError
from ..polytope.expressions.expression import BellExpression
from ..polytope.expressions.many_parties.arguments import without_table
from ..polytope.expressions.many_parties.base import ManyPartyExpression
from ..polytope.expressions.many_parties.measured import MeasuredExpression
from ..reports.counts_rule import PLATFORMS
from ..statistics.evidence.combined_tests import family_of
from ..statistics.signaling.allowance import check_kappa
from ..targets.counts import BellCounts
from ..targets.trials import BellTrials
from ..verification.evidence import Evidence

__all__ = ["TESTS", "CountsCall", "CountsOptions"]

TESTS = ("combined", "e-value", "game")
_MAX_REPLICATES = 100_000


@dataclass(frozen=True, kw_only=True)
class CountsOptions:
    """The declarations about counts that are made before the counts are read: the deciding test and the assumptions.

    Raises:
        CountsError: If a value is out of range.

    Examples:
        Few shots, and settings whose signs are known beforehand: declare the game.

        >>> from qiskit_lhv import analyze, load_bundled_counts
        >>> counts = load_bundled_counts("delft_2015").counts
        >>> for declared in (CountsOptions(), CountsOptions(test="game")):
        ...     report = analyze(counts, declared, alpha=0.05, seed=1)
        ...     print(report.verdict, f"p = {report.p_value:.4f} ({report.test})")
        INCONCLUSIVE p = 0.8457 (combined)
        NONLOCAL p = 0.0391 (game)
    """

    test: str | None = None
    """The test whose p-value decides: ``"e-value"`` (prediction-based ratios, for any scenario), ``"game"``, or
    ``"combined"`` (the e-value and all forms of the CHSH inequality, each with its share of alpha). With ``None``, it
    is ``"combined"`` for counts of CHSH tests, and ``"e-value"`` for trials, many groups and other scenarios. If
    setting combinations were left out (no shots in blocks, or the probability 0), it is ``"game"`` with a declared
    expression, and ``"e-value"`` without one."""
    expression: BellExpression | ManyPartyExpression | None = None
    """For ``"game"``, the rule of the game or another Bell expression. With ``None``, it is ``chsh()`` in the CHSH
    scenario. For shots of many parties, the expression that is tested, such as ``BellExpression.from_terms(...)``."""
    drawn_from: ManyPartyExpression | None = None
    """For shots of many parties, the expression from whose distribution the terms were drawn. With ``None``, it is
    ``expression``."""
    bound: Evidence | None = None
    """For shots of many parties, the proof of the expression's local bound. With ``None``, it is computed."""
    kappa: float | None = None
    """The largest assumed ratio of a hidden influence between the parties to the part of it that the marginals show.

    A declared kappa is always applied: NONLOCAL then excludes local models with such influences. Without a declared
    kappa, NONLOCAL assumes that nothing passes between the parties if no signaling is detected, and applies kappa = 5
    if signaling is detected."""
    signaling_level: float = 0.01
    """The level of significance at which signaling counts as detected. For an estimate of a state, it is the level at
    which counts contradict that all bases measure the same state."""
    predictability: float = 0.0
    """For random settings, the largest difference between the true probability of a party's setting and the given
    one."""
    fair_sampling: bool = False
    """Whether to assume that post-selected shots are a fair sample of all shots. Without this assumption, post-selected
    counts raise an error."""
    platform: str = "chip"
    """Where the parties are, for the words of the report: ``"chip"`` (qubits of one device) or ``"photons"``."""
    num_replicates: int | None = None
    """The number of bootstrap replicates for the figures of the fits, which do not enter the verdict. With ``None``, it
    is 200 for small scenarios, and 0 for large ones and for many groups."""

    def __post_init__(self) -> None:
        if self.test is not None and (not isinstance(self.test, str) or self.test not in TESTS):
            raise CountsError.bad_argument("test", expected="'combined', 'e-value' or 'game'", got=repr(self.test))
        if self.expression is not None and not isinstance(self.expression, BellExpression | ManyPartyExpression):
            raise CountsError.bad_argument(
                "expression",
                expected="a BellExpression, such as chsh()",
                got=type(self.expression).__name__,
                remedy=(
                    "Pass its expression: inequality.expression."
                    if isinstance(self.expression, MeasuredExpression)
                    else "Make one with BellExpression.from_correlators or BellExpression(coefficients)."
                ),
            )
        if self.drawn_from is not None:
            object.__setattr__(self, "drawn_from", without_table(self.drawn_from, "drawn_from", CountsError))
        if self.bound is not None and not isinstance(self.bound, Evidence):
            raise CountsError.bad_argument(
                "bound", expected="a local bound that can be verified", got=type(self.bound).__name__
            )
        if self.kappa is not None:
            check_kappa(self.kappa)
            object.__setattr__(self, "kappa", float(self.kappa))
        level = probability(self.signaling_level, "signaling_level", CountsError, open_interval=True)
        object.__setattr__(self, "signaling_level", level)
        object.__setattr__(self, "predictability", probability(self.predictability, "predictability", CountsError))
        object.__setattr__(self, "fair_sampling", truth_value(self.fair_sampling, "fair_sampling", CountsError))
        if not isinstance(self.platform, str) or self.platform not in PLATFORMS:
            raise CountsError.bad_argument("platform", expected="'chip' or 'photons'", got=repr(self.platform))
        if self.num_replicates is None:
            return
        replicates = whole_number(self.num_replicates, "num_replicates", CountsError, minimum=0)
        if replicates > _MAX_REPLICATES:
            raise CountsError.bad_argument("num_replicates", expected=f"at most {_MAX_REPLICATES}", got=f"{replicates}")
        object.__setattr__(self, "num_replicates", replicates)


@dataclass(frozen=True, kw_only=True)
class CountsCall(CountsOptions):
    """The checked arguments of a call of :func:`analyze` on counts: the declarations and the other arguments."""

    alpha: float = 0.01
    time_limit: float | None = None
    progress: bool | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.progress is not None and not isinstance(self.progress, bool | np.bool_):
            raise CountsError.bad_argument("progress", expected="True, False or None", got=repr(self.progress))
        Deadline(self.time_limit)
        alpha = probability(self.alpha, "alpha", CountsError, open_interval=True)
        object.__setattr__(self, "alpha", alpha)
        # The seed is drawn once and reported, so that the result can be reproduced.
        object.__setattr__(self, "seed", seed_or_fresh(self.seed))

    @classmethod
    def of(
        cls,
        declared: CountsOptions,
        *,
        alpha: float = 0.01,
        time_limit: float | None = None,
        progress: bool | None = None,
        seed: int | None = None,
    ) -> CountsCall:
        """Returns the call with these declarations.

        Args:
            declared: The declarations about the counts.
            alpha: The largest probability of a wrong NONLOCAL; for many groups, the false discovery rate.
            time_limit: Limit in seconds for the figures, or ``None``.
            progress: Whether to show a progress bar.
            seed: The seed, or ``None`` for fresh entropy.

        Raises:
            CountsError: If an argument is out of range.
        """
        given = {field.name: getattr(declared, field.name) for field in fields(CountsOptions)}
        return cls(**given, alpha=alpha, time_limit=time_limit, progress=progress, seed=seed)

    @property
    def table_expression(self) -> BellExpression | None:
        """The declared expression if it is one of a table of counts."""
        return self.expression if isinstance(self.expression, BellExpression) else None

    def test_for(self, data: BellCounts | BellTrials) -> str:
        """Returns the declared test, or the default one for these data.

        Raises:
            CountsError: If the declared test cannot be used for these data.
        """
        shots, probabilities = _shots(data), data.setting_probabilities
        planned = shots > 0 if probabilities is None else probabilities > 0
        family = isinstance(data, BellCounts) and bool(family_of(data.scenario))
        complete = bool(shots.all())
        if self.test is not None:
            if self.test == "combined" and not (family and complete):
                raise CountsError.bad_argument(
                    "test",
                    expected="'e-value' or 'game' for trials, for scenarios without a known family of inequalities, "
                    "and where not all setting combinations were measured",
                    got="'combined'",
                    remedy="The combined test is for counts of CHSH tests.",
                )
            return self.test
        if not planned.all():
            return "e-value" if self.expression is None else "game"
        if not family:
            return "e-value"
        if not complete and self.predictability > 0:
            # The hidden variable may know which settings come, and must not choose the test.
            place = tuple(int(i) for i in np.argwhere(shots == 0)[0])
            raise CountsError.bad_argument(
                "test",
                expected="a declared test where settings can be predicted and some of them did not come",
                got=f"None, and no shot of settings {place}",
                remedy="Declare test='e-value' or test='game', or take more shots.",
            )
        # Given which settings came, either test holds, so that this may choose between them; a game would not hold.
        return "combined" if complete else "e-value"


def _shots(data: BellCounts | BellTrials) -> NDArray[np.int64]:
    """Shots of each setting combination, shape ``(m_1, ..., m_N)``."""
    if isinstance(data, BellCounts):
        return data.num_shots
    assert data.scenario is not None
    shots: NDArray[np.int64] = data.table.sum(axis=data.scenario.outcome_axes)
    return shots
