"""The declared test of counts and trials: checks of the data, the game, the e-value and the result."""

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
from ..statistics.evidence.combined_e_values import CombinedEValue, averaged_e_values, num_orders
from ..statistics.evidence.combined_tests import combined_test
from ..statistics.evidence.e_values import EValue, ratio_e_values
from ..statistics.evidence.fair_sampling import require_all_shots
from ..statistics.evidence.games import GameTest, game_test
from ..statistics.evidence.standing_tests import TestResult
from ..statistics.random_orders import check_shot_limit
from ..targets.counts import BellCounts
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
    """Data that passed every check that precedes a long computation, with the results of the quick tests."""

    data: Data
    test: str
    settings: SettingsTest
    game: GameTest | None

    def tested(self, options: CountsCall) -> Data:
        """Returns the data in the form in which the declared test uses them; see ``as_tested``."""
        return as_tested(self.data, self.test, options.predictability)


def prepared(data: Data, options: CountsCall) -> Prepared:
    """Checks data for the declared test, and makes the quick tests.

    Args:
        data: Counts or trials.
        options: The checked options.

    Raises:
        CountsError: If the data cannot be used for the test, or if their settings contradict the declared design.
    """
    test = options.test_for(data)
    if isinstance(data, BellCounts):
        check_shot_limit(data)
    require_all_shots(data, options.fair_sampling)
    if isinstance(data, BellTrials):
        # This raises an error if a setting of a party has no trial.
        data.to_counts()
    check_predictability(options.predictability, data.design, data.setting_probabilities)
    settings = settings_test(data, options.predictability)
    require_declared_settings(settings)
    return Prepared(data, test, settings, declared_game(data, test, options))


def declared_game(data: Data, test: str, options: CountsCall) -> GameTest | None:
    """Returns the game of the declared expression, or of CHSH in its scenario; ``None`` if there is neither.

    Args:
        data: The data, as they were declared.
        test: The declared test.
        options: The checked options.

    Raises:
        CountsError: If a game is the declared test but there is none for the scenario.
    """
    scenario = data.scenario
    assert scenario is not None
    declared, data = data, as_tested(data, test, options.predictability)
    complete = (data if isinstance(data, BellCounts) else data.to_counts()).is_complete
    if not complete and test != "game":
        # The game is only shown. Settings that did not come by chance still count in it, by their probabilities.
        data = declared
    expression = options.table_expression
    if expression is None and scenario.is_chsh:
        if test != "game" and (options.predictability > 0 or not complete):
            # The game is only shown, and with such predictable settings, or without some, it may be undefined.
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
    """Returns the e-value of each set of data.

    Trials are taken in their order. For tables, the e-value is the mean over several random orders if that is quick,
    and otherwise that of a single random order.

    Args:
        data: The sets of data, in the form in which the declared test uses them.
        options: The checked options.
        deadline: When the search for the later factors of single e-values ends.
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
    """Returns whether the e-value of the data is the mean over several random orders: for tables, if that is quick."""
    return isinstance(data, BellCounts) and num_orders(data.scenario, data.total_shots) > 1


def declared_result(
    data: Data, test: str, e_value: EValue | CombinedEValue | None, game: GameTest | None, options: CountsCall
) -> TestResult:
    """Returns the result of the declared test from the e-value and the game of the data.

    Args:
        data: The data, in the form in which the test uses them.
        test: The declared test.
        e_value: The e-value of the data. It is not needed for a game.
        game: The game, if that is the declared test.
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
    """Returns the result of a test with a newly computed game or e-value.

    Args:
        tested: The data, in the form in which the test uses them.
        test: The test.
        options: The checked options.
    """
    if test == "game":
        return declared_result(tested, test, None, declared_game(tested, test, options), options)
    return declared_result(tested, test, e_values_of([tested], options)[0], None, options)
