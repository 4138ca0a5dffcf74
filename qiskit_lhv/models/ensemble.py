"""Local models with smooth response functions: an ensemble of hidden variables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._support.types import FloatArray
from .._support.validation import real_array
from .._support.words import counted
from ..exceptions import ScenarioError
from ..targets.behaviors import Behavior
from ..targets.many_parties.term_rows import check_two_outcomes
from ..targets.scenario import BellScenario
from ..verification.result import Verification
from .local_model import LocalModel, check_weights, require_table
from .responses import Response, TableResponse

__all__ = ["ResponseModel"]


@dataclass(frozen=True, eq=False, repr=False)
class ResponseModel(LocalModel):
    """A local model given by an ensemble of hidden variables and a response function.

    Args:
        hidden_variables: For each party an array of shape ``(H, m_k, d_k)`` (finite scenarios) or
            ``(H, F)`` with F features (sets of measurements).
        response: The response function.
        weights: Probability of each hidden variable, shape ``(H,)``; default: all equally likely.

    Raises:
        ScenarioError: If the shapes do not fit, an entry is not finite, or the weights are not probabilities.

    References:
        J. S. Bell, Physics Physique Fizika 1, 195 (1964); arXiv:2407.04673 (ensembles that are found by gradient
        descent).

    Examples:
        Bell's model: both parties know one random axis, and each outcome says on which side of it a direction lies. For
        directions at 60 degrees, a singlet has the correlator -1/2, and the model -1/3:

        >>> from qiskit_lhv.measurements import random_directions
        >>> from qiskit_lhv.models import DirectionResponse, OddMonomials
        >>> axes = 1e6 * random_directions(20000, seed=1)
        >>> model = ResponseModel((axes, -axes), DirectionResponse(OddMonomials(1), num_parties=2))
        >>> model
        ResponseModel(20000 hidden variables, 2 qubits)
        >>> behavior = model.behavior([["Z"], ["Z", "60 deg"]])
        >>> print(behavior.to_correlators()[1, 1:].round(2))
        [-1.   -0.33]
    """

    hidden_variables: tuple[FloatArray, ...]
    """Hidden variables of each party, shape ``(H, m_k, d_k)`` or ``(H, F)``."""
    response: Response
    """The response function."""
    weights: FloatArray = None  # type: ignore[assignment]  # filled in below
    """Probability of each hidden variable, shape ``(H,)``."""

    def __post_init__(self) -> None:
        if not isinstance(self.response, Response):
            raise ScenarioError.bad_argument("response", expected="a response function", got=repr(self.response))
        shapes, axes = self.response.hidden_shapes, self.response.hidden_axes
        arrays = tuple(
            real_array(v, "hidden_variables", ScenarioError, ndim=1 + len(shapes[0])) for v in self.hidden_variables
        )
        if [array.shape[1:] for array in arrays] != shapes or len({len(array) for array in arrays}) != 1:
            raise ScenarioError.bad_argument(
                "hidden_variables",
                expected=f"for each party an array of shape (H, {axes}) with ({axes}) in {shapes}",
                got=f"shapes {[array.shape for array in arrays]}",
            )
        if not len(arrays[0]):
            raise ScenarioError.bad_argument("hidden_variables", expected="at least one", got="none")
        count = len(arrays[0])
        weights = np.full(count, 1 / count) if self.weights is None else self.weights
        object.__setattr__(self, "hidden_variables", arrays)
        object.__setattr__(self, "weights", check_weights(weights, count))

    def __repr__(self) -> str:
        return f"ResponseModel({counted(self.num_hidden, 'hidden variable')}, {self.response.describe()})"

    @property
    def num_hidden(self) -> int:
        """Size of the ensemble."""
        return len(self.hidden_variables[0])

    @property
    def num_parties(self) -> int:
        """Number of parties."""
        return len(self.hidden_variables)

    @property
    def scenario(self) -> BellScenario | None:
        """The number of settings and outcomes of each party; ``None`` for all projective measurements."""
        return self.response.scenario if isinstance(self.response, TableResponse) else None

    def mean_outcomes(self) -> tuple[FloatArray, list[FloatArray], BellScenario]:
        """Returns the weights, the mean outcomes of each party of shape ``(H, m_k)``, and the scenario.

        Raises:
            ScenarioError: If the model is not one of settings with two outcomes.
        """
        if self.scenario is None:
            return super().mean_outcomes()
        check_two_outcomes(self.scenario)
        # p(0) - p(1) of a softmax of two logits.
        means = [np.tanh((logits[:, :, 0] - logits[:, :, 1]) / 2) for logits in self.hidden_variables]
        return self.weights, means, self.scenario

    def behavior(self, settings: Sequence[Any] | str | None = None) -> Behavior:
        """Returns the behavior that the model produces.

        Args:
            settings: In a finite scenario, for each party the setting to keep, or ``None`` for all of them;
                default: all. Else one sequence of measurements per party (anything that ``measurement`` takes), or a
                name.

        Raises:
            ScenarioError: If a setting is out of range, or is needed and not given.
            MeasurementError: If a measurement is not one that the responses are made for.
        """
        n = self.num_parties
        terms: list[Any] = [self.weights, [2 * n]]
        parsed = self.response.parse_settings(settings)
        if self.scenario is not None:
            entries = (len(own) * d for own, d in zip(parsed, self.scenario.max_outcomes, strict=True))
            require_table(math.prod(entries))
        for k, chosen in enumerate(parsed):
            terms += [self.response.probabilities(k, self.hidden_variables[k], chosen), [2 * n, k, n + k]]
        table = np.einsum(*terms, list(range(2 * n)), optimize="greedy")
        scenario = self.scenario
        if scenario is None:
            unequal = self.response.scenario_of(parsed)
            return Behavior(table) if unequal is None else Behavior(table, unequal)
        if scenario.has_equal_outcomes:
            return Behavior(table)
        sizes = tuple(tuple(own[x] for x in kept) for own, kept in zip(scenario.num_outcomes, parsed, strict=True))
        chosen_scenario = BellScenario(tuple(len(own) for own in sizes), sizes)
        return Behavior(table[(..., *(slice(most) for most in chosen_scenario.max_outcomes))], chosen_scenario)

    def verify(
        self,
        target: Any = None,
        atol: float = 1e-3,
        *,
        measurements: Any = None,
    ) -> Verification:
        """Recomputes the behavior hidden variable by hidden variable and compares it with a target.

        The sums are exactly rounded (``math.fsum``), so the result is good to about 1e-15. A state, the
        target of a model for a set of measurements, is compared on fixed random
        ones: that is an estimate, not a proof.

        Args:
            target: A ``Behavior`` (finite scenarios), or a state or its ``CorrelationTensor``, that the
                model should reproduce; default: only the model itself is checked.
            atol: Largest deviation allowed in any probability.
            measurements: For states, from where they are drawn; see ``find_local_model``. Default: all
                that the response function tells apart.

        Returns:
            Whether the model reproduces the target, and the largest deviation.
        """
        if target is None:
            return Verification(True, f"an average over {self.num_hidden} products of response functions")
        comparison = self.response.comparison(target, measurements)
        if comparison is None:
            kind = type(target).__name__
            return Verification(False, f"a {kind} that does not fit {self!r}", math.inf)
        table, settings = comparison
        outcomes = [
            self.response.outcome_probability(k, self.hidden_variables[k], settings[k]) for k in range(self.num_parties)
        ]
        n, deviation = self.num_parties, 0.0
        for cell in np.ndindex(table.array.shape):
            product = self.weights
            for k in range(n):
                product = product * outcomes[k](cell[k], cell[n + k])
            deviation = max(deviation, abs(math.fsum(product) - float(table.array[cell])))
        relation = "within" if deviation <= atol else "but not within"
        return Verification(
            deviation <= atol,
            f"{self.num_hidden} hidden variables reproduce the target to {deviation:.2g}, {relation} {atol:g}",
            deviation,
        )
