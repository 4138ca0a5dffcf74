"""How well a local model reproduces listed correlators of many parties, and whether within their errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.types import FloatArray
from .._support.validation import frozen, instance, positive_number, probability
from .._support.words import counted
from ..exceptions import ScenarioError
from ..targets.many_parties.term_values import TermValues
from ..verification.evidence import Evidence
from ..verification.result import Verification
from ..verification.terms import (
    deterministic_terms,
    ensemble_terms,
    joint_p_value,
    log_binomial_p_value,
    log_normal_p_value,
)
from .deterministic import DeterministicModel
from .ensemble import ResponseModel
from .responses import TableResponse

__all__ = ["TermFit"]


@dataclass(frozen=True, eq=False, repr=False)
class TermFit(Evidence):
    """A local model beside listed correlators: its losses, its p-value, and whether it reproduces them within errors.

    The p-value holds for this model if it was fixed before the data. A model that was fitted to them has a larger one,
    so that a model that passes shows that *some* local model explains these terms; it does not show that the data came
    from it. Terms that are not listed are not tested: nothing here says that a state or a behavior is local. If they
    were drawn at random from a longer expression, a model that is fitted after the draw may reproduce the drawn ones
    although none reproduces all: held-out terms show that. A model that does not pass shows nothing.

    Args:
        model: A ``DeterministicModel``, or a ``ResponseModel`` of a finite scenario.
        terms: The values that it should reproduce.
        held_out: For each term whether it was kept from the search, shape ``(T,)``; default: none was.
        alpha: A p-value above this counts as reproduced within errors.
        atol: Largest deviation of exact values that counts as reproduced.

    Raises:
        ScenarioError: If the model does not belong to the terms' scenario, or a number is out of range.

    References:
        V. Vovk and R. Wang, Biometrika 107, 791 (2020), arXiv:1212.4966 (the geometric mean of p-values of any
        dependence).

    Examples:
        The generators of a ring's graph state alone have a local model, in which all outcomes are +1. A result of
        ``find_local_model`` for listed correlators has such a fit.

        >>> from qiskit_lhv import BellScenario
        >>> from qiskit_lhv.models import DeterministicModel
        >>> from qiskit_lhv.targets import TermValues
        >>> scenario = BellScenario([2] * 4, 2)
        >>> rows = [[0, 1, -1, 1], [1, 0, 1, -1], [-1, 1, 0, 1], [1, -1, 1, 0]]
        >>> model = DeterministicModel([1.0], np.zeros((1, 8), dtype=int), scenario)
        >>> fit = TermFit(model, TermValues(scenario, rows, np.ones(4)))
        >>> fit.admits_local_model, fit.max_deviation, fit.loss
        (True, 0.0, 0.0)
    """

    model: DeterministicModel | ResponseModel
    """The local model."""
    terms: TermValues
    """The values that it should reproduce."""
    held_out: NDArray[np.bool_] = None  # type: ignore[assignment]  # filled in below
    """For each term whether it was kept from the search, shape ``(T,)``."""
    alpha: float = 0.01
    """A p-value above this counts as reproduced within errors."""
    atol: float = 1e-3
    """Largest deviation of exact values that counts as reproduced."""

    def __post_init__(self) -> None:
        instance(self.model, (DeterministicModel, ResponseModel), "model", ScenarioError)
        instance(self.terms, TermValues, "terms", ScenarioError)
        if self.model.scenario != self.terms.scenario:
            raise ScenarioError.bad_argument(
                "model", expected=f"a model of {self.terms.scenario}", got=f"one of {self.model.scenario}"
            )
        count = self.terms.num_terms
        held_out = np.zeros(count, dtype=bool) if self.held_out is None else np.asarray(self.held_out)
        if held_out.shape != (count,) or held_out.dtype != bool:
            raise ScenarioError.bad_argument(
                "held_out", expected=f"{count} truth values, one per term", got=f"shape {held_out.shape}"
            )
        object.__setattr__(self, "held_out", frozen(held_out))
        object.__setattr__(self, "alpha", probability(self.alpha, "alpha", ScenarioError, open_interval=True))
        object.__setattr__(self, "atol", positive_number(self.atol, "atol", ScenarioError))

    def __str__(self) -> str:
        text = f"{self.headline} Loss {self.loss:.3e}"
        if self.loss_held_out is not None:
            text += f", on {counted(int(self.held_out.sum()), 'held-out term')} {self.loss_held_out:.3e}"
        if self.chi_square is not None:
            text += f"; chi-square per term {self.chi_square / self.terms.num_terms:.3f}"
        if self.chi_square_held_out is not None:
            text += f", held out {self.chi_square_held_out / int(self.held_out.sum()):.3f}"
        return text

    @property
    def headline(self) -> str:
        """What the fit shows, in words."""
        listed = counted(self.terms.num_terms, "listed term")
        within, figure = "within errors", f"p = {self.p_value:.3g}" if self.p_value is not None else ""
        if self.p_value is None:
            within, figure = f"to {self.atol:g}", f"largest deviation {self.max_deviation:.2g}"
        if self.admits_local_model:
            return f"A local model reproduces {listed} {within} ({figure}); terms that are not listed were not tested."
        advice = "one that is fitted to the held-out terms, too, may" if self.held_out.any() else "another may"
        return f"The local model found does not reproduce {listed} {within} ({figure}); {advice}."

    @cached_property
    def predicted(self) -> FloatArray:
        """The model's value of each term, shape ``(T,)``."""
        return frozen(self.model.term_values(self.terms.rows))

    @cached_property
    def losses(self) -> FloatArray:
        """Divergence of each term's two outcomes from the model's, in nats per shot, shape ``(T,)``.

        For values with standard errors, the divergence of one normal variable from another: half the squared
        deviation in standard errors.
        """
        if self.terms.standard_errors is not None:
            return np.asarray((self.terms.values - self.predicted) ** 2 / (2 * self.terms.standard_errors**2))
        total = np.zeros(self.terms.num_terms)
        for sign in (1, -1):
            p, q = (1 + sign * self.terms.values) / 2, (1 + sign * self.predicted) / 2
            divisor = np.where(p > 0, p, 1.0)
            change = np.where(p > 0, (q - p) / divisor, 0.0)
            # It is infinite if the model excludes an outcome that occurs.
            with np.errstate(divide="ignore"):
                total += np.where(p > 0, p * (change - np.log1p(change)), q)
        return total

    @property
    def loss(self) -> float:
        """Mean divergence of all terms; those from counts are weighted by their shots."""
        return self._mean_loss(np.ones(self.terms.num_terms, dtype=bool))

    @property
    def loss_trained(self) -> float:
        """The same for the terms that the search saw."""
        return self._mean_loss(~self.held_out)

    @property
    def loss_held_out(self) -> float | None:
        """The same for the terms that were kept from the search; ``None`` if there are none."""
        return self._mean_loss(self.held_out) if self.held_out.any() else None

    def _mean_loss(self, chosen: NDArray[np.bool_]) -> float:
        if not chosen.any():
            return math.nan
        shots = self.terms.num_shots
        weights = None if shots is None else shots[chosen].astype(np.float64)
        return float(np.average(self.losses[chosen], weights=weights))

    @property
    def max_deviation(self) -> float:
        """Largest absolute deviation of a value."""
        return float(np.abs(self.predicted - self.terms.values).max())

    @cached_property
    def deviations(self) -> FloatArray | None:
        """Deviation of each value in standard errors, shape ``(T,)``; for counts in those of the model."""
        if self.terms.is_exact:
            return None
        difference = self.terms.values - self.predicted
        if self.terms.num_shots is None:
            assert self.terms.standard_errors is not None
            return np.asarray(difference / self.terms.standard_errors)
        errors = np.sqrt((1 - self.predicted**2) / self.terms.num_shots)
        # A model that is certain allows no deviation.
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(difference == 0, 0.0, difference / errors)

    @property
    def chi_square(self) -> float | None:
        """Sum of the squared deviations in standard errors, of all terms; ``None`` for exact values."""
        return None if self.deviations is None else float((self.deviations**2).sum())

    @property
    def chi_square_held_out(self) -> float | None:
        """The same for held-out terms; as many degrees of freedom as terms, because nothing was fitted to them."""
        if self.deviations is None or not self.held_out.any():
            return None
        return float((self.deviations[self.held_out] ** 2).sum())

    @cached_property
    def _log_p_values(self) -> FloatArray:
        """Logarithm of each term's p-value under the model."""
        from scipy.special import betainc, erfc

        if self.terms.num_shots is None:
            assert self.deviations is not None
            p = erfc(np.abs(self.deviations) / math.sqrt(2))
        else:
            shots = self.terms.num_shots.astype(np.float64)
            plus, chance = np.rint(shots * (1 + self.terms.values) / 2), (1 + self.predicted) / 2
            # Twice the tail on the side of the mean where the count lies; each outcome's tail is the other's.
            below = plus < shots * chance
            seen, other = np.where(below, shots - plus, plus), np.where(below, 1 - chance, chance)
            tail = betainc(np.maximum(seen, 1), shots - seen + 1, other)
            p = np.minimum(1, 2 * np.where(seen > 0, tail, 1.0))
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(p))

    @cached_property
    def p_value(self) -> float | None:
        """Probability of data as far from the model or farther, at most; ``None`` for exact values.

        Of each term, the two-sided tail of a binomial variable (a normal one for standard errors). These are combined
        by twice the smaller one of Bonferroni's rule and, for independent terms, Fisher's, else e times the geometric
        mean, which holds for terms of any dependence.
        """
        if self.terms.is_exact:
            return None
        return joint_p_value(self._log_p_values.tolist(), independent=self.terms.independent)

    @property
    def p_value_held_out(self) -> float | None:
        """The same for held-out terms. If terms are independent, it holds although the model was fitted to others."""
        if self.terms.is_exact or not self.held_out.any():
            return None
        return joint_p_value(self._log_p_values[self.held_out].tolist(), independent=self.terms.independent)

    @property
    def admits_local_model(self) -> bool | None:
        """True if the model reproduces all listed terms within their errors, else ``None``: another model may.

        Exact values have no errors: they must be reproduced to ``atol``.
        """
        p = self.p_value
        return True if (self.max_deviation <= self.atol if p is None else p > self.alpha) else None

    def verify(self) -> Verification:
        """Recomputes values and p-values by other code: whether the model reproduces all listed terms within errors.

        Deterministic models are added up in integers, ensembles with exactly rounded sums.
        """
        model, terms = self.model, self.terms
        if isinstance(model, DeterministicModel):
            found = deterministic_terms(model.weights, model.strategies, terms.scenario.num_settings, terms.rows)
            values = [float(value) for value in found]
        else:
            values = ensemble_terms(model.weights, _outcome_probabilities(model), terms.rows)
        deviation = max(abs(value - own) for value, own in zip(values, terms.values.tolist(), strict=True))
        listed = counted(terms.num_terms, "listed term")
        if terms.is_exact:
            relation = "within" if deviation <= self.atol else "but not within"
            reason = f"the local model reproduces {listed} to {deviation:.2g}, {relation} {self.atol:g}"
            return Verification(deviation <= self.atol, reason, deviation)
        p = joint_p_value(self._checked_logarithms(values), independent=terms.independent)
        relation = "above" if p > self.alpha else "not above"
        reason = f"under the local model, {listed} have a p-value of {p:.3g}, {relation} {self.alpha:g}"
        return Verification(p > self.alpha, reason, deviation)

    def _checked_logarithms(self, values: list[float]) -> list[float]:
        terms = self.terms
        if terms.standard_errors is not None:
            rows = zip(values, terms.values.tolist(), terms.standard_errors.tolist(), strict=True)
            return [log_normal_p_value((seen - value) / error) for value, seen, error in rows]
        assert terms.num_shots is not None
        logarithms = []
        for value, seen, shots in zip(values, terms.values.tolist(), terms.num_shots.tolist(), strict=True):
            chance = min(1.0, max(0.0, (1 + value) / 2))
            logarithms.append(log_binomial_p_value(round(shots * (1 + seen) / 2), shots, chance))
        return logarithms


def _outcome_probabilities(model: ResponseModel) -> list[list[Any]]:
    """Probabilities of outcome 0 of each party and setting, by the second path of the responses."""
    response = model.response
    assert isinstance(response, TableResponse)
    found = []
    for k, m in enumerate(response.scenario.num_settings):
        of_setting = response.outcome_probability(k, model.hidden_variables[k], list(range(m)))
        found.append([of_setting(x, 0) for x in range(m)])
    return found
