"""What the search for a local model of states needs to know, whatever the parties measure."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np
from numpy.typing import NDArray

from .._support.types import FloatArray
from ..exceptions import MeasurementError
from ..measurements.sets import MeasurementSet
from ..models.ensemble import ResponseModel
from ..models.responses import Response
from ..quantum.qubit_layouts import PhysicalQubits
from ..targets.correlations import CorrelationTensor
from ..targets.qubits import tensor_of_parties
from .devices import ON_ONE_DEVICE, Devices, EnsembleLayout
from .orbits import Orbits
from .search_run import SearchRun

__all__ = [
    "LEAST_ORBITS",
    "FreeVariables",
    "StateProblem",
    "grid_sizes",
    "random_start",
    "searched_tensor",
    "spread_over_runs",
]

LEAST_ORBITS = 16
"""Free hidden variables that a symmetry must leave."""
COPIES = 5
"""Arrays of the size of the responses that a step keeps, gradients included."""
# Largest dimension of the whole space of the states whose models are searched.
_LARGEST_DIMENSION = 4096


@dataclass(frozen=True)
class FreeVariables:
    """How many hidden variables are free, and how the whole ensemble follows from them."""

    size: int
    """Number of free hidden variables."""
    paired: bool = False
    """Whether each of them also stands for its opposite."""
    orbits: Orbits | None = None
    """The images under a symmetry that each of them stands for as well."""

    @property
    def images(self) -> int:
        """Number of hidden variables for which each free one stands."""
        return (2 if self.paired else 1) * (1 if self.orbits is None else self.orbits.order)

    def expanded(self, hidden: list[FloatArray]) -> list[FloatArray]:
        """Returns the whole ensemble, the free ones first.

        Args:
            hidden: Free hidden variables of each party, shape ``(size, F)``.
        """
        if self.orbits is not None:
            hidden = self.orbits.expanded(hidden)
        return [np.concatenate([own, -own]) for own in hidden] if self.paired else hidden


@dataclass(frozen=True)
class StateProblem(ABC):
    """Tensors of states, the measurements that are made on them, and the response function."""

    tensors: tuple[CorrelationTensor, ...]
    """Tensors of the states, of the same dimensions."""
    measurements: tuple[MeasurementSet, ...]
    """The measurements of each party."""
    response: Response
    """The response function."""
    num_settings: int
    """About how many setting combinations a step compares."""
    sampling: str
    """``"lattice"``: measurements of a step are evenly spread; ``"uniform"``: independent."""

    default_hidden: ClassVar[int]
    """Size of the ensemble, unless the caller chooses another."""
    default_steps: ClassVar[int] = 1000
    """Number of steps, unless the caller chooses another."""

    @abstractmethod
    def rate(self, num_hidden: int) -> float:
        """Returns the learning rate for an ensemble, unless the caller chooses another."""

    @abstractmethod
    def free_variables(self, run: SearchRun, num_hidden: int, initial: ResponseModel | None) -> FreeVariables:
        """Returns how the ensemble is represented.

        Args:
            run: What the caller asked for.
            num_hidden: Size of the whole ensemble, unless the caller left it open.
            initial: The model to start from, if there is one.
        """

    @abstractmethod
    def start(self, size: int, runs: tuple[int, int], seed: int) -> list[NDArray[np.float32]]:
        """Random free hidden variables of every party, float32, shape ``(*runs, F, size)``; targets start alike."""

    @abstractmethod
    def loss(
        self, name: str, free: FreeVariables, layout: EnsembleLayout = ON_ONE_DEVICE
    ) -> Callable[[Any, Any], jax.Array]:
        """Returns the loss of every run, averaged over the setting combinations of a product grid.

        Args:
            name: One of ``LOSSES``.
            free: How the ensemble is represented.
            layout: Where it lies.
        """

    @abstractmethod
    def floats_each(self, free: FreeVariables) -> float:
        """Returns how many numbers a run computes from one hidden variable, without those that gradients need.

        Args:
            free: How the ensemble is represented.
        """

    def layout(self, free: FreeVariables, devices: Devices, num_starts: int) -> EnsembleLayout:
        """Returns where the ensemble lies.

        Args:
            free: How the ensemble is represented.
            devices: Devices and memory that the caller allows.
            num_starts: Starts that run side by side.

        Raises:
            LHVError: If the devices do not divide the ensemble.
        """
        orbit = 1 if free.orbits is None else free.orbits.order
        runs = num_starts * len(self.tensors)
        bytes_each = 4.0 * COPIES * runs * orbit * self.floats_each(free)
        return devices.layout(free.size, bytes_each, free.images, symmetric=free.orbits is not None)

    @abstractmethod
    def batches(self, seed: int) -> Callable[[int, int], Any]:
        """Returns the data of steps; every step has a seed of its own, so that a run can start at any step.

        Args:
            seed: Seed of the run.
        """

    @property
    def grid_sizes(self) -> list[int]:
        """Number of measurements of each party in a step."""
        return grid_sizes(self.num_settings, self.measurements)

    def members(self, seed: int, first: int, count: int) -> list[NDArray[Any]]:
        """Measurements of some steps, for each party, shape ``(count, n_k, ...)``.

        Args:
            seed: Seed of the run.
            first: Number of the first step.
            count: Number of steps.
        """
        drawn = []
        for k, (own, size) in enumerate(zip(self.measurements, self.grid_sizes, strict=True)):
            draw = own.spread if self.sampling == "lattice" else own.draw
            drawn.append(np.stack([draw(np.random.default_rng([seed, first + i, k]), size) for i in range(count)]))
        return drawn


def searched_tensor(
    state: Any, parties: Sequence[Any] | PhysicalQubits | None = None, name: str = "state"
) -> CorrelationTensor:
    """The correlations of a state whose models can be searched: 1 to 6 parties.

    Args:
        state: A state or its correlations.
        parties: The qubits of each party of a state; default: one party per qubit or subsystem.
        name: Name of the argument, for the message.

    Raises:
        MeasurementError: If it is not a valid state, or one of too many or too large parties.
    """
    tensor = tensor_of_parties(state, parties, name, fewest=1, largest=_LARGEST_DIMENSION)
    if tensor.num_parties == 1 and tensor.dimensions[0] > 3 and parties is None and tensor is not state:
        # A matrix without dimensions is one party to Qiskit, and hardly ever meant so.
        raise MeasurementError.bad_argument(
            name,
            expected="a state of several parties",
            got=f"one party of dimension {tensor.dimensions[0]}",
            remedy="Give the dimensions, DensityMatrix(matrix, dims=(3, 3)); one large party is named by parties=[...] "
            "or goes in as a CorrelationTensor.",
        )
    return tensor


def grid_sizes(num_settings: int, measurements: Sequence[MeasurementSet]) -> list[int]:
    """Returns the number of measurements of each party for a grid of about ``num_settings`` combinations, at least 2.

    A party with a short list of measurements gets all of it, and the others more.

    Args:
        num_settings: Setting combinations of a grid.
        measurements: The set of each party.
    """
    limits = [math.inf if party_set.size is None else party_set.size for party_set in measurements]
    sizes, budget, left = [0] * len(limits), float(num_settings), len(limits)
    for k in sorted(range(len(limits)), key=lambda k: limits[k]):
        equal = max(2, math.floor(budget ** (1 / left) + 1e-9))
        sizes[k] = int(min(limits[k], equal))
        budget, left = budget / sizes[k], left - 1
    return sizes


def random_start(
    rng: np.random.Generator,
    shapes: Sequence[tuple[int, ...]],
    widths: Sequence[Any],
    size: int,
    runs: tuple[int, int],
) -> list[NDArray[np.float32]]:
    """Returns normal numbers for every party, float32, shape ``(*runs, F, size)``; targets start alike.

    Args:
        rng: Source of the numbers, which do not depend on the devices.
        shapes: Shape of one hidden variable of each party.
        widths: Standard deviations of each party's components.
        size: Number of free hidden variables.
        runs: Numbers of targets and of starts.
    """

    def drawn(width: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
        # In single precision at once: a large ensemble is drawn party by party in double precision.
        return np.asarray(width * rng.standard_normal((size, *shape)), dtype=np.float32)

    starts = [[drawn(width, shape) for width, shape in zip(widths, shapes, strict=True)] for _ in range(runs[1])]
    return [spread_over_runs(np.stack([own[k] for own in starts]), runs) for k in range(len(shapes))]


def spread_over_runs(hidden: FloatArray, runs: tuple[int, int]) -> NDArray[np.float32]:
    """The same hidden variables for all runs, as the loss takes them: float32, shape ``(*runs, F, H)``.

    Args:
        hidden: Hidden variables of one party, shape ``(H, F)``, or ``(starts, H, F)`` where the starts differ.
        runs: Numbers of targets and of starts.
    """
    # In NumPy: JAX would compile a step of its own for every shape.
    single = np.swapaxes(hidden, -1, -2).astype(np.float32)
    return np.broadcast_to(single, (*runs, *single.shape[-2:]))
