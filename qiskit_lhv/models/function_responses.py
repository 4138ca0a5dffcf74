"""Response functions of a user's own: of projective qubit measurements, and of measurements of any dimension."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from .._support.types import FloatArray
from .._support.validation import generator, whole_number, whole_numbers
from ..exceptions import ScenarioError
from ..measurements.effect_sets import POVMs
from ..measurements.qubit_sets import AllProjective
from ..measurements.random_effects import padded
from ..measurements.sets import MeasurementSet
from .effect_responses import MeasurementResponse, stacked_effects
from .function_digest import add_to_digest
from .responses import QubitResponse

__all__ = ["EffectFunctionResponse", "FunctionResponse", "UserFunction"]


class UserFunction:
    """What response functions share that call a user's function of settings and hidden variables."""

    function: Callable[[Any, Any], Any]
    num_variables: int

    function_takes: ClassVar[str]
    """What the function takes and returns, in a sentence for errors."""

    @property
    def hidden_shapes(self) -> list[tuple[int, ...]]:
        """Shape ``(num_variables,)`` for each party."""
        return [(int(self.num_variables),)] * cast(Any, self).num_parties

    def identity(self) -> str:
        """The function's name and a digest of its code, with the values it closes over."""
        digest = hashlib.sha256()
        add_to_digest(digest, self.function, {})
        return f"{getattr(self.function, '__qualname__', type(self.function).__qualname__)} {digest.hexdigest()}"

    def _require_function(self) -> None:
        """Raises ScenarioError if there is no function, or no number of variables."""
        if not callable(self.function):
            raise ScenarioError.bad_argument("function", expected="a function", got=repr(self.function))
        whole_number(self.num_variables, "num_variables", ScenarioError)

    def _values(self, settings: Any, hidden_variables: FloatArray) -> FloatArray:
        """What the function returns, in float64."""
        import jax

        with jax.enable_x64(True):
            result = np.asarray(self.function(settings, hidden_variables), dtype=np.float64)
        if not np.isfinite(result).all():
            raise self._refused("finite numbers", "NaN or infinity")
        return result

    def _tried(
        self,
        several: list[Any],
        hidden_variables: FloatArray,
        shape: tuple[int, ...],
        axes: str,
        sizes: str,
        weights: FloatArray | None = None,
    ) -> list[FloatArray]:
        """Tries the function, forwards and backwards, and returns its values for each of several settings.

        Args:
            several: Settings to try; the shape, the values and the gradient are looked at for the first ones.
            hidden_variables: Shape ``(H, F)``.
            shape: What the function has to return.
            axes: The axes of this shape in letters, for messages.
            sizes: The sizes that were tried, for messages.
            weights: Of the values in the sum whose gradient is tried; default: all equal.

        Raises:
            ScenarioError: If the function fails, returns another shape, NaN or numbers that are no probabilities, or
                has no finite gradient.
        """
        import jax

        def total(hidden: Any) -> Any:
            values = self.function(several[0], hidden)
            return (values if weights is None else weights * values).sum()

        try:
            with jax.enable_x64(True):
                found = [np.asarray(jax.jit(self.function)(settings, hidden_variables)) for settings in several]
                first = found[0]
                if first.shape == shape:
                    slope = jax.jit(jax.grad(total))(hidden_variables)
        except Exception as exc:  # a user's function can fail in any way
            raise self._refused(
                "a function that JAX can trace and differentiate", f"{type(exc).__name__}: {exc}"
            ) from exc
        if first.shape != shape:
            raise self._refused(f"shape {axes}", f"shape {first.shape} for {sizes}")
        if not (np.isfinite(first).all() and np.isfinite(slope).all()):
            what = "probabilities" if not np.isfinite(first).all() else "gradient"
            raise self._refused("finite numbers", f"NaN or infinity in the {what}")
        if first.min() < -1e-9 or first.max() > 1 + 1e-9:
            raise self._refused("probabilities", f"numbers from {first.min():.3g} to {first.max():.3g}")
        return found

    def _refused(self, expected: str, got: str) -> ScenarioError:
        return ScenarioError.bad_argument("function", expected=expected, got=got, remedy=self.function_takes)


