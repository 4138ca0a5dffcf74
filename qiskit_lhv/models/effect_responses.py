"""Response functions of measurements of any dimension, which depend on the effects of all outcomes."""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._support.types import ComplexArray, FloatArray
from .._support.validation import generator, whole_number, whole_numbers
from ..exceptions import ScenarioError
from ..measurements.effect_sets import POVMs
from ..measurements.named_sets import measurement_sets
from ..measurements.random_effects import padded
from ..measurements.sets import MeasurementSet
from ..measurements.specification import Measurement, measurement, parse_settings
from ..quantum.parties import QUANTUM_STATES
from ..targets.behaviors import Behavior
from ..targets.correlations import CorrelationTensor
from ..targets.operator_basis import coordinates_of_effects, scenario_of_settings
from ..targets.scenario import BellScenario
from .effect_features import EffectFeatures, effects_of_members, weights_and_bloch_vectors
from .function_digest import add_to_digest
from .responses import Response

__all__ = ["EffectFunctionResponse", "EffectResponse", "MeasurementResponse", "fine_grained"]

# Measurements per party on which a model is checked, and their combinations.
_CHECKED_MEASUREMENTS, _CHECKED_SETTINGS = 12, 256
# Eigenvalues of effects up to this size are rounding.
_ZERO = 1e-10


class MeasurementResponse(Response):
    """Base of the response functions of measurements of any dimension."""

    hidden_axes = "F"

    @property
    @abstractmethod
    def dimensions(self) -> tuple[int, ...]:
        """Dimension of the space of each party."""

    @property
    def num_parties(self) -> int:
        """Number of parties."""
        return len(self.dimensions)

    @property
    @abstractmethod
    def domains(self) -> tuple[MeasurementSet, ...]:
        """The measurements of each party that the responses are made for."""

    def describe(self) -> str:
        """The dimensions of the parties."""
        return f"parties of dimension {', '.join(map(str, self.dimensions))}"

    def parse_settings(self, settings: Any) -> list[Any]:
        """Measurements of each party, of its dimension."""
        return list(parse_settings(settings, self.dimensions))

    def prepared(self, party: int, settings: Any) -> Any:
        """Settings in a form from which ``probabilities`` follow with less work, for many calls with the same ones.

        Args:
            party: Number of the party.
            settings: Measurements, or their effects, shape ``(m, d, D, D)``.
        """
        return settings

    def scenario_of(self, settings: list[Any]) -> BellScenario | None:
        """The scenario of measurements."""
        return scenario_of_settings(settings)

    def comparison(self, target: Any, measurements: Any) -> tuple[Behavior, list[Any]] | None:
        """The target's behavior for fixed random measurements; the target is a state or tensor of these dimensions."""
        if isinstance(target, QUANTUM_STATES):
            target = CorrelationTensor.from_state(target)
        if not isinstance(target, CorrelationTensor) or target.dimensions != self.dimensions:
            return None
        count = min(_CHECKED_MEASUREMENTS, max(2, math.floor(_CHECKED_SETTINGS ** (1 / self.num_parties) + 1e-9)))
        rng = generator(0)
        sets = measurement_sets(self.domains if measurements is None else measurements, self.dimensions)
        drawn = [effects_of_members(party, party.draw(rng, count)) for party in sets]
        settings = [[measurement(own) for own in party] for party in drawn]
        return target.behavior(settings), list(settings)


@dataclass(frozen=True)
class _PreparedSettings:
    """Weights and features of the effects of measurements."""

    weights: FloatArray
    """Traces of the effects, shape ``(m, d * parts)``."""
    features: FloatArray
    """Features, shape ``(m, d * parts, F)``."""
    parts: int
    """How many effects in a row form one outcome."""


