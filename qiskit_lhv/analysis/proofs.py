"""Proofs of nonlocality and of locality of a state, in the order of the plan of proofs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .._support.deadlines import Deadline
from ..measurements.sets import MeasurementSet
from ..projective.certificates.quick_proofs import LocalityProof
from ..projective.settings.optimization import OptimizedSettings
from ..targets.correlations import CorrelationTensor
from .certificate_searches import CertificateStore, quick_certificates, searched_certificates
from .proof_plan import PLAN, Step, share_of
from .qudit_searches import (
    quick_qudit_certificates,
    searched_qudit_certificates,
    searched_qudit_settings,
    settings_of_families,
)
from .qudit_words import named_for_all
from .settings_searches import closed_settings, searched_settings

__all__ = ["proofs"]


def proofs(
    tensor: CorrelationTensor,
    steps: Sequence[Step],
    *,
    clock: Deadline,
    noise: CorrelationTensor | None = None,
    measurements: MeasurementSet | str = "projective",
    visibility: float | None = 1.0,
    thorough: bool = False,
    seed: int | None = None,
    store: CertificateStore | None = None,
) -> Iterator[OptimizedSettings | LocalityProof]:
    """Yields what may settle whether a state is local, the quickest first, until the caller stops or the time is over.

    Args:
        tensor: Correlations of the parties.
        steps: The steps of the plan to take. ``Step.MODELS`` stands for what the caller does afterwards. It does
            nothing here except to leave a share of the time.
        clock: The deadline of the call.
        noise: Noise other than white, in which the highest visibility is asked for. Default: white noise.
        measurements: All projective ones, those in a coordinate plane, or all POVMs.
        visibility: The visibility at which a proof of locality is enough, or ``None`` to look for the highest one.
        thorough: Whether to try more settings.
        seed: Seed, or ``None``.
        store: Where certificates from polyhedra are kept between calls.

    Yields:
        Settings of the state, with an inequality that they may violate, and certificates of its locality.
    """
    of_qubits = set(tensor.dimensions) == {2}
    known = 0.0
    for planned in PLAN:
        step = planned.step
        if step not in steps or step is Step.MODELS:
            continue
        share = share_of(step, steps)
        part = clock if share is None else clock.part(share)
        if step is Step.CRITERIA and not of_qubits:
            yield from settings_of_families(tensor, clock=part, noise=noise, seed=seed)
        elif step is Step.SETTINGS and not of_qubits:
            yield from searched_qudit_settings(tensor, clock=part, noise=noise, thorough=thorough, seed=seed)
        elif step is Step.CRITERIA:
            yield from closed_settings(tensor, noise=noise, measurements=measurements, seed=seed)
        elif step is Step.SETTINGS:
            yield from searched_settings(
                tensor, clock=part, noise=noise, measurements=measurements, thorough=thorough, seed=seed
            )
        # The quick proofs are for white noise only.
        elif step is Step.QUICK_PROOFS and noise is None:
            asked = 1.0 if visibility is None else visibility
            quick = (
                quick_certificates(tensor, measurements, asked)
                if of_qubits
                else quick_qudit_certificates(tensor, named_for_all(measurements), asked)
            )
            for certificate in quick:
                known = max(known, certificate.visibility)
                yield certificate
                if not clock.has():
                    if store is None:
                        return
                    # What is kept takes no search.
                    break
        elif step is Step.POLYHEDRA and not of_qubits:
            if noise is None:
                yield from searched_qudit_certificates(tensor, clock=part, visibility=visibility, known=known)
        elif step is Step.POLYHEDRA:
            yield from searched_certificates(
                tensor,
                clock=part,
                noise=noise,
                measurements=measurements,
                visibility=visibility,
                known=known,
                seed=seed,
                store=store,
            )
