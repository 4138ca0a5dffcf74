"""The proof that a product state is local, which needs no search."""

from __future__ import annotations

import numpy as np

from ...measurements.named_sets import projective_members, qubit_set
from ...measurements.polyhedra import hull_triangles
from ...measurements.sets import MeasurementSet
from ...targets.correlations import CorrelationTensor
from ...verification.projective import ProofError, proven_visibility
from .certificate import AllProjectiveCertificate, claimed_visibility

__all__ = ["product_certificate"]

_ATOL = 1e-9
_VECTOR_BITS = 50


def product_certificate(
    tensor: CorrelationTensor, measurements: MeasurementSet | str = "projective"
) -> AllProjectiveCertificate | None:
    """Proves that a product state of qubits is local.

    Args:
        tensor: Correlations of qubits, without those that the measurements do not see.
        measurements: All projective measurements, those in a coordinate plane, or all POVMs.

    Returns:
        The certificate, whose visibility is 1 up to rounding, or ``None`` if the state is not a product state.
    """
    n = tensor.num_parties
    own = [tensor.array[tuple(slice(None) if j == k else 0 for j in range(n))] for k in range(n)]
    product = np.ones(())
    for factor in own:
        product = np.multiply.outer(product, factor)
    vectors = np.stack([factor[1:] for factor in own])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if np.abs(product - tensor.array).max() > _ATOL or lengths.max() > 1 + _ATOL:
        return None
    scale = 2.0**_VECTOR_BITS
    inward = np.trunc(vectors / np.maximum(1, lengths) * (1 - 2.0**-48) * scale) / scale
    # Any polyhedron works, since only rounding errors depend on it. For a plane, the axis normal to it is the last one.
    measured = qubit_set(measurements)
    seen = projective_members(measured).axes
    axes = np.eye(3)[[*seen, *(k for k in range(3) if k not in seen)]]
    certificate = AllProjectiveCertificate(
        visibility=0.0,
        correlations=tensor,
        mixture_visibility=1.0,
        directions=(axes,) * n,
        triangles=(hull_triangles(axes),) * n,
        weights=np.empty(0),
        strategies=np.empty((0, 3 * n), dtype=np.int8),
        sources=np.arange(3 * n, dtype=np.int16)[None],
        flips=np.zeros((1, 3 * n), dtype=np.int8),
        product_weights=np.ones(1),
        product_vectors=inward[None],
        measurements=measured,
    )
    try:
        proven, _, _ = proven_visibility(certificate.proof())
    except ProofError:
        return None
    return certificate.with_claim(claimed_visibility(proven))
