"""Local models with smooth response functions, p(a|x, lambda) = softmax(features(x) @ lambda)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._records import Record
from .._validation import real_array
from ..exceptions import ScenarioError
from ..targets.behaviors import Behavior
from ..targets.scenario import BellScenario, check_scenario
from ..verification import Verification
from .local_model import LocalModel, check_weights, select_settings

__all__ = ["ResponseModel", "TableResponse"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TableResponse(Record):
    """The response function of a finite scenario: one free number for each setting and outcome.

    The features of a setting are its one-hot vector, so the hidden variable of a party is a table of
    logits, shape ``(m, d)``.

    Args:
        scenario: The scenario.
    """

    scenario: BellScenario
    """The number of settings and outcomes of each party."""

    def __post_init__(self) -> None:
        check_scenario(self.scenario)

    def probabilities(self, party: int, hidden_variables: FloatArray) -> FloatArray:
        """Response probabilities p(a|x, lambda) of one party.

        Args:
            party: Number of the party.
            hidden_variables: Logits, shape ``(H, m, d)``.

        Returns:
            Shape ``(H, m, d)``.
        """
        shifted = np.exp(hidden_variables - hidden_variables.max(axis=2, keepdims=True))
        return shifted / shifted.sum(axis=2, keepdims=True)


@dataclass(frozen=True, eq=False, repr=False)
class ResponseModel(LocalModel):
    """A local model: an ensemble of hidden variables and a response function.

    Args:
        hidden_variables: For each party an array of shape ``(H, m_k, d_k)``.
        response: The response function.
        weights: Probability of each hidden variable, shape ``(H,)``; default: all equally likely.

    Raises:
        ScenarioError: If the shapes do not fit, an entry is not finite, or the weights are no probabilities.
    """

    hidden_variables: tuple[FloatArray, ...]
    """Hidden variables of each party, shape ``(H, m_k, d_k)``."""
    response: TableResponse
    """The response function."""
    weights: FloatArray = None  # type: ignore[assignment]  # filled in below
    """Probability of each hidden variable, shape ``(H,)``."""

    def __post_init__(self) -> None:
        arrays = tuple(real_array(v, "hidden_variables", ScenarioError, ndim=3) for v in self.hidden_variables)
        scenario = self.response.scenario
        sizes = list(zip(scenario.num_settings, scenario.num_outcomes, strict=True))
        if [array.shape[1:] for array in arrays] != sizes or len({len(array) for array in arrays}) != 1:
            raise ScenarioError.bad_argument(
                "hidden_variables",
                expected=f"for each party an array of shape (H, m, d) with (m, d) in {sizes}",
                got=f"shapes {[array.shape for array in arrays]}",
            )
        if not len(arrays[0]):
            raise ScenarioError.bad_argument("hidden_variables", expected="at least one", got="none")
        count = len(arrays[0])
        weights = np.full(count, 1 / count) if self.weights is None else self.weights
        object.__setattr__(self, "hidden_variables", arrays)
        object.__setattr__(self, "weights", check_weights(weights, count))

    def __repr__(self) -> str:
        return f"ResponseModel({self.num_hidden} hidden variables, {self.scenario})"

    @property
    def num_hidden(self) -> int:
        """Size of the ensemble."""
        return len(self.hidden_variables[0])

    @property
    def scenario(self) -> BellScenario:
        """The number of settings and outcomes of each party."""
        return self.response.scenario

    def behavior(self, settings: Sequence[int | None] | None = None) -> Behavior:
        """The behavior that the model produces.

        Args:
            settings: For each party the setting to keep, or ``None`` for all of them; default: all.

        Raises:
            ScenarioError: If a setting is out of range.
        """
        parties = [self.response.probabilities(k, v) for k, v in enumerate(self.hidden_variables)]
        n = len(parties)
        terms: list[Any] = [self.weights, [2 * n]]
        for k, probabilities in enumerate(parties):
            terms += [probabilities, [2 * n, k, n + k]]
        table = np.einsum(*terms, list(range(2 * n)), optimize="greedy")
        return select_settings(Behavior(table), settings)

    def verify(self, target: Behavior | None = None, atol: float = 1e-3) -> Verification:
        """Recomputes the behavior hidden variable by hidden variable and compares it with a target.

        The sums are exactly rounded (``math.fsum``), so the result is good to about 1e-15.

        Args:
            target: A behavior that the model should reproduce; default: only the model itself.
            atol: Largest deviation allowed in any probability.

        Returns:
            Whether the model reproduces the target, with the largest deviation.
        """
        if target is None:
            return Verification(True, f"an average over {self.num_hidden} products of response functions")
        if target.scenario != self.scenario:
            return Verification(False, f"the target has {target.scenario}, the model {self.scenario}", math.inf)
        n = self.scenario.num_parties
        deviation = 0.0
        for cell in np.ndindex(self.scenario.shape):
            product = self.weights
            for k, logits in enumerate(self.hidden_variables):
                # 1 / sum(exp(differences)) is the softmax, without the solver's shift.
                differences = logits[:, cell[k], :] - logits[:, cell[k], cell[n + k]][:, None]
                with np.errstate(over="ignore"):
                    product = product / np.exp(differences).sum(axis=1)
            value = math.fsum(product)
            deviation = max(deviation, abs(value - float(target.array[cell])))
        relation = "within" if deviation <= atol else "but not within"
        return Verification(
            deviation <= atol,
            f"{self.num_hidden} hidden variables reproduce the target to {deviation:.2g}, {relation} {atol:g}",
            deviation,
        )
