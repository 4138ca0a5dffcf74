"""Proofs that a state is local for all projective measurements, from polyhedra of directions."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._checkpoints import ArrayCheckpoint, fingerprint
from .._progress import ProgressBar
from .._validation import real_array
from ..exceptions import MeasurementError, ScenarioError, SolverError
from ..models.ensemble import ResponseModel
from ..quantum.direction_sets import hull_triangles, icosahedral_directions, inradius
from ..targets.coordinates import apply_per_party
from ..targets.correlations import CorrelationTensor
from ..verification_projective import GROTHENDIECK_BOUND, ProofError, proven_visibility
from .conditional_gradient import ConditionalGradient, Oracle, StrategyOracle
from .product_states import ProductStateOracle
from .projective_certificate import AllProjectiveCertificate, claimed_visibility
from .reduction import Reduction, even_flips
from .state_symmetry import state_symmetry
from .symmetry import Symmetry
from .visibility_search import VisibilitySearch

__all__ = ["certify_all_projective"]

FloatArray = NDArray[np.float64]

_DIRECTION_BITS = 30
_WEIGHT_BITS = 40
_AXES = {1: 6, 2: 181, 3: 21, 4: 6}
_MAX_CELLS = 1 << 23
_ABSORBED = 1.15


def certify_all_projective(
    state: Any,
    *,
    num_settings: int | None = None,
    directions: ArrayLike | Sequence[ArrayLike] | None = None,
    parties: Sequence[Any] | None = None,
    visibility: float | None = None,
    max_visibility: float = 1.0,
    start: ResponseModel | None = None,
    time_limit: float | None = None,
    seed: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> AllProjectiveCertificate:
    """Proves a state of qubits local for all projective measurements, up to some visibility in white noise.

    Directions of a polyhedron with inradius eta stand for all: if the correlators on them, each non-identity
    index divided by eta, have a local model, then the state has one for all projective measurements. The model
    is a mixture of deterministic strategies and of product states, found by conditional gradients in the
    coordinates that the state's symmetries leave; what it misses is absorbed by a little more white noise.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of qubits.
        num_settings: Axes of the icosahedral polyhedron, one of ``icosahedral_sizes``; default: 181 for two
            qubits, 21 for three, 6 for more. More axes prove more and take longer.
        directions: Bloch vectors instead, shape ``(m, 3)`` for all parties or one such array a party.
        parties: The qubit of each party; default: party k is qubit k.
        visibility: Visibility at which a model is looked for; default: found by the search, in stages that
            come closer and closer to the threshold.
        max_visibility: Largest visibility considered. Above 1 it tells how far inside the local set the state lies.
        start: A local model of the state, from ``find_local_model``; its hidden variables give starting strategies.
        time_limit: Seconds for the search; default: until the last stage is reached.
        seed: Seed, or ``None``.
        checkpoint: A file that keeps the state of the search; if it exists, the search goes on from it.
        progress: Whether to show a progress bar; default: only on a terminal.

    Returns:
        The certificate; its ``visibility`` may be 0 if time was too short.

    Raises:
        MeasurementError: If the state is not one of qubits, or the directions span no polyhedron.
        ScenarioError: If a number is out of range or there are too many directions for the memory.
        SolverError: If the proof does not pass its own check.

    References:
        arXiv:1609.06114, arXiv:2302.04721.

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> certificate = certify_all_projective(werner_state(1), num_settings=16, seed=1)
        >>> 0.59 < certificate.visibility < 0.605, bool(certificate.verify())
        (True, True)
    """
    tensor = state if isinstance(state, CorrelationTensor) else CorrelationTensor.from_state(state, parties)
    axes = _directions(tensor, num_settings, directions)
    for name, value in (("visibility", visibility), ("max_visibility", max_visibility), ("time_limit", time_limit)):
        if value is not None and not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
            if name == "time_limit" and value == 0:
                continue
            raise ScenarioError.bad_argument(name, expected="a positive number", got=repr(value))
    if start is not None and (not isinstance(start, ResponseModel) or start.num_parties != tensor.num_parties):
        raise ScenarioError.bad_argument(
            "start", expected=f"a ResponseModel of {tensor.num_parties} parties", got=repr(start)
        )
    search = _Search(tensor, axes, seed)
    if start is not None:
        search.add_model(start)
    file = None
    if checkpoint is not None:
        file = ArrayCheckpoint(checkpoint, fingerprint(tensor=tensor.array, seed=seed, axes=np.concatenate(axes)))
        search.restore(file)
    deadline = math.inf if time_limit is None else time.monotonic() + time_limit
    with ProgressBar(None, progress, "call") as bar:
        search.run(visibility, max_visibility, deadline, bar, file)
    return search.certificate()


def _directions(tensor: CorrelationTensor, num_settings: int | None, directions: Any) -> list[FloatArray]:
    """Bloch vectors of each party, rounded to dyadic numbers."""
    n = tensor.num_parties
    if set(tensor.dimensions) != {2}:
        raise MeasurementError.bad_argument("state", expected="qubits", got=f"dimensions {tensor.dimensions}")
    if directions is not None and num_settings is not None:
        raise ScenarioError.bad_argument("num_settings", expected="nothing beside directions", got=f"{num_settings}")
    if directions is None:
        axes = [icosahedral_directions(_AXES.get(n, 6) if num_settings is None else num_settings)] * n
    elif isinstance(directions, np.ndarray) or np.ndim(directions[0]) == 1:
        axes = [real_array(directions, "directions", MeasurementError, ndim=2)] * n
    else:
        axes = [real_array(one, "directions", MeasurementError, ndim=2) for one in directions]
    if len(axes) != n:
        raise MeasurementError.bad_argument(
            "directions", expected=f"one array for each of {n} parties", got=f"{len(axes)}"
        )
    for one in axes:
        if one.shape[1:] != (3,) or len(one) < 3 or np.abs(np.linalg.norm(one, axis=1) - 1).max() > 1e-6:
            raise MeasurementError.bad_argument(
                "directions", expected="unit vectors, shape (m, 3) with m >= 3", got=f"shape {one.shape}"
            )
    cells = math.prod(len(one) + 1 for one in axes)
    if cells > _MAX_CELLS:
        raise ScenarioError.bad_argument(
            "num_settings",
            expected=f"at most {_MAX_CELLS} combinations of directions",
            got=f"{cells:.3g}",
            remedy=f"About {int(_MAX_CELLS ** (1 / n)) - 1} directions a party fit.",
        )
    rounded: dict[int, FloatArray] = {}
    for one in axes:
        rounded.setdefault(id(one), np.rint(one * 2.0**_DIRECTION_BITS) / 2.0**_DIRECTION_BITS)
        if inradius(rounded[id(one)]) == 0:
            raise MeasurementError.bad_argument(
                "directions", expected="directions that span a polyhedron", got="one plane"
            )
    return [rounded[id(one)] for one in axes]


@dataclass
class _Mixture:
    """A mixture of strategies and product states, made for one visibility."""

    visibility: float
    strategies: NDArray[np.int8]
    weights: FloatArray
    products: FloatArray
    product_weights: FloatArray


class _Search(VisibilitySearch):
    """The search for a model on the directions."""

    def __init__(self, tensor: CorrelationTensor, directions: list[FloatArray], seed: int | None) -> None:
        self.tensor = tensor
        self.directions = directions
        maps = []
        for one in directions:
            matrix = np.zeros((len(one) + 1, 4))
            matrix[0, 0] = 1
            matrix[1:, 1:] = one / inradius(one)
            maps.append(matrix)
        symmetry = state_symmetry(tensor.array, directions)
        self.only_full = _only_full(tensor.array)
        if self.only_full:
            symmetry = Symmetry.generated_by([*even_flips(symmetry.scenario), *symmetry.generators], symmetry.scenario)
        self.reduction = Reduction.of(symmetry)
        oracles: list[Oracle] = [StrategyOracle(self.reduction)]
        # Without marginals, product states do not help: their scaled correlators are averages of strategies'.
        if not self.only_full:
            oracles.append(ProductStateOracle(self.reduction, tuple(maps)))
        target = self.reduction.of_tensor(apply_per_party(tensor.array, maps))
        noise = np.zeros(len(target))
        noise[0] = 1
        super().__init__(ConditionalGradient(self.reduction, oracles, seed), target, noise)
        self._mixture: _Mixture | None = None

    def add_model(self, model: ResponseModel) -> None:
        """Strategies that answer what each hidden variable makes more likely."""
        order = np.argsort(-model.weights, kind="stable")[:2000]
        settings = model.response.parse_settings([list(one) for one in self.directions])
        rows = []
        for k, vectors in enumerate(self.directions):
            probabilities = model.response.probabilities(k, model.hidden_variables[k][order], settings[k])
            rows.append((probabilities[:, :, 0] < 0.5).astype(np.int8).reshape(len(order), len(vectors)))
        self.gradient.add(0, np.unique(np.hstack(rows), axis=0))

    def proven(self, visibility: float) -> float:
        """The visibility that a proof from the present mixture would show, in floats, not too optimistic."""
        tensor = self.reduction.spread(self.gradient.point() - self.at(visibility))
        total, n = 0.0, tensor.ndim
        for index in np.ndindex((2,) * n):
            block = tensor[tuple(slice(1, None) if taken else 0 for taken in index)]
            if sum(index) == 1:
                total += float(np.abs(block).max())
            elif sum(index) > 1:
                norm = float(np.linalg.norm(block))
                root = math.sqrt(min(block.shape))
                total += norm * (min(1.0, _ABSORBED * float(GROTHENDIECK_BOUND) / root) if block.ndim == 2 else 1.0)
        return visibility / (1 + total)

    def keep(self, visibility: float) -> None:
        """Remembers the present mixture."""
        strategies, weights = self.gradient.atoms(0)
        products, product_weights = np.empty((0, 3 * self.tensor.num_parties)), np.empty(0)
        if not self.only_full:
            products, product_weights = self.gradient.atoms(1)
        self._mixture = _Mixture(visibility, strategies, weights, products, product_weights)

    def state(self) -> dict[str, NDArray[Any]]:
        """The arrays that a checkpoint holds."""
        arrays = super().state()
        if self._mixture is not None:
            arrays |= {f"best_{name}": np.asarray(value) for name, value in vars(self._mixture).items()}
        return arrays

    def restore_best(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Takes up the best mixture."""
        if "best_weights" in arrays:
            values: dict[str, Any] = {name: arrays[f"best_{name}"] for name in _Mixture.__dataclass_fields__}
            self._mixture = _Mixture(**values | {"visibility": float(values["visibility"])})

    def certificate(self) -> AllProjectiveCertificate:
        """The certificate of the best mixture, its claim computed by the exact check."""
        if self._mixture is None:
            # No time for a single stage: what there is proves little, but it is a proof.
            self.keep(1e-3)
        best = cast(_Mixture, self._mixture)
        symmetry = self.reduction.symmetry
        products, product_weights = self._spread_products(best.products, best.product_weights)
        weights = _quantized(np.concatenate([best.weights, product_weights]))
        first, second = weights[: len(best.weights)], weights[len(best.weights) :]
        certificate = AllProjectiveCertificate(
            visibility=0.0,
            correlations=self.tensor,
            mixture_visibility=best.visibility,
            directions=tuple(self.directions),
            triangles=tuple(hull_triangles(one) for one in self.directions),
            weights=first[first > 0],
            strategies=best.strategies.reshape(len(first), -1)[first > 0],
            sources=symmetry.sources,
            flips=symmetry.outcomes[:, :, 0],
            product_weights=second[second > 0],
            product_vectors=products[second > 0],
        )
        try:
            proven, _, _ = proven_visibility(certificate.proof())
        except ProofError as exc:
            raise SolverError(f"certify_all_projective: the proof does not pass its check: {exc}.") from exc
        return certificate.with_claim(claimed_visibility(proven))

    def _spread_products(self, rows: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Product states averaged over the symmetry: every image, its Bloch vectors rounded inward."""
        n = self.tensor.num_parties
        if not len(rows):
            return np.empty((0, n, 3)), np.empty(0)
        vectors = rows.reshape(-1, n, 3)
        starts = np.concatenate([[0], np.cumsum([len(one) for one in self.directions])])
        images = []
        symmetry = self.reduction.symmetry
        for source, flips in zip(symmetry.sources.astype(np.int64), symmetry.outcomes[:, :, 0], strict=True):
            image = np.empty_like(vectors)
            for k, own in enumerate(self.directions):
                part = source[starts[k] : starts[k + 1]]
                other = int(np.searchsorted(starts, part[0], side="right")) - 1
                signs = 1 - 2 * flips[starts[k] : starts[k + 1], None].astype(np.float64)
                # The matrix A with A n_x = sign * n_source(x), so that the image answers n_x . (A^T r).
                matrix = np.linalg.lstsq(own, signs * self.directions[other][part - starts[other]], rcond=None)[0]
                image[:, k] = vectors[:, other] @ matrix.T
            images.append(image)
        spread = np.concatenate(images)
        spread /= np.maximum(1, np.linalg.norm(spread, axis=2, keepdims=True))
        spread = np.rint(spread * (1 - 2.0**-27) * 2.0**_DIRECTION_BITS) / 2.0**_DIRECTION_BITS
        return spread, np.tile(weights / len(symmetry), len(symmetry))


def _only_full(tensor: FloatArray) -> bool:
    """Whether only correlators of all parties differ from zero."""
    rest = tensor.copy()
    rest[(slice(1, None),) * rest.ndim] = 0
    rest[(0,) * rest.ndim] = 0
    return bool(np.abs(rest).max() == 0) and tensor.ndim > 1


def _quantized(weights: FloatArray) -> FloatArray:
    """The weights rounded to multiples of 2**-40 that sum to 1 exactly."""
    unit = 2**_WEIGHT_BITS
    scaled = weights / math.fsum(weights) * unit
    whole = np.floor(scaled).astype(np.int64)
    missing = unit - int(whole.sum())
    whole[np.argsort(whole - scaled, kind="stable")[:missing]] += 1
    return whole / float(unit)
