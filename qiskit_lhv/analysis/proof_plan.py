"""Which proofs of locality are tried for a state of qubits, from the quickest ones on."""

from __future__ import annotations

from collections.abc import Iterator

from .._support.deadlines import Deadline
from ..exceptions import SolverError
from ..measurements.sets import MeasurementSet, projective_set
from ..projective.certificates.certificate import AllProjectiveCertificate
from ..projective.certificates.certify import certify_all_projective
from ..projective.certificates.product_proof import product_certificate
from ..projective.certificates.quick_proofs import StateCertificate, finer_mixture, quick_proofs
from ..projective.certificates.search_options import ProofSearch
from ..targets.correlations import CorrelationTensor
from ..targets.qubits import planar_tensor

__all__ = ["calls_of_oracle", "proofs_from_below", "quick_certificates", "searched_certificates"]

# A model is looked for a little inside the local set, where the search converges.
_ASIDE = 1.02
# Numbers of axes, from coarse to fine: for two qubits the proofs without polyhedra do what few axes can.
_AXES = {2: (46, 81), 3: (6, 16, 46), 4: (6, 16)}
_PLANAR_AXES = {2: (12, 32), 3: (8,)}
_FEW_AXES = {True: (6,), False: (4,)}
# Calls of the oracle for a set of axes where there is no time limit, fewer where each call takes longer.
_MAX_CALLS, _LEAST_CALLS = 400, 40
_CELLS_IN_ALL = 1 << 22
# More axes, or more hidden states, raise a visibility by no more than about this share.
_GAIN_OF_AXES = 0.03
_GAIN_OF_MIXTURE = 0.015
_FAR = 0.05
_LEAST_SECONDS = 0.1
_SHARE_OF_COARSE = 0.4
_SHARE_OF_MIXTURE = 0.4


def calls_of_oracle(num_parties: int, num_axes: int) -> int:
    """The budget of a search without a time limit.

    Args:
        num_parties: Number of qubits.
        num_axes: Number of axes of each.
    """
    return max(_LEAST_CALLS, min(_MAX_CALLS, _CELLS_IN_ALL // (num_axes + 1) ** num_parties))


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
    measurements: MeasurementSet | str = "projective",
    visibility: float = 1.0,
    known: float = 0.0,
    seed: int | None = None,
) -> Iterator[StateCertificate]:
    """Certificates from polyhedra, from coarse to fine, and for two qubits from finer mixtures.

    Args:
        tensor: Correlations of qubits.
        clock: The time.
        measurements: All projective ones, or those in a coordinate plane.
        visibility: Visibility in white noise that is asked for.
        known: Visibility that the quick certificates prove: mixtures are refined where that may suffice.
        seed: Seed, or ``None``.
    """
    seen = planar_tensor(tensor, measurements)
    n = tensor.num_parties
    everywhere = bool(projective_set(measurements).coordinates.all())
    axes = (_AXES if everywhere else _PLANAR_AXES).get(n, _FEW_AXES[everywhere])

    def certify(count: int, seconds: float | None, goal: float | None) -> AllProjectiveCertificate | None:
        try:
            return certify_all_projective(
                seen,
                measurements=measurements,
                directions=count,
                search=ProofSearch(
                    max_visibility=_ASIDE * visibility,
                    goal=goal,
                    max_calls=None if clock.limited else calls_of_oracle(n, count),
                ),
                time_limit=seconds,
                seed=seed,
                progress=False,
            )
        except SolverError:
            return None

    best = known
    for i, count in enumerate(axes):
        if i and n == 2 and not clock.limited and best < visibility * (1 - _GAIN_OF_AXES):
            # What a limit has cut short tells nothing about what more axes can do.
            return
        if not clock.has(_LEAST_SECONDS):
            return
        last = i == len(axes) - 1
        # Far from what is asked for, the last set shows how far it comes.
        goal = None if last and best < visibility * (1 - _FAR) else visibility
        with clock.step(1.0 if last else _SHARE_OF_COARSE) as seconds:
            found = certify(count, seconds, goal)
        if found is not None:
            best = max(best, found.visibility)
            yield found
        if i == 0 and n == 2 and everywhere and known > visibility * (1 - _GAIN_OF_MIXTURE):
            with clock.step(_SHARE_OF_MIXTURE) as seconds:
                mixture = finer_mixture(tensor, seconds, visibility)
            if mixture is not None:
                best = max(best, mixture.visibility)
                yield mixture


def proofs_from_below(
    tensor: CorrelationTensor,
    *,
    clock: Deadline,
    measurements: MeasurementSet | str = "projective",
    visibility: float = 1.0,
    seed: int | None = None,
) -> Iterator[StateCertificate]:
    """Certificates of locality, from the quickest on, until the time is over.

    Args:
        tensor: Correlations of qubits.
        clock: The time.
        measurements: All projective ones, or those in a coordinate plane.
        visibility: Visibility in white noise that is asked for.
        seed: Seed, or ``None``.
    """
    known = 0.0
    for certificate in quick_certificates(tensor, measurements, visibility):
        known = max(known, certificate.visibility)
        yield certificate
    yield from searched_certificates(
        tensor, clock=clock, measurements=measurements, visibility=visibility, known=known, seed=seed
    )
