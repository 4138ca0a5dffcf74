"""The search for a local model on the directions of polyhedra that proves locality for all directions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray
from ...exceptions import SolverError
from ...measurements.polyhedra import hull_triangles, inradius
from ...measurements.qubit_sets import AllProjective
from ...measurements.sets import MeasurementSet
from ...models.ensemble import ResponseModel
from ...polytope.symmetry.reduced_coordinates import Reduction, even_flips, lower_orders_vanish
from ...polytope.symmetry.relabelings import Symmetry
from ...polytope.thresholds.conditional_gradient import ConditionalGradient, Oracle, StrategyOracle
from ...polytope.thresholds.staged_search import VisibilitySearch
from ...sweeps.pools import TaskPool
from ...targets.coordinates import apply_per_party
from ...targets.correlations import CorrelationTensor
from ...verification.projective import GROTHENDIECK_BOUND, SHRINKING_OF_POVMS, ProofError, proven_visibility
from .certificate import AllProjectiveCertificate, claimed_visibility
from .product_oracle import ProductStateOracle
from .state_symmetry import state_symmetry

__all__ = ["DIRECTION_BITS", "ProjectiveSearch"]


DIRECTION_BITS = 30
_WEIGHT_BITS = 40
# The norm of the residual needs singular values; from this number of cells on, it is not computed in every call.
_CELLS_PER_LOOK = 1 << 16
# With more coordinates the search needs more atoms, and looks for more of them at once.
_COORDINATES_PER_ATOM, _FEWEST_ATOMS, _MOST_ATOMS = 20, 30, 120
_STARTS_PER_ATOM, _ATOMS_PER_PRODUCT, _FEWEST_STARTS = 4, 5, 300
# Without mending, computing the best weights of the known atoms pays off up to this number of coordinates.
_MAX_CORRECTED = 600
# A mixture made for one visibility is also evaluated at these visibilities.
_STEP_DOWN, _STEPS_DOWN = 0.8, 30


@dataclass
class _Mixture:
    """A mixture of strategies and product states that was found at a single visibility."""

    visibility: float
    strategies: NDArray[np.int8]
    weights: FloatArray
    products: FloatArray
    product_weights: FloatArray


class ProjectiveSearch(VisibilitySearch):
    """The search for a model on the directions."""

    def __init__(
        self,
        tensor: CorrelationTensor,
        directions: list[FloatArray],
        seed: int | None,
        noise_proof: AllProjectiveCertificate | None = None,
        measurements: MeasurementSet | None = None,
        pool: TaskPool | None = None,
    ) -> None:
        self.tensor = tensor
        self.measurements = AllProjective() if measurements is None else measurements
        self.noise_proof = noise_proof
        self.directions = directions
        # Bloch vectors of POVMs shrink to those of projective measurements, which shrink into the polyhedron.
        shrinking = 1.0 if self.measurements.is_projective else math.sqrt(SHRINKING_OF_POVMS)
        maps = []
        for vectors in directions:
            matrix = np.zeros((len(vectors) + 1, 4))
            matrix[0, 0] = 1
            matrix[1:, 1:] = vectors / (shrinking * inradius(vectors))
            maps.append(matrix)
        tensors = [tensor.array] if noise_proof is None else [tensor.array, noise_proof.correlations.array]
        symmetry = state_symmetry(tensors, directions)
        if tensor.num_parties > 1 and all(lower_orders_vanish(correlations) for correlations in tensors):
            symmetry = Symmetry.grown_by([*even_flips(symmetry.scenario), *symmetry.generators], symmetry.scenario)
        self.reduction = Reduction.of(symmetry)
        atoms = min(max(len(self.reduction.sizes) // _COORDINATES_PER_ATOM, _FEWEST_ATOMS), _MOST_ATOMS)
        oracles: list[Oracle] = [
            StrategyOracle(self.reduction, max(_FEWEST_STARTS, _STARTS_PER_ATOM * atoms), atoms, pool),
            ProductStateOracle(self.reduction, tuple(maps), atoms // _ATOMS_PER_PRODUCT),
        ]
        target = self.reduction.of_tensor(apply_per_party(tensor.array, maps))
        noise = np.zeros(len(target))
        noise[0] = 1
        if noise_proof is not None:
            noise = self.reduction.of_tensor(apply_per_party(noise_proof.correlations.array, maps))
        super().__init__(ConditionalGradient(self.reduction, oracles, seed, _MAX_CORRECTED), target, noise)
        self._mixture: _Mixture | None = None
        self._calls = 0

    def add_model(self, model: ResponseModel) -> None:
        """Adds the strategies that give the more likely outcome of each hidden variable."""
        order = np.argsort(-model.weights, kind="stable")[:2000]
        settings = model.response.parse_settings([list(axes) for axes in self.directions])
        rows = []
        for k, vectors in enumerate(self.directions):
            probabilities = model.response.probabilities(k, model.hidden_variables[k][order], settings[k])
            rows.append((probabilities[:, :, 0] < 0.5).astype(np.int8).reshape(len(order), len(vectors)))
        distinct = np.unique(np.hstack(rows), axis=0)
        weighted = self.gradient.num_atoms > 0
        self.gradient.add(0, distinct, np.zeros(len(distinct)) if weighted else None)

    def proven(self, visibility: float, *, now: bool = False) -> float:
        """Returns the visibility, in floats, that a proof from the present mixture would show.

        The norm of the residual is computed only if a rough estimate promises progress and, unless ``now`` is set,
        less often for larger residuals. In all other cases the result is 0.
        """
        self._calls += 1
        if not now and self._calls % (1 + len(self.reduction.cells) // _CELLS_PER_LOOK):
            return 0.0
        tensor = self.reduction.spread(self.gradient.point() - self.at(visibility))
        subsets = [index for index in np.ndindex((2,) * tensor.ndim) if any(index)]
        blocks = [tensor[tuple(slice(1, None) if taken else 0 for taken in index)] for index in subsets]
        share = 1.0 if self.noise_proof is None else 1 - 1 / self.noise_proof.visibility
        rough = sum(float(np.linalg.norm(block)) / math.sqrt(max(block.shape)) for block in blocks)
        if visibility / (1 + rough / share) <= self.best:
            return 0.0
        return visibility / (1 + sum(_absorbing_weight(block) for block in blocks) / share)

    def keep(self, visibility: float) -> None:
        """Remembers the present mixture."""
        self._mixture = _Mixture(visibility, *self.gradient.atoms(0), *self.gradient.atoms(1))

    def state(self) -> dict[str, NDArray[Any]]:
        """Returns the arrays that a checkpoint holds."""
        arrays = super().state()
        if self._mixture is not None:
            arrays |= {f"best_{name}": np.asarray(value) for name, value in vars(self._mixture).items()}
        return arrays

    def restore_best(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Makes the best mixture the present one."""
        if "best_weights" in arrays:
            values: dict[str, Any] = {name: arrays[f"best_{name}"] for name in _Mixture.__dataclass_fields__}
            self._mixture = _Mixture(**values | {"visibility": float(values["visibility"])})

    def certificate(self) -> AllProjectiveCertificate:
        """Returns the certificate of the best mixture, with the visibility that the exact check computes."""
        if self._mixture is None:
            # There was no time for a single stage. The present mixture still proves something at the right visibility.
            highest = min(self.ceiling, 1.0)
            self.keep(
                max((highest * _STEP_DOWN**k for k in range(_STEPS_DOWN)), key=lambda v: self.proven(v, now=True))
            )
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
            triangles=tuple(hull_triangles(vectors) for vectors in self.directions),
            weights=first[first > 0],
            strategies=best.strategies.reshape(len(first), symmetry.sources.shape[1])[first > 0],
            sources=symmetry.sources,
            flips=symmetry.outcomes[:, :, 0],
            product_weights=second[second > 0],
            product_vectors=products[second > 0],
            noise=self.noise_proof,
            measurements=self.measurements,
        )
        of_noise = None if self.noise_proof is None else Fraction(self.noise_proof.visibility)
        try:
            proven, _, _ = proven_visibility(certificate.proof(), of_noise)
        except ProofError as exc:
            raise SolverError(f"certify_all_projective: the proof does not pass its check: {exc}.") from exc
        return certificate.with_claim(claimed_visibility(proven))

    def _spread_products(self, rows: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Returns product states averaged over the symmetry: every image, with its Bloch vectors rounded inward."""
        n = self.tensor.num_parties
        if not len(rows):
            return np.empty((0, n, 3)), np.empty(0)
        vectors = rows.reshape(-1, n, 3)
        starts = np.concatenate([[0], np.cumsum([len(axes) for axes in self.directions])])
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
        spread = np.rint(spread * (1 - 2.0**-27) * 2.0**DIRECTION_BITS) / 2.0**DIRECTION_BITS
        # Images often coincide.
        distinct, which = np.unique(spread.reshape(len(spread), -1), axis=0, return_inverse=True)
        shares = np.bincount(which.ravel(), weights=np.tile(weights / len(symmetry), len(symmetry)))
        return distinct.reshape(-1, n, 3), shares.astype(np.float64)


def _absorbing_weight(block: FloatArray) -> float:
    """Returns, in floats, the weight of noise that absorbs a block of the residual in the exact check."""
    if block.ndim == 1:
        return float(np.abs(block).max())
    norm = float(np.linalg.norm(block))
    if block.ndim == 2:
        left, values, right = np.linalg.svd(block, full_matrices=False)
        rows = (left**2 @ values).max() * (right.T**2 @ values).max()
        return min(norm, float(GROTHENDIECK_BOUND) * math.sqrt(rows))
    moved = np.moveaxis(block, int(np.argmin(block.shape)), 0)
    signs = np.ones((1, 1))
    while len(signs) < len(moved):
        signs = np.block([[signs, signs], [signs, -signs]])
    selected = np.tensordot(signs[:, : len(moved)], moved, axes=(1, 0))
    return min(norm, sum(_absorbing_weight(part) for part in selected) / len(signs))


def _quantized(weights: FloatArray) -> FloatArray:
    """Returns the weights rounded to multiples of 2**-40 that sum to 1 exactly."""
    unit = 2**_WEIGHT_BITS
    scaled = weights / math.fsum(weights) * unit
    whole = np.floor(scaled).astype(np.int64)
    missing = unit - int(whole.sum())
    whole[np.argsort(whole - scaled, kind="stable")[:missing]] += 1
    return whole / float(unit)