@dataclass(frozen=True, eq=False)
class FunctionResponse(UserFunction, QubitResponse):
    """A user-defined response function for projective qubit measurements.

    Args:
        function: ``function(directions, hidden_variables)`` with Bloch vectors of shape ``(m, 3)`` and hidden
            variables of shape ``(H, F)`` returns the probabilities of outcome 0, shape ``(H, m)``. It
            must be written with ``jax.numpy`` and obey p(-n) = 1 - p(n).
        num_variables: Number F of components of a party's hidden variable.
        num_parties: Number of parties, each of one qubit.

    Raises:
        ScenarioError: If ``function`` is not callable; or if, on random directions and hidden variables, it returns
            another shape, NaN or numbers that are not probabilities, breaks p(-n) = 1 - p(n), or has no finite
            gradient.

    References:
        J. S. Bell, Physics Physique Fizika 1, 195 (1964) (a response function that is the sign of a scalar product).

    Examples:
        A smooth version of Bell's response, for three settings from the direction of the hidden variable to the
        equator:

        >>> import jax.numpy as jnp
        >>> from qiskit_lhv.models import FunctionResponse
        >>> def steep(directions, hidden_variables):
        ...     return (1 + jnp.tanh(3 * hidden_variables @ directions.T)) / 2
        >>> response = FunctionResponse(steep, num_variables=3, num_parties=2)
        >>> directions = np.array([[0, 0, 1], [0.8, 0, 0.6], [1, 0, 0]])
        >>> response.means(0, np.array([[0, 0, 1.0]]), directions).round(3).tolist()
        [[0.995, 0.947, 0.0]]
    """

    function: Callable[[Any, Any], Any]
    """Probabilities of outcome 0."""
    num_variables: int
    """Number of components of a party's hidden variable."""
    num_parties: int
    """Number of parties."""
    function_takes: ClassVar[str] = (
        "function(directions, hidden_variables) takes shapes (m, 3) and (H, F), is written with jax.numpy, and returns "
        "the probabilities of outcome 0, shape (H, m)."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_function()
        self._check()

    def _check(self) -> None:
        """Tries the function on random directions and hidden variables."""
        rng, m, count = generator(0), 6, 10
        directions, hidden = AllProjective().draw(rng, m), rng.normal(size=(count, self.num_variables))
        sizes = f"H = {count} and m = {m}"
        forward, backward = self._tried([directions, -directions], hidden, (count, m), "(H, m)", sizes)
        if (worst := np.abs(forward + backward - 1).max()) > 1e-6:
            raise self._refused("p(-n) = 1 - p(n)", f"a sum p(n) + p(-n) that misses 1 by up to {worst:.3g}")

    def means(self, party: int, hidden_variables: FloatArray, directions: FloatArray) -> FloatArray:
        """The function's probabilities, as means, in float64.

        Args:
            party: Number of the party.
            hidden_variables: Shape ``(H, F)``.
            directions: Bloch vectors, shape ``(m, 3)``.
        """
        return 2 * self._values(directions, hidden_variables) - 1

    def outcome_probability(
        self, party: int, hidden_variables: FloatArray, settings: FloatArray
    ) -> Callable[[int, int], FloatArray]:
        """The function itself, one direction at a time.

        Args:
            party: Number of the party.
            hidden_variables: Shape ``(H, F)``.
            settings: Bloch vectors, shape ``(m, 3)``.
        """

        def response(x: int, a: int) -> FloatArray:
            first = (1 + self.means(party, hidden_variables, settings[x : x + 1])[:, 0]) / 2
            return first if a == 0 else 1 - first

        return response


@dataclass(frozen=True, eq=False)
class EffectFunctionResponse(UserFunction, MeasurementResponse):
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

    References:
        J. Barrett, Phys. Rev. A 65, 042302 (2002), arXiv:quant-ph/0107045 (response functions of the effects of POVMs).

    Examples:
        Each party's hidden variable is a state, here of a qutrit with real amplitudes, and outcomes follow Born's rule;
        such models are those of separable states:

        >>> import jax.numpy as jnp
        >>> from qiskit_lhv.measurements import measurement
        >>> from qiskit_lhv.models import EffectFunctionResponse
        >>> def born(effects, hidden_variables):
        ...     states = hidden_variables / jnp.sqrt((hidden_variables**2).sum(axis=1, keepdims=True))
        ...     return jnp.einsum("hi,maij,hj->hma", states, effects.real, states)
        >>> response = EffectFunctionResponse(born, num_variables=3, dimensions=(3, 3))
        >>> fourier = np.exp(2j * np.pi / 3 * np.outer(range(3), range(3))) / 3**0.5
        >>> bases = [measurement(basis=np.eye(3)), measurement(basis=fourier)]
        >>> abs(response.probabilities(0, np.array([[1.0, 1.0, 1.0]]), bases)).round(3).tolist()
        [[[0.333, 0.333, 0.333], [1.0, 0.0, 0.0]]]
    """

    function: Callable[[Any, Any], Any]
    """Probabilities of all outcomes."""
    num_variables: int
    """Number of components of a party's hidden variable."""
    dimensions: tuple[int, ...] = ()
    """Dimension of the space of each party."""
    function_takes: ClassVar[str] = (
        "function(effects, hidden_variables) takes shapes (m, d, D, D) and (H, F), is written with jax.numpy, and "
        "returns the probabilities of all outcomes, shape (H, m, d)."
    )

    def __post_init__(self) -> None:
        self._require_function()
        object.__setattr__(self, "dimensions", whole_numbers(self.dimensions, "dimensions", ScenarioError, minimum=2))
        for dimension in sorted(set(self.dimensions)):
            self._check(dimension)

    @property
    def domains(self) -> tuple[MeasurementSet, ...]:
        """All POVMs."""
        return tuple(POVMs(dimension) for dimension in self.dimensions)

    def probabilities(self, party: int, hidden_variables: FloatArray, settings: Any) -> FloatArray:
        """The function's probabilities, in float64.

        Args:
            party: Number of the party.
            hidden_variables: Shape ``(H, F)``.
            settings: Measurements, or their effects, shape ``(m, d, D, D)``.
        """
        return self._values(stacked_effects(settings), hidden_variables)

    def outcome_probability(
        self, party: int, hidden_variables: FloatArray, settings: Any
    ) -> Callable[[int, int], FloatArray]:
        """The function itself, one measurement at a time.

        Args:
            party: Number of the party.
            hidden_variables: Shape ``(H, F)``.
            settings: Measurements, or their effects, shape ``(m, d, D, D)``.
        """
        effects = stacked_effects(settings)

        def response(x: int, a: int) -> FloatArray:
            return self.probabilities(party, hidden_variables, effects[x : x + 1])[:, 0, a]

        return response

    def _check(self, dimension: int) -> None:
        """Tries the function on random POVMs, one of whose outcomes is missing, and random hidden variables."""
        rng, m, count = generator(0), 4, 10
        effects = padded(POVMs(dimension).draw(rng, m), dimension**2 + 1)
        hidden = rng.normal(size=(count, self.num_variables))
        shape = (count, m, dimension**2 + 1)
        # The sum over outcomes is constant, so it is weighted.
        (found,) = self._tried(
            [effects], hidden, shape, "(H, m, d)", f"H, m, d = {shape}", weights=rng.normal(size=shape)
        )
        if (worst := np.abs(found.sum(axis=2) - 1).max()) > 1e-6:
            raise self._refused("probabilities that sum to 1", f"a sum that misses 1 by up to {worst:.3g}")
        if (most := found[:, :, -1].max()) > 1e-9:
            raise self._refused("probability 0 for an effect that is zero", f"{most:.3g}")