@dataclass(frozen=True, eq=False)
class EffectResponse(MeasurementResponse):
    """The response function of PVMs and POVMs: outcome a has probability ``softmax(log Tr E_a + phi_a @ lambda)``.

    The features phi_a are polynomials of the effect's Bloch vector. The probability vanishes with the effect, and to
    split an effect into parts in proportion splits its probability; so measurements may have any number of outcomes.

    Where the features are made for effects of rank one, an effect of higher rank has the sum of the probabilities of
    its eigenvectors' effects.

    Args:
        features: The features of each party; parties may have different dimensions and sets of measurements.

    Raises:
        ScenarioError: If they are not ``EffectFeatures``.
    """

    features: tuple[EffectFeatures, ...]
    """The features of each party."""

    def __post_init__(self) -> None:
        given = self.features if isinstance(self.features, Sequence) else ()
        if not given or not all(isinstance(own, EffectFeatures) for own in given):
            raise ScenarioError.bad_argument(
                "features", expected="EffectFeatures for each party", got=repr(self.features)
            )
        object.__setattr__(self, "features", tuple(given))

    def __str__(self) -> str:
        return f"EffectResponse({', '.join(map(str, self.features))})"

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Dimensions of the features."""
        return tuple(own.dimension for own in self.features)

    @property
    def domains(self) -> tuple[MeasurementSet, ...]:
        """The sets of measurements of the features."""
        return tuple(own.measurements for own in self.features)

    @property
    def hidden_shapes(self) -> list[tuple[int, ...]]:
        """Shape ``(number of features,)`` for each party."""
        return [(own.size,) for own in self.features]

    def probabilities(self, party: int, hidden_variables: FloatArray, settings: Any) -> FloatArray:
        """Softmax over outcomes, weighted by the traces of the effects.

        Args:
            party: Number of the party.
            hidden_variables: Shape ``(H, F)``.
            settings: Measurements, their effects, shape ``(m, d, D, D)``, or what :meth:`prepared` returns.
        """
        given = self.prepared(party, settings)
        weights, features, parts = given.weights, given.features, given.parts
        logits = np.tensordot(hidden_variables, features, axes=(1, 2))
        # The weight of an outcome that a measurement lacks is zero; its logit must not be the largest.
        logits = np.where(weights > 0, logits, -np.inf)
        shifted = weights * np.exp(logits - logits.max(axis=2, keepdims=True))
        table = shifted / shifted.sum(axis=2, keepdims=True)
        return np.asarray(table.reshape(*table.shape[:2], -1, parts).sum(axis=3))

    def outcome_probability(
        self, party: int, hidden_variables: FloatArray, settings: Any
    ) -> Callable[[int, int], FloatArray]:
        """p(a|x, lambda) as ``1 / sum(exp(differences))``, outcome by outcome."""
        given = self.prepared(party, settings)
        weights, features, parts = given.weights, given.features, given.parts

        def response(x: int, a: int) -> FloatArray:
            total = np.zeros(len(hidden_variables))
            for part in range(a * parts, (a + 1) * parts):
                if weights[x, part] > 0:
                    differences = hidden_variables @ (features[x] - features[x, part]).T
                    with np.errstate(over="ignore"):
                        total += weights[x, part] / (np.exp(differences) @ weights[x])
            return total

        return response

    def prepared(self, party: int, settings: Any) -> _PreparedSettings:
        """Weights and features of the effects of measurements.

        Args:
            party: Number of the party.
            settings: Measurements, or their effects, shape ``(m, d, D, D)``.
        """
        if isinstance(settings, _PreparedSettings):
            return settings
        own, effects, parts = self.features[party], stacked_effects(settings), 1
        if own.rank_one:
            # The features are made for effects of rank one.
            effects, parts = fine_grained(effects)
        coordinates = coordinates_of_effects(effects)
        weights, _ = weights_and_bloch_vectors(coordinates)
        return _PreparedSettings(weights, own.of_coordinates(coordinates), parts)


@dataclass(frozen=True, eq=False)
class EffectFunctionResponse(MeasurementResponse):
    """A user-defined response function for measurements of any dimension.

    Args:
        function: ``function(effects, hidden_variables)`` with effects of shape ``(m, d, D, D)`` (those of outcomes that
            a measurement does not have are zero) and hidden variables of shape ``(H, F)`` returns the probabilities of
            all outcomes, shape ``(H, m, d)``. It must be written with ``jax.numpy``.
        num_variables: Number F of components of a party's hidden variable.
        dimensions: Dimension of the space of each party.

    Raises:
        ScenarioError: If ``function`` is not callable; or if, on random POVMs and hidden variables, it returns another
            shape, NaN, or numbers that are not probabilities or do not sum to 1, gives a probability to an effect that
            is zero, or has no finite gradient.

    Examples:
        >>> import jax.numpy as jnp
        >>> from qiskit_lhv.models import EffectFunctionResponse
        >>> def in_proportion(effects, hidden_variables):
        ...     weights = jnp.trace(effects, axis1=2, axis2=3).real / effects.shape[-1]
        ...     return jnp.broadcast_to(weights, (len(hidden_variables), *weights.shape)) + 0 * hidden_variables.sum()
        >>> EffectFunctionResponse(in_proportion, num_variables=1, dimensions=(3, 3)).hidden_shapes
        [(1,), (1,)]
    """

    function: Callable[[Any, Any], Any]
    """Probabilities of all outcomes."""
    num_variables: int
    """Number of components of a party's hidden variable."""
    dimensions: tuple[int, ...] = ()
    """Dimension of the space of each party."""

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise ScenarioError.bad_argument("function", expected="a function", got=repr(self.function))
        whole_number(self.num_variables, "num_variables", ScenarioError)
        object.__setattr__(self, "dimensions", whole_numbers(self.dimensions, "dimensions", ScenarioError, minimum=2))
        for dimension in sorted(set(self.dimensions)):
            self._check(dimension)

    @property
    def domains(self) -> tuple[MeasurementSet, ...]:
        """All POVMs."""
        return tuple(POVMs(dimension) for dimension in self.dimensions)

    @property
    def hidden_shapes(self) -> list[tuple[int, ...]]:
        """Shape ``(num_variables,)`` for each party."""
        return [(int(self.num_variables),)] * self.num_parties

    def identity(self) -> str:
        """The function's name and a digest of its code, with the values it closes over."""
        digest = hashlib.sha256()
        add_to_digest(digest, self.function, {})
        return f"{getattr(self.function, '__qualname__', type(self.function).__qualname__)} {digest.hexdigest()}"

    def probabilities(self, party: int, hidden_variables: FloatArray, settings: Any) -> FloatArray:
        """The function's probabilities, in float64."""
        import jax

        with jax.enable_x64(True):
            result = np.asarray(self.function(stacked_effects(settings), hidden_variables), dtype=np.float64)
        if not np.isfinite(result).all():
            raise self._refused("finite numbers", "NaN or infinity")
        return result

    def outcome_probability(
        self, party: int, hidden_variables: FloatArray, settings: Any
    ) -> Callable[[int, int], FloatArray]:
        """The function itself, one measurement at a time."""
        effects = stacked_effects(settings)

        def response(x: int, a: int) -> FloatArray:
            return self.probabilities(party, hidden_variables, effects[x : x + 1])[:, 0, a]

        return response

    def _check(self, dimension: int) -> None:
        """Tries the function, forwards and backwards, on random POVMs, one of which lacks an outcome."""
        import jax

        rng, m, count = generator(0), 4, 10
        effects = padded(POVMs(dimension).draw(rng, m), dimension**2 + 1)
        hidden = rng.normal(size=(count, self.num_variables))
        shape = (count, m, dimension**2 + 1)
        try:
            with jax.enable_x64(True):
                found = np.asarray(jax.jit(self.function)(effects, hidden))
                if found.shape == shape:
                    factors = rng.normal(size=shape)
                    slope = jax.jit(jax.grad(lambda h: (factors * self.function(effects, h)).sum()))(hidden)
        except Exception as exc:  # a user's function can fail in any way
            raise self._refused(
                "a function that JAX can trace and differentiate", f"{type(exc).__name__}: {exc}"
            ) from exc
        if found.shape != shape:
            raise self._refused("shape (H, m, d)", f"shape {found.shape} for H, m, d = {shape}")
        if not (np.isfinite(found).all() and np.isfinite(slope).all()):
            what = "probabilities" if not np.isfinite(found).all() else "gradient"
            raise self._refused("finite numbers", f"NaN or infinity in the {what}")
        if found.min() < -1e-9 or found.max() > 1 + 1e-9:
            raise self._refused("probabilities", f"numbers from {found.min():.3g} to {found.max():.3g}")
        if (worst := np.abs(found.sum(axis=2) - 1).max()) > 1e-6:
            raise self._refused("probabilities that sum to 1", f"a sum that misses 1 by up to {worst:.3g}")
        if (most := found[:, :, -1].max()) > 1e-9:
            raise self._refused("probability 0 for an effect that is zero", f"{most:.3g}")

    def _refused(self, expected: str, got: str) -> ScenarioError:
        return ScenarioError.bad_argument(
            "function",
            expected=expected,
            got=got,
            remedy="function(effects, hidden_variables) takes shapes (m, d, D, D) and (H, F), is written with "
            "jax.numpy, and returns the probabilities of all outcomes, shape (H, m, d).",
        )


