"""The declared test of counts and trials: checks of the data, its game, its e-value and its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._support.deadlines import Deadline
from ..exceptions import CountsError
from ..polytope.expressions.families import chsh
from ..reports.counts_rule import as_tested
from ..statistics.assumptions.predictability import check_predictability
from ..statistics.assumptions.setting_choice import SettingsTest, require_declared_settings, settings_test
from ..statistics.evidence.combination import CombinedEValue, averaged_e_values, num_orders
from ..statistics.evidence.combined_tests import combined_test
from ..statistics.evidence.e_values import EValue, ratio_e_values
from ..statistics.evidence.fair_sampling import require_all_shots
from ..statistics.evidence.games import GameTest, game_test
from ..statistics.evidence.standing import TestResult
from ..targets.counts import BellCounts, check_shot_limit
from ..targets.trials import BellTrials
from .counts_options import CountsCall

__all__ = [
    "Prepared",
    "averages_orders",
    "declared_game",
    "declared_result",
    "e_values_of",
    "prepared",
    "result_of",
]

Data = BellCounts | BellTrials


@dataclass(frozen=True)
class Prepared:
    """Data that passed every check that comes before long work, with the tests that are quick."""

    data: Data
    test: str
    settings: SettingsTest
    game: GameTest | None

    def tested(self, options: CountsCall) -> Data:
        """The data as the declared test takes them."""
        return as_tested(self.data, self.test, options.predictability)


def prepared(data: Data, options: CountsCall) -> Prepared:
    """Checks data for the declared test.

    Args:
        data: Counts or trials.
        options: The checked options.

    Raises:
        CountsError: If they cannot be used for it, or their settings contradict the declared design.
    """
    test = options.test_for(data)
    if isinstance(data, BellCounts):
        check_shot_limit(data)
    require_all_shots(data, options.fair_sampling)
    if isinstance(data, BellTrials):
        # Refuses combinations without a trial.
        data.to_counts()
    check_predictability(options.predictability, data.design, data.setting_probabilities)
    settings = settings_test(data, options.predictability)
    require_declared_settings(settings)
    return Prepared(data, test, settings, declared_game(data, test, options))


def declared_game(data: Data, test: str, options: CountsCall) -> GameTest | None:
    """The game of the declared expression, or of CHSH in its scenario; ``None`` if there is none to play.

    Args:
        data: The data, as they were declared.
        test: The declared test.
        options: The checked options.

    Raises:
        CountsError: If a game is the declared test, and there is none for the scenario.
    """
    scenario = data.scenario
    assert scenario is not None
    data = as_tested(data, test, options.predictability)
    expression = options.expression
    if expression is None and scenario.is_chsh:
        if test != "game" and options.predictability > 0:
            # Only shown; with settings so predictable it may have nothing to say.
            return None
        expression = chsh()
    if expression is not None:
        return game_test(data, expression, predictability=options.predictability, fair_sampling=options.fair_sampling)
    if test == "game":
        raise CountsError.bad_argument(
            "expression", expected="the rule of the game for this scenario", got="None", remedy="Declare it."
        )
    return None


def e_values_of(
    data: Sequence[Data], options: CountsCall, deadline: Deadline | None = None
) -> list[EValue | CombinedEValue]:
    """The e-value of each set of data: in the order of trials, or the mean over random orders where that is quick.

    Args:
        data: The data, as the declared test takes them.
        options: The checked options.
        deadline: Where the search for later factors of single e-values ends.
    """
    declared: dict[str, Any] = {
        "predictability": options.predictability,
        "fair_sampling": options.fair_sampling,
        "seed": options.seed,
    }
    several = [i for i, counts in enumerate(data) if averages_orders(counts)]
    single = [i for i in range(len(data)) if i not in set(several)]
    found: dict[int, EValue | CombinedEValue] = {}
    if single:
        limit = None if deadline is None else deadline.left
        found.update(zip(single, ratio_e_values([data[i] for i in single], time_limit=limit, **declared), strict=True))
    if several:
        found.update(zip(several, averaged_e_values([data[i] for i in several], **declared), strict=True))
    return [found[i] for i in range(len(data))]


def averages_orders(data: Data) -> bool:
    """Whether the e-value of data is the mean over several random orders: for tables, where that is quick."""
    return isinstance(data, BellCounts) and num_orders(data.scenario, data.total_shots) > 1


def declared_result(
    data: Data, test: str, e_value: EValue | CombinedEValue | None, game: GameTest | None, options: CountsCall
) -> TestResult:
    """The result of the declared test, from the e-value and the game of data as the test takes them.

    Args:
        data: The data.
        test: The declared test.
        e_value: Their e-value; not needed for a game.
        game: Their game, where that is the declared test.
        options: The checked options.
    """
    if test == "game":
        assert game is not None
        return game
    assert e_value is not None
    if test == "combined":
        assert isinstance(data, BellCounts)
        return combined_test(data, e_value, predictability=options.predictability, fair_sampling=options.fair_sampling)
    return e_value


def result_of(tested: Data, test: str, options: CountsCall) -> TestResult:
    """The result of a test, of data as it takes them, with its game or e-value made anew.

    Args:
        tested: The data.
        test: The test.
        options: The checked options.
    """
    if test == "game":
        return declared_result(tested, test, None, declared_game(tested, test, options), options)
    return declared_result(tested, test, e_values_of([tested], options)[0], None, options)
