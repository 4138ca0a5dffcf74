"""A Bell experiment at several values of its circuit's free parameters, all in one job."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit.circuit import Parameter
from qiskit.primitives import DataBin, PubResult

from .._support.validation import shown
from .._support.words import counted
from ..exceptions import CountsError, MeasurementError
from ..quantum.parties import free_parameters
from ..quantum.qubit_layouts import PhysicalQubits
from ..targets.behaviors import Behavior
from ..targets.counts import BellCounts
from .pub_results import PubPlan, list_pub_results
from .repeats import RunLog
from .sampled_experiment import SampledExperiment
from .schedules import SettingSchedule
from .signatures import short_digest
from .transpilation import TranspilerChoice

if TYPE_CHECKING:
    from .bell_experiment import BellExperiment

__all__ = ["BellSweep"]


class BellSweep(SampledExperiment[list[BellCounts]]):
    """A Bell experiment at several values of the free parameters of its circuit; see :meth:`BellExperiment.sweep`.

    Every PUB of the experiment gets a first axis of the values. ``run`` and ``counts`` return a list of counts, one for
    each value in their order; :func:`qiskit_lhv.analysis.analyze` takes each of them.

    Args:
        experiment: The experiment.
        values: As in :meth:`BellExperiment.sweep`.

    Raises:
        MeasurementError: As in :meth:`BellExperiment.sweep`.

    Examples:
        The correlators of CHSH for states from a product state to a Bell pair:

        >>> from qiskit import QuantumCircuit
        >>> from qiskit.circuit import Parameter
        >>> from qiskit_lhv import BellExperiment
        >>> circuit = QuantumCircuit(2)
        >>> _ = circuit.ry(Parameter("theta"), 0), circuit.cx(0, 1)
        >>> sweep = BellExperiment(circuit, "chsh").sweep([0, np.pi / 2])
        >>> sweep
        BellSweep(2 parties with 2 settings of 2 outcomes each, 2 values of theta)
        >>> for behavior in sweep.behaviors():
        ...     print(behavior.to_correlators()[1:, 1:].round(3).tolist())
        [[0.707, 0.707], [0.0, 0.0]]
        [[0.707, 0.707], [0.707, -0.707]]
    """

    def __init__(self, experiment: BellExperiment, values: Any) -> None:
        if not hasattr(experiment, "sweep"):
            raise MeasurementError.bad_argument(
                "experiment",
                expected="a BellExperiment",
                got=shown(experiment),
                remedy="BellExperiment(circuit, settings).sweep(values) makes a sweep.",
            )
        self._experiment = experiment
        self._parameters = free_parameters(experiment.circuit)
        self._values = _parsed_values(values, self._parameters)
        self._values.setflags(write=False)

    def __repr__(self) -> str:
        names = ", ".join(parameter.name for parameter in self._parameters)
        return f"BellSweep({self._experiment.scenario}, {counted(len(self._values), 'value')} of {names})"

    @property
    def experiment(self) -> BellExperiment:
        """The experiment."""
        return self._experiment

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The free parameters, in the order of the circuit."""
        return tuple(self._parameters)

    @property
    def values(self) -> NDArray[np.float64]:
        """The values of the parameters, shape ``(V, P)``."""
        return self._values

    def at(self, index: int) -> BellExperiment:
        """The experiment at one of the values.

        Args:
            index: Place of the value.
        """
        values = dict(zip(self._parameters, self._values[index].tolist(), strict=True))
        bound = self._experiment.circuit.assign_parameters(values)
        return type(self._experiment)(bound, self._experiment.settings, PhysicalQubits(self._experiment.parties))

    def behaviors(self) -> list[Behavior]:
        """The exact behaviors at the values, without noise or shots.

        Raises:
            MeasurementError: If the circuit measures.
        """
        return [self.at(index).behavior() for index in range(len(self._values))]

    # Parts of the above

    @cached_property
    def _signature(self) -> dict[str, str]:
        rounded = np.round(self._values, 8) + 0
        return {"values": short_digest(str(rounded.shape), rounded.tobytes())}

    def _plan(self, shots: ArrayLike | SettingSchedule) -> PubPlan:
        return self._experiment._plan(shots)

    def _pubs(
        self,
        plan: PubPlan,
        backend: Any,
        pass_manager: Any,
        *,
        choice: TranspilerChoice,
        for_any_sampler: bool = False,
    ) -> list[tuple[Any, ...]]:
        values = {parameter: self._values[:, i] for i, parameter in enumerate(self._parameters)}
        return self._experiment._pubs_at(
            plan,
            backend,
            pass_manager,
            choice=choice,
            for_any_sampler=for_any_sampler,
            values=values,
            signature=self._signature,
        )

    def _counts(self, result: Any, plan: PubPlan | None) -> list[BellCounts]:
        pub_results, log = list_pub_results(result), RunLog()
        found = []
        for index in range(len(self._values)):
            parts = [_at_value(part, index, len(self._values)) for part in pub_results]
            found.append(self._experiment._counts_of(parts, plan, log, self._signature))
        log.require_independent()
        return found


def _at_value(pub_result: Any, index: int, number: int) -> PubResult:
    """The part of a PUB's result that belongs to one value."""
    shapes = {bits.shape for bits in pub_result.data.values()}
    if any(not shape or shape[0] != number for shape in shapes):
        raise CountsError.bad_argument(
            "result",
            expected=f"PUBs whose first axis has the {number} values of the sweep",
            got=f"shapes {sorted(shapes)}",
            remedy="Pass the job of the PUBs that pubs() returned.",
        )
    parts = {name: bits[index] for name, bits in pub_result.data.items()}
    shape = next(iter(shapes))[1:]
    return PubResult(DataBin(**parts, shape=shape), pub_result.metadata)


def _parsed_values(values: Any, parameters: list[Parameter]) -> NDArray[np.float64]:
    """The values, shape ``(V, P)``."""
    names = [parameter.name for parameter in parameters]
    if not parameters:
        raise MeasurementError.bad_argument(
            "circuit",
            expected="a circuit with free parameters, for a sweep of their values",
            got="one without any",
            remedy="run(...) runs it.",
        )
    expected = f"{'values' if len(names) == 1 else 'a row of values'} for {', '.join(names)}"
    remedy = (
        f"Such as {{{', '.join(f'{name!r}: [0.1, 0.2]' for name in names[:4])}{', ...' if len(names) > 4 else ''}}}."
    )

    def error(got: str) -> MeasurementError:
        return MeasurementError.bad_argument("values", expected=expected, got=got, remedy=remedy)

    if isinstance(values, Mapping):
        by_name = {key.name if isinstance(key, Parameter) else str(key): value for key, value in values.items()}
        if set(by_name) != set(names):
            raise error(f"values for {', '.join(map(str, by_name)) or 'none'}")
        try:
            values = np.stack(np.broadcast_arrays(*[np.atleast_1d(by_name[name]) for name in names]), axis=-1)
        except ValueError as exc:
            raise error("different numbers of values") from exc
    try:
        array = np.array(values, dtype=float)
    except (TypeError, ValueError) as exc:
        raise error(shown(values)) from exc
    if array.ndim < 2:
        array = array.reshape(-1, 1) if len(names) == 1 else np.atleast_2d(array)
    if array.ndim != 2 or array.shape[1] != len(names) or not len(array) or not np.all(np.isfinite(array)):
        raise error(f"an array of shape {np.shape(values)}" if np.all(np.isfinite(array)) else "NaN or infinity")
    return array