def stacked_effects(settings: Any) -> ComplexArray:
    """Effects of measurements, shape ``(m, d, D, D)``; those of outcomes that a measurement does not have are zero.

    Args:
        settings: Measurements of one dimension, or such effects.
    """
    if isinstance(settings, np.ndarray):
        return settings
    chosen: Sequence[Measurement] = settings
    most = max(own.num_outcomes for own in chosen)
    return np.concatenate([padded(own.effects[None], most) for own in chosen])


def fine_grained(effects: ComplexArray) -> tuple[ComplexArray, int]:
    """Effects of rank one, by which each effect of higher rank is replaced: those of its eigenvectors.

    Args:
        effects: Shape ``(m, d, D, D)``.

    Returns:
        Effects of shape ``(m, d * parts, D, D)``, and the number of parts in a row that add up to one effect.
    """
    values, vectors = np.linalg.eigh(effects)
    values = np.where(values > _ZERO, values, 0.0)
    parts = int(np.sum(values > 0, axis=-1).max())
    if parts <= 1:
        return effects, 1
    # The largest eigenvalues come last.
    values, vectors = values[..., -parts:], vectors[..., -parts:]
    split = np.einsum("xap,xaip,xajp->xapij", values, vectors, vectors.conj())
    return split.reshape(len(effects), -1, *effects.shape[2:]), parts
