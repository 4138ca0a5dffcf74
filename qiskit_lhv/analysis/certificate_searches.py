"""Certificates of the locality of a state of qubits, the quickest ones first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from .._support.deadlines import Deadline
from ..exceptions import SolverError
from ..measurements.named_sets import projective_members, qubit_set
from ..measurements.sets import MeasurementSet
from ..projective.certificates.certificate import AllProjectiveCertificate
from ..projective.certificates.certify import certify_all_projective
from ..projective.certificates.mixtures import MixtureCertificate
from ..projective.certificates.product_proof import product_certificate
from ..projective.certificates.quick_proofs import LocalityProof, finer_mixture, quick_proofs
from ..projective.certificates.search_options import ProofSearch
from ..targets.correlations import CorrelationTensor
from ..targets.qubits import planar_tensor
from .proof_plan import (
    LEAST_SECONDS_OF_AXES,
    SHARE_OF_COARSE_AXES,
    SHARE_OF_MIXTURE,
    axes_to_try,
    calls_of_oracle,
)

__all__ = ["CertificateStore", "quick_certificates", "searched_certificates"]

# The search for a model scales the goal by this factor: it converges only where some room to the boundary is left.
_ROOM_FOR_SEARCH = 1.02
# More axes, or more hidden states, raise a proven visibility by at most about this share.
_GAIN_OF_AXES = 0.03
_GAIN_OF_MIXTURE = 0.015
# Where the best proof falls short of the goal by more than this share, the goal is given up.
_HOPELESS_GAP = 0.05


class CertificateStore(Protocol):
    """Where certificates from polyhedra are kept between calls."""

    def has_certificate(self, num_axes: int) -> bool:
        """Returns whether the search with this number of axes was done before."""

    def certificate(self, num_axes: int) -> AllProjectiveCertificate | None:
        """Returns the certificate that it found, or ``None`` if it cannot be checked here and so proves nothing."""

    def keep(self, num_axes: int, certificate: AllProjectiveCertificate) -> None:
        """Keeps the certificate that a search found."""

    def checkpoint(self, num_axes: int) -> Path:
        """Returns the path of the file that keeps the state of an unfinished search."""


def quick_certificates(
    tensor: CorrelationTensor, measurements: MeasurementSet | str = "projective", visibility: float = 1.0
) -> Iterator[LocalityProof]:
    """Yields certificates that take no long search, the cheapest first.

    Args:
        tensor: Correlations of qubits.
        measurements: All projective ones, those in a coordinate plane, or all POVMs.
        visibility: The visibility in white noise that is asked about.
    """
    measured = qubit_set(measurements)
    if projective_members(measured).coordinates.all():
        yield from quick_proofs(tensor, visibility, measured)
        return
    certificate = product_certificate(planar_tensor(tensor, measured), measured)
    if certificate is not None:
        yield certificate


def searched_certificates(
    tensor: CorrelationTensor,
    *,
    clock: Deadline,
    noise: CorrelationTensor | None = None,
    measurements: MeasurementSet | str = "projective",
    visibility: float | None = 1.0,
    known: float = 0.0,
    seed: int | None = None,
    store: CertificateStore | None = None,
) -> Iterator[LocalityProof]:
    """Yields certificates from polyhedra, coarse ones first, and for two qubits from finer mixtures if these may do.

    For two qubits and POVMs, the finer mixtures alone are looked for.

    Args:
        tensor: Correlations of qubits.
        clock: The deadline of the search.
        noise: Noise other than white. Default: white noise.
        measurements: All projective ones, those in a coordinate plane, or all POVMs.
        visibility: The visibility at which a proof is enough, or ``None`` to look for the highest one.
        known: The visibility up to which the quick certificates prove the state local.
        seed: Seed, or ``None``.
        store: Where certificates are kept between calls.
    """
    measured = qubit_set(measurements)
    search = _PolyhedronSearch(tensor, noise, measured, visibility, seed, store)
    n, everywhere = tensor.num_parties, bool(projective_members(measured).coordinates.all())
    axes = axes_to_try(n, not everywhere, visibility is None)
    best = known
    may_suffice = visibility is None or known > visibility * (1 - _GAIN_OF_MIXTURE)
    if n == 2 and not measured.is_projective:
        # Polyhedra that are made with eta sqrt(2/3) prove less than mixtures do.
        if may_suffice and noise is None:
            yield from _finer_mixtures(tensor, clock, 1.0 if visibility is None else visibility, measured)
        return
    for i, count in enumerate(axes):
        if store is not None and store.has_certificate(count):
            kept = store.certificate(count)
            if kept is not None:
                best = max(best, kept.visibility)
                yield kept
            continue
        if visibility is not None and i and n == 2 and not clock.limited and best < visibility * (1 - _GAIN_OF_AXES):
            # More axes cannot reach the goal. (After a time limit, this could not be concluded.)
            return
        if not clock.has(LEAST_SECONDS_OF_AXES):
            return
        found = search.certify(count, clock, i == len(axes) - 1, best)
        if found is not None:
            best = max(best, found.visibility)
            yield found
        if visibility is not None and may_suffice and i == 0 and n == 2 and everywhere:
            for mixture in _finer_mixtures(tensor, clock, visibility, measured):
                best = max(best, mixture.visibility)
                yield mixture


def _finer_mixtures(
    tensor: CorrelationTensor, clock: Deadline, visibility: float, measurements: MeasurementSet
) -> Iterator[MixtureCertificate]:
    """Yields the mixture with many hidden states, if it is found in a part of the time."""
    with clock.step(SHARE_OF_MIXTURE) as seconds:
        mixture = finer_mixture(tensor, seconds, visibility, measurements)
    if mixture is not None:
        yield mixture


class _PolyhedronSearch:
    """Searches for certificates with a given number of axes, for one state and one question."""

    def __init__(
        self,
        tensor: CorrelationTensor,
        noise: CorrelationTensor | None,
        measurements: MeasurementSet,
        visibility: float | None,
        seed: int | None,
        store: CertificateStore | None,
    ) -> None:
        # With other noise, the tensors stay whole: what measurements in a plane do not see makes no difference.
        self.tensor = planar_tensor(tensor, measurements) if noise is None else tensor
        self.noise, self.measurements, self.visibility = noise, measurements, visibility
        self.seed, self.store = seed, store

    def certify(self, num_axes: int, clock: Deadline, finest: bool, best: float) -> AllProjectiveCertificate | None:
        """Returns the certificate for a number of axes, or ``None`` if the solver fails."""
        goal = self.visibility
        # Where the goal is out of reach, the finest search looks for the highest visibility instead.
        if goal is not None and finest and best < goal * (1 - _HOPELESS_GAP):
            goal = None
        store, n = self.store, self.tensor.num_parties
        with clock.step(1.0 if finest else SHARE_OF_COARSE_AXES) as seconds:
            try:
                found = certify_all_projective(
                    self.tensor,
                    noise=self.noise,
                    directions=num_axes,
                    measurements=self.measurements,
                    search=ProofSearch(
                        max_visibility=1.0 if self.visibility is None else _ROOM_FOR_SEARCH * self.visibility,
                        goal=goal,
                        max_calls=None if clock.limited else calls_of_oracle(n, num_axes),
                    ),
                    time_limit=seconds,
                    seed=self.seed,
                    checkpoint=None if store is None else store.checkpoint(num_axes),
                    progress=False,
                )
            except SolverError:
                return None
        if store is not None:
            store.keep(num_axes, found)
        return found
