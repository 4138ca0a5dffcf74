"""Proofs from polyhedra of directions that a state is local for all projective measurements, or for all POVMs."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..._support.checkpoints import ArrayCheckpoint, fingerprint
from ..._support.deadlines import Deadline
from ..._support.files import writable_file
from ..._support.progress import ProgressBar
from ..._support.threads import one_blas_thread
from ..._support.types import FloatArray
from ..._support.validation import instance, is_whole_number, real_array
from ...exceptions import MeasurementError, ScenarioError
from ...measurements.axes import icosahedral_directions, planar_directions
from ...measurements.named_sets import projective_members, qubit_set
from ...measurements.polyhedra import inradius
from ...measurements.qubit_sets import AllProjective, QubitMeasurementSet
from ...measurements.sets import MeasurementSet
from ...polytope.thresholds.staged_search import WORK_OF_A_MINUTE
from ...sweeps.pools import TaskPool
from ...targets.correlations import CorrelationTensor
from ...targets.qubits import planar_tensor
from .certificate import AllProjectiveCertificate
from .search import DIRECTION_BITS, ProjectiveSearch
from .search_options import ProofSearch

__all__ = ["certify_all_projective"]


_AXES = {1: 6, 2: 181, 3: 21, 4: 6}
_PLANAR_AXES = {2: 24, 3: 10}
# This far away, the polyhedron of a polygon and two such points has the polygon's inradius to within 1e-9.
_APEX = 2.0**15
_MAX_CELLS = 1 << 23
# Noise that is proven local up to this visibility in white noise is nearly as useful as white noise.
_ENOUGH_FOR_NOISE = 1.5
# The visibility from the exact check may be this much smaller than the one computed in floats.
_ASIDE = 2e-6


@one_blas_thread()
def certify_all_projective(
    state: Any,
    *,
    noise: Any = None,
    directions: int | ArrayLike | Sequence[ArrayLike] | None = None,
    measurements: MeasurementSet | str = "projective",
    search: ProofSearch | None = None,
    time_limit: float | None = None,
    seed: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
    executor: Any = None,
) -> AllProjectiveCertificate:
    """Proves a state of qubits local for all projective measurements (or all POVMs), up to a visibility in noise.

    The directions of a polyhedron with inradius eta represent all directions: if the correlators on them, divided by
    eta once for each party that takes part, have a local model, then the state has a local model for all projective
    measurements. The model is a mixture of deterministic strategies and of product states. It is found by conditional
    gradients in the coordinates that the state's symmetries leave free, and a little more noise absorbs what the model
    does not reproduce. Noise other than white noise must therefore contain some white noise: a first proof shows that
    the noise stays local with less white noise in it. For POVMs, eta sqrt(2/3) takes the place of eta.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of qubits. If the parties
            hold the qubits in another order, pass ``CorrelationTensor.from_state(state, parties)``.
        noise: A state of the same qubits to mix with; default: white noise.
        directions: Number of axes of the icosahedral polyhedron, one of ``icosahedral_sizes``; default: 181 for two
            qubits, 21 for three, 6 for more. More axes prove more and take longer. Or Bloch vectors, shape ``(m, 3)``
            for all parties or one such array per party.
        measurements: ``"projective"``; ``"povm"``: all POVMs; or a plane, ``"xy"``, ``"xz"`` or ``"yz"``, to which all
            measurements are limited; a string or a ``MeasurementSet``. In a plane, a number of directions is that of
            equally spaced axes, by default 24 for two qubits.
        search: The visibility at which the search works, its start and when it ends; see :class:`ProofSearch`.
        time_limit: Seconds for the search; default: none, see :ref:`time-limits`. Without it and without ``max_calls``,
            the work is bounded, so that the search ends within about a minute on two cores.
        seed: Seed, or ``None``.
        checkpoint: A file that keeps the state of the search; if it exists, the search goes on from it.
        progress: Whether to show a progress bar; default: on a terminal and in a notebook.
        executor: Workers that share the search for strategies, as in :func:`qiskit_lhv.sweeps.sweep`; it pays off from
            some hundred axes on. What is found does not depend on how many there are.

    Returns:
        The certificate. Its ``visibility`` may be 0 if the time was too short.

    Raises:
        MeasurementError: If the state is not a valid state of qubits, or the directions span no polyhedron.
        ScenarioError: If a number is out of range, there are too many directions for the memory, or the noise cannot be
            proven to be local and to hold white noise.
        SolverError: If the proof does not pass its own check.
        SweepError: If the workers give out. A single one that is lost costs its part of a call only.

    References:
        F. Hirsch, M. T. Quintino, T. Vertesi, M. Navascues, N. Brunner, Quantum 1, 3 (2017), arXiv:1609.06114; S.
        Designolle, G. Iommazzo, M. Besancon, S. Knebel, P. Gelss, S. Pokutta, Phys. Rev. Res. 5, 043059 (2023),
        arXiv:2302.04721 (polyhedra); M. Oszmaniec, L. Guerini, P. Wittek, A. Acin, Phys. Rev. Lett. 119, 190501 (2017),
        arXiv:1609.06139 (POVMs).

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> certificate = certify_all_projective(werner_state(1), directions=16, seed=1)
        >>> 0.59 < certificate.visibility < 0.605, bool(certificate.verify())
        (True, True)
    """
    measured = qubit_set(measurements)
    members = projective_members(measured)
    tensor = planar_tensor(CorrelationTensor.of(state), measured)
    noise = noise if noise is None else planar_tensor(CorrelationTensor.of(noise, name="noise"), measured)
    axes = _directions(tensor, directions, members)
    options = instance(ProofSearch() if search is None else search, ProofSearch, "search", ScenarioError)
    deadline = Deadline(time_limit)
    if options.start is not None and options.start.num_parties != tensor.num_parties:
        raise ScenarioError.bad_argument(
            "start", expected=f"a ResponseModel of {tensor.num_parties} parties", got=repr(options.start)
        )
    calls = math.inf if options.max_calls is None else options.max_calls
    work = WORK_OF_A_MINUTE if options.max_calls is None and not deadline.limited else math.inf
    if checkpoint is not None:
        writable_file(checkpoint, "checkpoint")
    noise_proof = None if noise is None else _proven_noise(noise, tensor, axes, measured, calls, work, deadline, seed)
    pool = None if executor is None else TaskPool(executor)
    seeker = ProjectiveSearch(tensor, axes, seed, noise_proof, measured, pool)
    file = None
    if checkpoint is not None:
        noise_array = np.empty(0) if noise_proof is None else noise_proof.correlations.array
        sizes = [len(vectors) for vectors in axes]
        run = fingerprint(
            tensor=tensor.array,
            noise=noise_array,
            seed=seed,
            sizes=sizes,
            axes=np.concatenate(axes),
            **({} if measured.is_projective else {"measurements": measured.name}),
        )
        file = ArrayCheckpoint(checkpoint, run)
        seeker.restore(file)
    if options.start is not None:
        seeker.add_model(options.start)
    with nullcontext() if pool is None else pool, ProgressBar(None, progress, "call") as bar:
        enough = math.inf if options.goal is None else options.goal * (1 + _ASIDE)
        seeker.run(options.visibility, options.max_visibility, deadline, bar, file, enough, calls, work)
    return seeker.certificate()


def _proven_noise(
    noise: Any,
    tensor: CorrelationTensor,
    axes: list[FloatArray],
    measurements: MeasurementSet,
    calls: float,
    work: float,
    deadline: Deadline,
    seed: int | None,
) -> AllProjectiveCertificate:
    """Returns the proof that the noise is local and contains some white noise."""
    other = CorrelationTensor.of(noise, name="noise")
    if other.array.shape != tensor.array.shape:
        raise MeasurementError.bad_argument("noise", expected=f"a state as {tensor!r}", got=repr(other))
    # The polyhedron over a polygon proves more than what is asked for in a plane.
    everything = measurements if measurements.covers(AllProjective()) else AllProjective()
    search = ProjectiveSearch(other, axes, seed, measurements=everything)
    with ProgressBar(None, False) as bar:
        for share in (1 / 3, 1.0):
            # The state cannot be proven local without a proof for the noise, so that proof may use all the time.
            search.run(None, _ENOUGH_FOR_NOISE, deadline.part(share), bar, max_calls=calls, max_work=work)
            if search.best > 1 or not deadline.limited:
                break
    proof = search.certificate()
    if proof.visibility <= 1:
        raise ScenarioError.bad_argument(
            "noise",
            expected="a state that is proven local with some white noise taken away",
            got=f"one proven only up to visibility {proof.visibility:.4g}",
            remedy="Mix it with white noise, take more directions or more time.",
        )
    return proof


def _with_apex(axes: FloatArray, measurements: QubitMeasurementSet) -> FloatArray:
    """Returns the axes of a plane and a point far above it.

    If no correlation depends on the direction normal to the plane, only the polygon matters: with the far point, the
    polyhedron has the inradius of the polygon, and the correlators of the far point itself are all zero.
    """
    (missing,) = {0, 1, 2} - {*measurements.axes}
    if measurements.distances(axes).max() > 1e-9:
        raise MeasurementError.bad_argument(
            "directions", expected=f"directions in the plane {measurements.name}", got="others"
        )
    apex = np.zeros((1, 3))
    apex[0, missing] = _APEX
    flat = axes.copy()
    flat[:, missing] = 0
    return np.concatenate([flat, apex])


def _regular_axes(count: int, plane: tuple[int, ...]) -> FloatArray:
    """Returns the axes of a polygon in a plane, or of a polyhedron with the symmetry of the icosahedron."""
    try:
        return planar_directions(count, (plane[0], plane[1])) if len(plane) == 2 else icosahedral_directions(count)
    except MeasurementError as exc:
        raise MeasurementError.bad_argument(
            "directions", expected="a number of axes that form a polyhedron", got=repr(count), remedy=str(exc.message)
        ) from exc


def _directions(tensor: CorrelationTensor, directions: Any, measurements: QubitMeasurementSet) -> list[FloatArray]:
    """Returns the Bloch vectors of each party, rounded to dyadic numbers."""
    n = tensor.num_parties
    if set(tensor.dimensions) != {2}:
        raise MeasurementError.bad_argument("state", expected="qubits", got=f"dimensions {tensor.dimensions}")
    in_plane = not measurements.coordinates.all()
    if directions is None:
        directions = _PLANAR_AXES.get(n, 4) if in_plane else _AXES.get(n, 6)
    if is_whole_number(directions):
        axes = [_regular_axes(directions, measurements.axes)] * n
    else:
        try:
            shared = np.ndim(directions[0]) == 1
        except (TypeError, IndexError, KeyError, ValueError) as exc:
            raise MeasurementError.bad_argument(
                "directions",
                expected="a number, Bloch vectors, shape (m, 3), or one such array per party",
                got=repr(directions),
            ) from exc
        given = [directions] if shared else list(directions)
        axes = [real_array(vectors, "directions", MeasurementError, ndim=2) for vectors in given] * (n if shared else 1)
    if len(axes) != n:
        raise MeasurementError.bad_argument(
            "directions", expected=f"one array for each of {n} parties", got=f"{len(axes)}"
        )
    for vectors in axes:
        if vectors.shape[1:] != (3,) or len(vectors) < 3 or np.abs(np.linalg.norm(vectors, axis=1) - 1).max() > 1e-6:
            raise MeasurementError.bad_argument(
                "directions", expected="unit vectors, shape (m, 3) with m >= 3", got=f"shape {vectors.shape}"
            )
    if in_plane:
        with_apex = {id(vectors): _with_apex(vectors, measurements) for vectors in axes}
        axes = [with_apex[id(vectors)] for vectors in axes]
    cells = math.prod(len(vectors) + 1 for vectors in axes)
    if cells > _MAX_CELLS:
        raise ScenarioError.bad_argument(
            "directions",
            expected=f"at most {_MAX_CELLS} combinations of directions",
            got=f"{cells:.3g}",
            remedy=f"About {int(_MAX_CELLS ** (1 / n)) - 1} directions per party fit.",
        )
    rounded: dict[int, FloatArray] = {}
    for vectors in axes:
        rounded.setdefault(id(vectors), np.rint(vectors * 2.0**DIRECTION_BITS) / 2.0**DIRECTION_BITS)
        if inradius(rounded[id(vectors)]) == 0:
            raise MeasurementError.bad_argument(
                "directions", expected="directions that span a polyhedron", got="one plane"
            )
    return [rounded[id(vectors)] for vectors in axes]
