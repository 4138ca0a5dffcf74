"""Certificates of the locality of a state of qubits, from the quickest ones on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from .._support.deadlines import Deadline
from ..exceptions import SolverError
from ..measurements.sets import MeasurementSet, QubitMeasurementSet, projective_set
from ..projective.certificates.certificate import AllProjectiveCertificate
from ..projective.certificates.certify import certify_all_projective
from ..projective.certificates.product_proof import product_certificate
from ..projective.certificates.quick_proofs import StateCertificate, finer_mixture, quick_proofs
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

# A model is looked for a little inside the local set, where the search converges.
_ASIDE = 1.02
# More axes, or more hidden states, raise a visibility by no more than about this share.
_GAIN_OF_AXES = 0.03
_GAIN_OF_MIXTURE = 0.015
_FAR = 0.05


class CertificateStore(Protocol):
    """Where certificates from polyhedra are kept between calls."""

    def has_certificate(self, num_axes: int) -> bool:
        """Whether the search with these axes was done before."""

    def certificate(self, num_axes: int) -> AllProjectiveCertificate | None:
        """What it found; ``None`` if that cannot be checked here, so that it proves nothing."""

    def keep(self, num_axes: int, certificate: AllProjectiveCertificate) -> None:
        """Keeps what a search found."""

    def checkpoint(self, num_axes: int) -> Path:
        """The file that keeps the state of a search that is under way."""


def quick_certificates(
    tensor: CorrelationTensor, measurements: MeasurementSet | str = "projective", visibility: float = 1.0
) -> Iterator[StateCertificate]:
    """Certificates that take no long search, cheapest first.

    Args:
        tensor: Correlations of qubits.
        measurements: All projective ones, or those in a coordinate plane.
        visibility: Visibility in white noise that is asked for.
    """
    measured = projective_set(measurements)
    if measured.coordinates.all():
        yield from quick_proofs(tensor, visibility)
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
) -> Iterator[StateCertificate]:
    """Certificates from polyhedra, from coarse to fine, and for two qubits from finer mixtures where they may suffice.

    Args:
        tensor: Correlations of qubits.
        clock: The time.
        noise: Noise other than white; default: white noise.
        measurements: All projective ones, or those in a coordinate plane.
        visibility: Visibility at which a proof is enough; ``None``: the highest is asked for.
        known: Visibility that the quick certificates prove.
        seed: Seed, or ``None``.
        store: Where certificates are kept between calls.
    """
    measured = projective_set(measurements)
    search = _PolyhedronSearch(tensor, noise, measured, visibility, seed, store)
    n, everywhere = tensor.num_parties, bool(measured.coordinates.all())
    axes = axes_to_try(n, not everywhere, visibility is None)
    best = known
    for i, count in enumerate(axes):
        if store is not None and store.has_certificate(count):
            kept = store.certificate(count)
            if kept is not None:
                best = max(best, kept.visibility)
                yield kept
            continue
        if visibility is not None and i and n == 2 and not clock.limited and best < visibility * (1 - _GAIN_OF_AXES):
            # What a limit has cut short tells nothing about what more axes can do.
            return
        if not clock.has(LEAST_SECONDS_OF_AXES):
            return
        found = search.certify(count, clock, i == len(axes) - 1, best)
        if found is not None:
            best = max(best, found.visibility)
            yield found
        may_suffice = visibility is not None and known > visibility * (1 - _GAIN_OF_MIXTURE)
        if visibility is not None and may_suffice and i == 0 and n == 2 and everywhere:
            with clock.step(SHARE_OF_MIXTURE) as seconds:
                mixture = finer_mixture(tensor, seconds, visibility)
            if mixture is not None:
                best = max(best, mixture.visibility)
                yield mixture


class _PolyhedronSearch:
    """The searches with one set of axes after the other."""

    def __init__(
        self,
        tensor: CorrelationTensor,
        noise: CorrelationTensor | None,
        measurements: QubitMeasurementSet,
        visibility: float | None,
        seed: int | None,
        store: CertificateStore | None,
    ) -> None:
        # Noise may be seen as it is: what measurements in a plane do not see of it makes no difference.
        self.tensor = planar_tensor(tensor, measurements) if noise is None else tensor
        self.noise, self.measurements, self.visibility = noise, measurements, visibility
        self.seed, self.store = seed, store

    def certify(self, num_axes: int, clock: Deadline, finest: bool, best: float) -> AllProjectiveCertificate | None:
        """The certificate of a set of axes; ``None`` if the solver fails."""
        goal = self.visibility
        # Far from what is asked for, the last set shows how far it comes.
        if goal is not None and finest and best < goal * (1 - _FAR):
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
                        max_visibility=1.0 if self.visibility is None else _ASIDE * self.visibility,
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
