"""Where the ensemble of a search lies: on one device or on many, as a whole or in blocks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from .._support.validation import is_whole_number, positive_number, shown, whole_number
from ..exceptions import LHVError

__all__ = ["ANYWHERE", "ON_ONE_DEVICE", "Devices", "EnsembleLayout", "Placement"]

_AXIS = "hidden_variables"
# Memory of one device, in bytes, that a step may use for what it computes from the hidden variables. It is the same on
# all machines, so that sums have the same order, and the same rounding, on all of them.
_MEMORY = 2.0**30

# From hidden variables and the data of a step to a sum over these hidden variables, an array.
SumOverHidden = Callable[[Any, Any], jax.Array]


@dataclass(frozen=True)
class EnsembleLayout:
    """How the free hidden variables are spread over devices, and how many are looked at together."""

    mesh: Mesh | None = None
    """The devices; ``None``: the default device of JAX."""
    axis: str = _AXIS
    """Axis of the mesh over which the hidden variables are spread."""
    block: int | None = None
    """Hidden variables of a device whose responses are computed together; ``None``: all of them."""

    def total(self, sum_over_hidden: SumOverHidden, parameters: Any, data: Any, *, axis: int) -> jax.Array:
        """Returns a sum over the whole ensemble.

        Every device sums over its own hidden variables, block by block, and the sums are added up: they are all that
        passes between devices. The responses of a block are computed again for the gradient instead of being kept.

        Args:
            sum_over_hidden: Function of some hidden variables and the data.
            parameters: A tree of arrays with the hidden variables along one axis.
            data: A tree of arrays, the same for all devices.
            axis: The axis of the hidden variables.
        """
        own = partial(_in_blocks, sum_over_hidden, axis, self.block)
        if self.mesh is None:
            return own(parameters, data)
        mesh_axis = self.axis

        def on_device(parameters: Any, data: Any) -> jax.Array:
            return jax.lax.psum(own(parameters, data), mesh_axis)  # type: ignore[no-untyped-call]

        spread, everywhere = _spread(axis, mesh_axis), _spread(0)
        return jax.shard_map(on_device, mesh=self.mesh, in_specs=(spread, everywhere), out_specs=everywhere)(
            parameters, data
        )

    @property
    def num_devices(self) -> int:
        """Number of devices over which the hidden variables are spread."""
        return 1 if self.mesh is None else int(self.mesh.shape[self.axis])

    @property
    def many_hosts(self) -> bool:
        """Whether some of the devices belong to other processes."""
        return self.mesh is not None and self.mesh.is_multi_process


ON_ONE_DEVICE = EnsembleLayout()
"""The whole ensemble at once, on the default device."""


@dataclass(frozen=True)
class Devices:
    """The devices over which ``find_local_model`` spreads its ensemble, and the memory that it may use there.

    Every device holds a part of the hidden variables. The initial hidden variables and the measurements of each step do
    not depend on the devices, so that the result is the same on any number of them, but for rounding.

    Raises:
        LHVError: If there are not so many devices, or the mesh does not have the axis.

    Examples:
        An optimizer whose ensemble is spread over one device, with a quarter of a GiB for each step:

        >>> from qiskit_lhv.optimize import Devices, GradientDescent
        >>> optimizer = GradientDescent(devices=Devices(1, memory=2**28))
        >>> optimizer.devices.number, optimizer.devices.many_hosts
        (1, False)
    """

    mesh: Mesh | int | None = None
    """The devices: a number of them; or a ``jax.sharding.Mesh``, also of the devices of several processes, after
    ``jax.distributed.initialize()``; ``None``: the default device of JAX. The number of free hidden variables must be a
    multiple of the number of devices."""
    axis: str | None = None
    """Axis of the mesh over which the hidden variables are spread; ``None``: its only axis."""
    memory: float = _MEMORY
    """Bytes per device for what a step computes from the hidden variables; the ensemble is processed in blocks that
    fit. The hidden variables themselves, their momenta and gradients are not counted."""

    def __post_init__(self) -> None:
        positive_number(self.memory, "memory", LHVError)
        if isinstance(self.mesh, Mesh):
            names = self.mesh.axis_names
            if self.axis is None and len(names) != 1:
                raise LHVError.bad_argument("axis", expected=f"one of {names}, the axes of the mesh", got="None")
            if self.axis is not None and self.axis not in names:
                raise LHVError.bad_argument(
                    "axis", expected=f"one of {names}, the axes of the mesh", got=shown(self.axis)
                )
            return
        if self.axis is not None:
            raise LHVError.bad_argument("axis", expected="None without a mesh that has axes", got=shown(self.axis))
        if self.mesh is None:
            return
        if not is_whole_number(self.mesh):
            raise LHVError.bad_argument(
                "mesh", expected="a jax.sharding.Mesh, a number of devices, or None", got=shown(self.mesh)
            )
        whole_number(self.mesh, "mesh", LHVError)
        if self.mesh > jax.device_count():
            raise LHVError.bad_argument(
                "mesh",
                expected=f"at most {jax.device_count()} devices, those that JAX sees",
                got=str(self.mesh),
                remedy="XLA_FLAGS=--xla_force_host_platform_device_count=8, set before JAX starts, simulates 8.",
            )

    @property
    def number(self) -> int:
        """Number of devices over which the hidden variables are spread."""
        return self._on_mesh().num_devices

    @property
    def many_hosts(self) -> bool:
        """Whether some of the devices belong to other processes."""
        return self._on_mesh().many_hosts

    def _on_mesh(self) -> EnsembleLayout:
        if self.mesh is None:
            return ON_ONE_DEVICE
        if isinstance(self.mesh, Mesh):
            return EnsembleLayout(self.mesh, self.axis or str(self.mesh.axis_names[0]))
        return EnsembleLayout(Mesh(np.array(jax.devices()[: self.mesh]), (_AXIS,)))

    def layout(self, size: int, bytes_each: float, images: int = 1, symmetric: bool = False) -> EnsembleLayout:
        """Returns how an ensemble lies on these devices.

        Args:
            size: Number of free hidden variables.
            bytes_each: What a step computes from one of them, in bytes.
            images: Hidden variables for which each of them stands, for the message.
            symmetric: Whether some of them are images under a symmetry, which can be given up.

        Raises:
            LHVError: If the devices do not divide the ensemble.
        """
        whole = self._on_mesh()
        if size % whole.num_devices:
            raise LHVError.bad_argument(
                "num_hidden",
                expected=f"a multiple of {images * whole.num_devices} hidden variables, for {whole.num_devices} devices"
                + (f" and orbits of {images}" if images > 1 else ""),
                got=str(size * images),
                remedy="Choose another number of hidden variables or of devices"
                + (", or symmetry=None." if symmetric else "."),
            )
        block = max(1, int(self.memory // max(1.0, bytes_each)))
        # One layout for all ensembles that need no blocks: losses are compiled once for each.
        return whole if size // whole.num_devices <= block else replace(whole, block=block)


@dataclass(frozen=True)
class Placement:
    """Where the arrays of a training run lie: those with the hidden variables on an axis are spread over devices."""

    layout: EnsembleLayout
    """The devices."""
    axis: int
    """Axis of the hidden variables in an array of parameters, after two axes of runs."""
    size: int
    """Number of free hidden variables."""

    def shardings(self, tree: Any) -> Any:
        """Returns the place of every array of a tree, by its shape.

        Args:
            tree: Parameters, or a state of an optimizer, whose arrays are like parameters or small.

        Returns:
            A tree of shardings; ``None`` without a mesh, where JAX has them on its default device.
        """
        mesh = self.layout.mesh
        if mesh is None:
            return None

        def of(leaf: Any) -> NamedSharding:
            spread = len(leaf.shape) > self.axis and leaf.shape[self.axis] == self.size
            return NamedSharding(mesh, _spread(self.axis, self.layout.axis) if spread else _spread(0))

        return jax.tree.map(of, tree)

    def placed(self, tree: Any) -> Any:
        """Returns a tree with every array where it belongs; a process needs its own part of them only."""
        if self.layout.mesh is None:
            return tree
        return jax.tree.map(
            lambda leaf, place: jax.make_array_from_callback(np.shape(leaf), place, partial(_part, np.asarray(leaf))),
            tree,
            self.shardings(tree),
        )

    def kept(self, tree: Any) -> Any:
        """Returns a tree of a compiled step, with every array where it belongs."""
        if self.layout.mesh is None or tree is None:
            return tree
        return jax.lax.with_sharding_constraint(tree, self.shardings(tree))  # type: ignore[no-untyped-call]

    def everywhere(self, array: jax.Array) -> jax.Array:
        """Returns an array that every device has as a whole."""
        mesh = self.layout.mesh
        return array if mesh is None else jax.device_put(array, NamedSharding(mesh, _spread(0)))

    def agreed(self, answer: bool) -> bool:
        """Returns the answer of the first process to a question that each may answer differently, such as the time."""
        if not self.layout.many_hosts:
            return answer
        from jax.experimental.multihost_utils import broadcast_one_to_all

        return bool(broadcast_one_to_all(np.asarray(answer)))

    def gathered(self, tree: Any) -> Any:
        """Returns a tree whose arrays this process can read, from parts of all processes."""
        if not self.layout.many_hosts:
            return tree
        from jax.experimental.multihost_utils import process_allgather

        return jax.tree.map(lambda leaf: process_allgather(leaf, tiled=True) if _is_remote(leaf) else leaf, tree)


ANYWHERE = Placement(ON_ONE_DEVICE, 0, 0)
"""Everything on the default device."""


def _spread(axis: int, *names: str) -> PartitionSpec:
    """Names of mesh axes over which an axis of an array is spread, none of them for arrays that all devices have."""
    return PartitionSpec(*[None] * axis, *names)  # type: ignore[no-untyped-call]


def _part(array: Any, index: Any) -> Any:
    return array[index]


def _is_remote(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and not leaf.is_fully_addressable


def _in_blocks(sum_over_hidden: SumOverHidden, axis: int, block: int | None, parameters: Any, data: Any) -> jax.Array:
    """The sum over all hidden variables that are here, block by block."""
    size = jax.tree.leaves(parameters)[0].shape[axis]
    if block is None or size <= block:
        return sum_over_hidden(parameters, data)
    count = math.ceil(size / block)
    even = size // count
    # The same function for all blocks but the last one, which takes what is left.
    of_block = jax.checkpoint(sum_over_hidden)

    def cut(leaf: jax.Array) -> jax.Array:
        whole = jax.lax.slice_in_dim(leaf, 0, count * even, axis=axis)
        return jnp.moveaxis(whole.reshape(*leaf.shape[:axis], count, even, *leaf.shape[axis + 1 :]), axis, 0)

    blocks = jax.tree.map(cut, parameters)
    rest = jax.tree.map(lambda leaf: jax.lax.slice_in_dim(leaf, count * even, size, axis=axis), parameters)

    def add(total: jax.Array, own: Any) -> tuple[jax.Array, None]:
        return total + of_block(own, data), None

    first = jax.tree.map(lambda leaf: leaf[0], blocks)
    following = jax.tree.map(lambda leaf: leaf[1:], blocks)
    total, _ = jax.lax.scan(add, of_block(first, data), following)
    return total + of_block(rest, data) if count * even < size else total
