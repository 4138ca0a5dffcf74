"""Proofs of locality that need no polyhedra, and a test for states that none of them can prove local."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ...measurements.sets import MeasurementSet
from ...targets.correlations import CorrelationTensor
from ...targets.operator_basis import hermitian_basis
from ...verification.positivity import TRANSPOSED
from .certificate import AllProjectiveCertificate
from .compatibility import CompatibilityCertificate, prove_compatible
from .decomposition import DecompositionCertificate
from .extensions import ExtensionCertificate, extend_local_models, separable_certificate
from .hidden_states import HiddenStateCertificate, find_hidden_states
from .mixtures import MixtureCertificate, mix_local_models
from .product_proof import product_certificate
from .separability import SeparabilityCertificate
from .unsteerability import UnsteerableCertificate, prove_unsteerable

__all__ = ["LocalityProof", "finer_mixture", "has_vanishing_product", "quick_proofs"]

# Each kind by its name: of their bases alone nothing is proven, so no file may hold one as a proof.
LocalityProof = (
    AllProjectiveCertificate
    | CompatibilityCertificate
    | DecompositionCertificate
    | ExtensionCertificate
    | HiddenStateCertificate
    | MixtureCertificate
    | SeparabilityCertificate
    | UnsteerableCertificate
)

_ASIDE = 1.25
_MAX_VISIBILITY = 2.0
_FINE_AXES = 46
# Probabilities and eigenvalues below this are zero within the rounding of a state.
_ZERO = 1e-9


def quick_proofs(
    tensor: CorrelationTensor, visibility: float = 1.0, measurements: MeasurementSet | str = "projective"
) -> Iterator[LocalityProof]:
    """Yields certificates that need no long search, the cheapest first.

    Args:
        tensor: Correlations of qubits.
        visibility: Requested visibility in white noise.
        measurements: All projective measurements, or all POVMs.
    """
    product = product_certificate(tensor, measurements)
    if product is not None:
        yield product
    # For qubits it holds for all POVMs, whatever is asked for.
    yield prove_compatible(tensor)
    if tensor.num_parties > 2:
        return
    cap = max(_MAX_VISIBILITY, _ASIDE * visibility)
    steps: tuple[Callable[[], LocalityProof | None], ...] = (
        lambda: separable_certificate(tensor, cap),
        lambda: find_hidden_states(tensor, max_visibility=cap, measurements=measurements),
        lambda: prove_unsteerable(tensor, max_visibility=cap, measurements=measurements),
        lambda: extend_local_models(tensor, visibility=visibility, measurements=measurements),
        lambda: mix_local_models(tensor, max_visibility=cap, measurements=measurements),
    )
    for step in steps:
        try:
            certificate = step()
        except ImportError:
            # Without the optional dependency sdp there are fewer proofs.
            continue
        if certificate is not None:
            yield certificate


def finer_mixture(
    tensor: CorrelationTensor,
    time_limit: float | None = None,
    visibility: float = 1.0,
    measurements: MeasurementSet | str = "projective",
) -> MixtureCertificate | None:
    """Returns the mixture with many hidden states for two qubits, which takes seconds.

    Args:
        tensor: Correlations of two qubits.
        time_limit: Seconds, or ``None``.
        visibility: Requested visibility in white noise.
        measurements: All projective measurements, or all POVMs.
    """
    cap = max(_MAX_VISIBILITY, _ASIDE * visibility)
    try:
        return mix_local_models(
            tensor, num_axes=_FINE_AXES, max_visibility=cap, measurements=measurements, time_limit=time_limit
        )
    except ImportError:
        return None


def has_vanishing_product(tensor: CorrelationTensor) -> bool:
    """Returns whether two qubits are entangled and some product vector has probability zero.

    Then no proof of this package can show them local. Take qubits in which 00 never occurs. Entanglement then needs a
    coherence between 01 and 10, so measurements of one qubit at an angle e from Z leave the other one at an angle of
    order e from 1. But hidden states, and the parts of any mixture, never give 00 either, and those that make up this
    outcome lie at an angle of order e for every e: there are none. All states of rank two are so, since a plane of
    vectors of two qubits always holds a product vector.

    Args:
        tensor: Correlations of qubits; for other than two the answer is ``False``.
    """
    if tensor.dimensions != (2, 2):
        return False
    matrix = _matrix(tensor.array)
    if np.linalg.eigvalsh(_matrix(tensor.array * TRANSPOSED))[0] >= -_ZERO:
        return False
    values, vectors = np.linalg.eigh(matrix)
    kernel = vectors[:, values <= _ZERO]
    if kernel.shape[1] == 1:
        # The probability of the nearest product vector is at most that of the smaller Schmidt coefficient.
        return bool(np.linalg.svd(kernel.reshape(2, 2), compute_uv=False)[1] ** 2 <= _ZERO)
    return kernel.shape[1] > 1


def _matrix(coefficients: NDArray[np.float64]) -> NDArray[np.complex128]:
    basis = hermitian_basis(2)
    return np.einsum("ij,iab,jcd->acbd", coefficients, basis, basis).reshape(4, 4) / 4
