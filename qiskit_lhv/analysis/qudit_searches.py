"""Proofs about states with parties larger than a qubit: settings and certificates, the quickest first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from .._support.deadlines import Deadline
from ..measurements.sets import MeasurementSet
from ..polytope.expressions.expression import BellExpression
from ..polytope.expressions.families import cglmp, chsh, mermin_table
from ..projective.certificates.compatibility import prove_compatible
from ..projective.certificates.decomposition import decompose
from ..projective.certificates.quick_proofs import LocalityProof
from ..projective.certificates.separability import prove_separable
from ..projective.settings.optimization import OptimizedSettings, optimize_settings
from ..projective.settings.search_options import SettingsSearch
from ..targets.correlations import CorrelationTensor
from ..targets.state_tensors import qiskit_state
from .proof_plan import qudit_settings_to_try
from .settings_searches import optimized_in_turn, without_white_noise

__all__ = ["quick_qudit_certificates", "searched_qudit_certificates", "searched_qudit_settings", "settings_of_families"]

_STARTS_OF_FAMILY = 20


def settings_of_families(
    tensor: CorrelationTensor,
    *,
    clock: Deadline,
    noise: CorrelationTensor | None = None,
    seed: int | None = None,
) -> Iterator[OptimizedSettings]:
    """Yields the best settings found for known inequalities, which takes no long search.

    For two parties these are the CGLMP inequality, and CHSH, in which several levels count as one outcome; for more
    parties it is Mermin's. White noise is removed before the search, as for qubits.

    Args:
        tensor: Correlations of parties of any dimensions.
        clock: The deadline of the call.
        noise: Noise other than white, in which the lowest visibility is looked for. Default: white noise.
        seed: Seed, or ``None``.
    """
    cleaned = without_white_noise(tensor) if noise is None else tensor
    expressions: list[BellExpression] = [mermin_table(tensor.num_parties)]
    if tensor.num_parties == 2:
        least = min(tensor.dimensions)
        expressions = [*([cglmp(least)] if least > 2 else []), chsh()]
    for expression in expressions:
        found = optimize_settings(
            cleaned,
            expression=expression,
            noise=noise,
            search=SettingsSearch(num_starts=_STARTS_OF_FAMILY),
            time_limit=clock.left,
            seed=seed,
            progress=False,
        )
        yield replace(found, correlations=tensor)


def searched_qudit_settings(
    tensor: CorrelationTensor,
    *,
    clock: Deadline,
    noise: CorrelationTensor | None = None,
    thorough: bool = False,
    seed: int | None = None,
) -> Iterator[OptimizedSettings]:
    """Yields settings optimized in turn with the inequality of the polytope, beginning with few settings.

    Args:
        tensor: Correlations of parties of any dimensions.
        clock: The deadline of the search.
        noise: Noise other than white, in which the lowest visibility is looked for. Default: white noise.
        thorough: Whether to try more settings.
        seed: Seed, or ``None``.
    """
    cleaned = without_white_noise(tensor) if noise is None else tensor
    plan = qudit_settings_to_try(tensor.dimensions, thorough)
    searches = [(count, SettingsSearch(num_starts=num_starts)) for count, num_starts in plan]
    for found in optimized_in_turn(cleaned, searches, clock=clock, noise=noise, seed=seed):
        yield replace(found, correlations=tensor)


def quick_qudit_certificates(
    tensor: CorrelationTensor, measurements: MeasurementSet, visibility: float = 1.0
) -> Iterator[LocalityProof]:
    """Yields quick certificates: compatible noise, the partial transpose, and mixtures of product states.

    Args:
        tensor: Correlations of parties of any dimensions.
        measurements: All projective ones, or all POVMs, named by the set of a qubit.
        visibility: The visibility in white noise that is asked about.
    """
    yield prove_compatible(tensor, measurements=measurements)
    if sorted(tensor.dimensions) == [2, 3]:
        separable = prove_separable(qiskit_state(tensor))
        # With less white noise than the tolerance it is a proof for the state itself.
        if separable is not None and separable.shows:
            yield separable
            return
    certificate = decompose(tensor, visibility=min(1.0, visibility))
    if certificate is not None:
        yield certificate


def searched_qudit_certificates(
    tensor: CorrelationTensor, *, clock: Deadline, visibility: float | None, known: float
) -> Iterator[LocalityProof]:
    """Yields the mixture of product states of the highest visibility, where that is asked for.

    Args:
        tensor: Correlations of parties of any dimensions.
        clock: The deadline of the search.
        visibility: The visibility at which a proof is enough, or ``None`` to look for the highest one.
        known: The visibility up to which the quick certificates prove the state local.
    """
    if known >= (1.0 if visibility is None else visibility) or math.isinf(known):
        return
    with clock.step() as seconds:
        certificate = decompose(tensor, highest=True, time_limit=seconds)
    if certificate is not None and certificate.visibility > known:
        yield certificate
