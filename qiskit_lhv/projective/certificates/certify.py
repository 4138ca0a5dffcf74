"""Proofs that a state is local for all projective measurements, from polyhedra of directions."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..._support.checkpoints import ArrayCheckpoint, fingerprint
from ..._support.deadlines import Deadline
from ..._support.files import writable_file
from ..._support.progress import ProgressBar
from ..._support.threads import one_blas_thread
from ..._support.types import FloatArray
from ..._support.validation import positive_number, real_array, whole_number
from ...exceptions import MeasurementError, ScenarioError
from ...measurements.axes import icosahedral_directions, planar_directions
from ...measurements.planes import PLANES, check_measurements
from ...measurements.polyhedra import inradius
from ...models.ensemble import ResponseModel
from ...quantum.qubit_layouts import PhysicalQubits
from ...targets.correlations import CorrelationTensor
from ...targets.qubits import planar_tensor
from .certificate import AllProjectiveCertificate
from .search import DIRECTION_BITS, ProjectiveSearch

__all__ = ["certify_all_projective"]


_AXES = {1: 6, 2: 181, 3: 21, 4: 6}
_PLANAR_AXES = {2: 24, 3: 10}
# So far away that the polyhedron of a polygon and two such points has the polygon's inradius up to 1e-9.
_APEX = 2.0**15
_MAX_CELLS = 1 << 23
# Noise that is local up to this visibility in white noise serves nearly as well as white noise.
_ENOUGH_FOR_NOISE = 1.5
# What the exact check may show less than floats.
_ASIDE = 2e-6


@one_blas_thread()
def certify_all_projective(
    state: Any,
    *,
    noise: Any = None,
    num_settings: int | None = None,
    directions: ArrayLike | Sequence[ArrayLike] | None = None,
    measurements: str = "projective",
    parties: Sequence[Any] | PhysicalQubits | None = None,
    visibility: float | None = None,
    max_visibility: float = 1.0,
    goal: float | None = None,
    start: ResponseModel | None = None,
    max_calls: int | None = None,
    time_limit: float | None = None,
    seed: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> AllProjectiveCertificate:
    """Proves a state of qubits local for all projective measurements (or all in a plane), up to a visibility in noise.

    Directions of a polyhedron with inradius eta stand for all: if the correlators on them, each non-identity
    index divided by eta, have a local model, then the state has one for all projective measurements. The model
    is a mixture of deterministic strategies and of product states, found by conditional gradients in the
    coordinates that the state's symmetries leave; what it misses is absorbed by a little more noise. For that, noise
    other than white must hold some white noise: it is first proven local beyond its own visibility.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of qubits.
        noise: A state of the same qubits to mix with; default: white noise.
        num_settings: Axes of the icosahedral polyhedron, one of ``icosahedral_sizes``; default: 181 for two
            qubits, 21 for three, 6 for more. More axes prove more and take longer.
        directions: Bloch vectors instead, shape ``(m, 3)`` for all parties or one such array per party.
        measurements: ``"projective"``; or a plane, ``"xy"``, ``"xz"`` or ``"yz"``, to which all measurements are
            limited. Directions are then those of a polygon, by default 24 equally spaced axes for two qubits.
        parties: The qubit of each party, as in ``CorrelationTensor.from_state``; default: party k is qubit k.
        visibility: Visibility at which a model is looked for; default: found by the search, in stages that
            come closer and closer to the threshold.
        max_visibility: Largest visibility considered. Above 1 it tells how far inside the local set the state lies.
        goal: Visibility that is enough: the search ends once it is proven. Where the directions seem not to reach it,
            it ends after the first stage, so that most of what they do reach is proven.
        start: A local model of the state, from ``find_local_model``; its hidden variables give starting strategies.
        max_calls: Calls of the oracle after which the search ends with what it has; other than with a time limit, the
            answer is then the same on every machine. Default: until the last stage is reached.
        time_limit: Seconds for the search; default: none, see :ref:`time-limits`.
        seed: Seed, or ``None``.
        checkpoint: A file that keeps the state of the search; if it exists, the search goes on from it.
        progress: Whether to show a progress bar; default: only on a terminal.

    Returns:
        The certificate; its ``visibility`` may be 0 if time was too short.

    Raises:
        MeasurementError: If the state is not one of qubits, or the directions span no polyhedron.
        ScenarioError: If a number is out of range, there are too many directions for the memory, or the noise cannot
            be proven to be local and to hold white noise.
        SolverError: If the proof does not pass its own check.

    References:
        arXiv:1609.06114, arXiv:2302.04721.

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> certificate = certify_all_projective(werner_state(1), num_settings=16, seed=1)
        >>> 0.59 < certificate.visibility < 0.605, bool(certificate.verify())
        (True, True)
    """
    tensor = CorrelationTensor.of(state, parties)
    plane = check_measurements(measurements)
    if plane:
        tensor = planar_tensor(tensor, plane)
        noise = noise if noise is None else planar_tensor(CorrelationTensor.of(noise, name="noise"), plane)
    axes = _directions(tensor, num_settings, directions, plane)
    for name, value in (("visibility", visibility), ("max_visibility", max_visibility), ("goal", goal)):
        if value is not None:
            positive_number(value, name, ScenarioError)
    deadline = Deadline(time_limit)
    if start is not None and (not isinstance(start, ResponseModel) or start.num_parties != tensor.num_parties):
        raise ScenarioError.bad_argument(
            "start", expected=f"a ResponseModel of {tensor.num_parties} parties", got=repr(start)
        )
    calls = math.inf if max_calls is None else whole_number(max_calls, "max_calls", ScenarioError)
    if checkpoint is not None:
        writable_file(checkpoint, "checkpoint")
    noise_proof = None if noise is None else _proven_noise(noise, tensor, axes, calls, deadline, seed)
    search = ProjectiveSearch(tensor, axes, seed, noise_proof, plane)
    file = None
    if checkpoint is not None:
        noise_array = np.empty(0) if noise_proof is None else noise_proof.correlations.array
        sizes = [len(one) for one in axes]
        run = fingerprint(tensor=tensor.array, noise=noise_array, seed=seed, sizes=sizes, axes=np.concatenate(axes))
        file = ArrayCheckpoint(checkpoint, run)
        search.restore(file)
    if start is not None:
        search.add_model(start)
    with ProgressBar(None, progress, "call") as bar:
        enough = math.inf if goal is None else goal * (1 + _ASIDE)
        search.run(visibility, max_visibility, deadline, bar, file, enough, calls)
    return search.certificate()


def _proven_noise(
    noise: Any,
    tensor: CorrelationTensor,
    axes: list[FloatArray],
    calls: float,
    deadline: Deadline,
    seed: int | None,
) -> AllProjectiveCertificate:
    """The proof that the noise is local and holds some white noise."""
    other = CorrelationTensor.of(noise, name="noise")
    if other.array.shape != tensor.array.shape:
        raise MeasurementError.bad_argument("noise", expected=f"a state as {tensor!r}", got=repr(other))
    search = ProjectiveSearch(other, axes, seed)
    with ProgressBar(None, False) as bar:
        for share in (1 / 3, 1.0):
            # Without a proof for the noise there is none for the state, so it gets all the time if need be.
            search.run(None, _ENOUGH_FOR_NOISE, deadline.part(share), bar, max_calls=calls)
            if search.best > 1 or not deadline.limited:
                break
    proof = search.certificate()
    if proof.visibility <= 1:
        raise ScenarioError.bad_argument(
            "noise",
            expected="a state that is proven local with some white noise taken away",
            got=f"one proven only up to visibility {proof.visibility:.4g}",
            remedy="Mix it with white noise, take more num_settings or more time.",
        )
    return proof


def _with_apex(axes: FloatArray, plane: str) -> FloatArray:
    """The axes of a plane and a point far above it.

    Where no correlation sees the direction across the plane, only the polygon matters: the far point makes
    the polyhedron's inradius that of the polygon, and its own correlators are all zero.
    """
    (missing,) = {0, 1, 2} - {*PLANES[plane]}
    if np.abs(axes[:, missing]).max() > 1e-9:
        raise MeasurementError.bad_argument("directions", expected=f"directions in the plane {plane}", got="others")
    apex = np.zeros((1, 3))
    apex[0, missing] = _APEX
    flat = axes.copy()
    flat[:, missing] = 0
    return np.concatenate([flat, apex])


def _directions(
    tensor: CorrelationTensor, num_settings: int | None, directions: Any, plane: str = ""
) -> list[FloatArray]:
    """Bloch vectors of each party, rounded to dyadic numbers."""
    n = tensor.num_parties
    if set(tensor.dimensions) != {2}:
        raise MeasurementError.bad_argument("state", expected="qubits", got=f"dimensions {tensor.dimensions}")
    if directions is not None and num_settings is not None:
        raise ScenarioError.bad_argument("num_settings", expected="nothing beside directions", got=f"{num_settings}")
    if directions is None and plane:
        count = _PLANAR_AXES.get(n, 4) if num_settings is None else num_settings
        axes = [planar_directions(count, PLANES[plane])] * n
    elif directions is None:
        axes = [icosahedral_directions(_AXES.get(n, 6) if num_settings is None else num_settings)] * n
    else:
        try:
            shared = np.ndim(directions[0]) == 1
        except (TypeError, IndexError, KeyError, ValueError) as exc:
            raise MeasurementError.bad_argument(
                "directions", expected="Bloch vectors, shape (m, 3), or one such array per party", got=repr(directions)
            ) from exc
        given = [directions] if shared else list(directions)
        axes = [real_array(one, "directions", MeasurementError, ndim=2) for one in given] * (n if shared else 1)
    if len(axes) != n:
        raise MeasurementError.bad_argument(
            "directions", expected=f"one array for each of {n} parties", got=f"{len(axes)}"
        )
    for one in axes:
        if one.shape[1:] != (3,) or len(one) < 3 or np.abs(np.linalg.norm(one, axis=1) - 1).max() > 1e-6:
            raise MeasurementError.bad_argument(
                "directions", expected="unit vectors, shape (m, 3) with m >= 3", got=f"shape {one.shape}"
            )
    if plane:
        with_apex = {id(one): _with_apex(one, plane) for one in axes}
        axes = [with_apex[id(one)] for one in axes]
    cells = math.prod(len(one) + 1 for one in axes)
    if cells > _MAX_CELLS:
        raise ScenarioError.bad_argument(
            "num_settings",
            expected=f"at most {_MAX_CELLS} combinations of directions",
            got=f"{cells:.3g}",
            remedy=f"About {int(_MAX_CELLS ** (1 / n)) - 1} directions per party fit.",
        )
    rounded: dict[int, FloatArray] = {}
    for one in axes:
        rounded.setdefault(id(one), np.rint(one * 2.0**DIRECTION_BITS) / 2.0**DIRECTION_BITS)
        if inradius(rounded[id(one)]) == 0:
            raise MeasurementError.bad_argument(
                "directions", expected="directions that span a polyhedron", got="one plane"
            )
    return [rounded[id(one)] for one in axes]
