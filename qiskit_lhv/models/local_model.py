"""The common base of all local models."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from numpy.typing import ArrayLike

from .._support.types import FloatArray
from .._support.validation import at_most, is_whole_number, real_array
from ..exceptions import ScenarioError
from ..targets.behaviors import Behavior
from ..targets.counts import BellCounts
from ..targets.many_parties.shots import ManyPartyShots
from ..targets.scenario import BellScenario
from ..verification.evidence import Evidence
from ..verification.result import Verification
from .term_predictions import predicted_terms, sampled_shots

__all__ = ["LocalModel", "check_setting_numbers", "check_weights", "reproduction", "require_table", "select_settings"]

MAX_ENTRIES = 1 << 28
"""Largest number of entries of a model's table of all settings and outcomes."""


class LocalModel(Evidence, ABC):
    """Base of the local models: an average of products of the parties' responses."""

    @abstractmethod
    def behavior(self, settings: Sequence[int | None] | None = None) -> Behavior:
        """Returns the behavior that the model produces.

        Args:
            settings: For each party the setting to keep, or ``None`` for all of them; default: all.

        Raises:
            ScenarioError: If a setting is out of range.
        """

    def sample(self, shots: Any, seed: int | None = None) -> BellCounts:
        """Draws counts from the model.

        Args:
            shots: Shots of each setting combination: a number, or an array of shape ``(m_1, ..., m_N)``.
            seed: Seed, or ``None``.

        Raises:
            CountsError: If a shot number is not a positive whole number.
        """
        return self.behavior().sample(shots, seed)

    def mean_outcomes(self) -> tuple[FloatArray, list[FloatArray], BellScenario]:
        """Returns the weights, the mean outcomes of each party of shape ``(H, m_k)``, and the scenario.

        A mean outcome is p(0) - p(1), the mean of the outcomes +1 and -1 for one hidden variable.

        Raises:
            ScenarioError: If the model is not one of settings with two outcomes.
        """
        raise ScenarioError.bad_argument(
            "model", expected="a DeterministicModel, or a ResponseModel of a finite scenario", got=repr(self)
        )

    def term_values(self, rows: ArrayLike) -> FloatArray:
        """Returns the values of correlators, shape ``(T,)``, for any number of parties, without a table.

        Args:
            rows: The terms, shape ``(T, N)``: the setting of each party, -1 if it does not take part.

        Raises:
            ScenarioError: If the model is not one of settings with two outcomes.
            CountsError: If a term is out of range or comes twice.
        """
        return predicted_terms(*self.mean_outcomes(), rows)

    def sample_shots(
        self, settings: ArrayLike, shots: ArrayLike, *, drawn_terms: ArrayLike | None = None, seed: int | None = None
    ) -> ManyPartyShots:
        """Draws shots of any number of parties from the model, without a table.

        Args:
            settings: The setting of each party in each run, shape ``(R, N)``.
            shots: Shots of each run: a number, or an array of shape ``(R,)``.
            drawn_terms: The term that was drawn for each run, shape ``(R, N)``; default: the settings were fixed
                beforehand.
            seed: Seed, or ``None``.

        Raises:
            ScenarioError: If the model is not one of settings with two outcomes.
            CountsError: If settings, terms or numbers of shots are out of range.
        """
        return sampled_shots(*self.mean_outcomes(), settings, shots, drawn_terms, seed)


def check_weights(weights: FloatArray, count: int | None = None) -> FloatArray:
    """Checks the weights of a local model: shape ``(count,)``, probabilities that sum to 1 within 1e-9.

    Raises:
        ScenarioError: If the check fails.
    """
    array = real_array(weights, "weights", ScenarioError, ndim=1)
    if count is not None and len(array) != count:
        raise ScenarioError.bad_argument("weights", expected=f"{count} of them", got=f"{len(array)}")
    if not len(array) or array.min() < 0 or abs(math.fsum(array) - 1) > 1e-9:
        got = f"smallest {array.min():.3g}, sum {math.fsum(array):.12g}" if len(array) else "none"
        raise ScenarioError.bad_argument("weights", expected="non-negative numbers that sum to 1", got=got)
    return array


def check_setting_numbers(settings: Sequence[int | None] | None, scenario: BellScenario) -> list[int | None]:
    """For each party the number of the chosen setting, or ``None`` for all of them.

    Raises:
        ScenarioError: If there is not one entry per party or a setting is out of range.
    """
    sizes = scenario.num_settings
    chosen: list[int | None] = [None] * len(sizes) if settings is None else list(settings)
    valid = len(chosen) == len(sizes) and all(
        x is None or (is_whole_number(x) and 0 <= x < m) for x, m in zip(chosen, sizes, strict=True)
    )
    if not valid:
        raise ScenarioError.bad_argument("settings", expected=f"None or numbers below {sizes}", got=f"{settings}")
    return chosen


def require_table(num_entries: int) -> None:
    """Raises an error if a table of all settings and outcomes would be too large.

    Args:
        num_entries: Number of its entries.

    Raises:
        ScenarioError: If there are more than about 270 million.
    """
    at_most(
        num_entries,
        MAX_ENTRIES,
        "model",
        ScenarioError,
        what="entries of a table of all settings and outcomes",
        remedy="Ask for listed correlators, model.term_values(rows), or draw shots, model.sample_shots(...).",
    )


def select_settings(behavior: Behavior, settings: Sequence[int | None] | None) -> Behavior:
    """Keeps one setting of each party, or all where the entry is ``None``.

    Raises:
        ScenarioError: If there is not one entry per party or a setting is out of range.
    """
    chosen = check_setting_numbers(settings, behavior.scenario)
    if all(x is None for x in chosen):
        return behavior
    kept = tuple(slice(None) if x is None else slice(x, x + 1) for x in chosen)
    sizes = tuple(party[setting] for party, setting in zip(behavior.scenario.num_outcomes, kept, strict=True))
    scenario = BellScenario(tuple(len(party) for party in sizes), sizes)
    outcomes = tuple(slice(most) for most in scenario.max_outcomes)
    return Behavior(behavior.array[kept + outcomes], scenario)


def reproduction(what: str, deviation: Fraction, atol: float) -> Verification:
    """Returns whether a model reproduces a target, given the exact largest deviation.

    Args:
        what: What reproduces the target, such as ``"3 deterministic strategies"``.
        deviation: The largest deviation of any probability.
        atol: The largest one that is accepted.
    """
    relation = "within" if deviation <= atol else "but not within"
    reason = f"{what} reproduce the target to {float(deviation):.2g}, {relation} {atol:g}"
    return Verification(deviation <= atol, reason, float(deviation))
