"""The answer for a state of qubits: proofs from both sides, cheapest first, within a common time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from qiskit.quantum_info import DensityMatrix, Statevector

from ._deadlines import Deadline
from ._validation import generator, positive_number
from .exceptions import LHVError, MeasurementError, SolverError
from .polytope.all_projective import certify_all_projective
from .polytope.correlator_settings import wwzb_settings
from .polytope.local_proofs import StateCertificate, finer_mixture, quick_proofs
from .polytope.optimized_settings import OptimizedSettings, horodecki_settings, optimize_settings
from .polytope.planes import check_measurements, planar_tensor
from .polytope.product_certificates import product_certificate
from .polytope.projective_certificate import AllProjectiveCertificate
from .polytope.separability import prove_separable
from .polytope.subsystem_settings import lifted_settings, subsystem_settings
from .report import LocalityReport
from .state_question import ROUNDING, StateQuestion
from .targets.correlations import CorrelationTensor
from .verdict import Verdict

__all__ = ["Certificate", "analyze_state", "proofs_from_below", "quick_certificate"]

_DEFAULT_SECONDS = 60.0
_MAX_QUBITS = 6
# A model is looked for a little inside the local set, where the search converges.
_ASIDE = 1.02
# For two qubits the proofs without polyhedra do what few axes can.
_AXES = {2: (46,), 3: (6, 16, 46), 4: (6, 16)}
_PLANAR_AXES = {2: (12, 32), 3: (8,)}
_FEW_AXES = {True: (6,), False: (4,)}
# Method and number of settings per party in the order in which they are tried, and their share of the time.
_SETTINGS = {
    2: (("ascent", 3), ("ascent", 4)),
    3: (("ascent", 2), ("regular", 7), ("ascent", 3), ("regular", 10)),
    4: (("ascent", 2), ("regular", 4)),
}
# Six settings for four qubits, where each search has so many seconds.
_LONG_SETTINGS = {4: (("regular", 6),)}
_LEAST_SECONDS_OF_LONG = 15.0
_SHARE_OF_SETTINGS = 0.25
# Of that, for reduced states.
_SHARE_OF_SUBSYSTEMS = 0.25
# A search for a local model compiles for some seconds, so only longer calls have one.
_SHARE_OF_SEARCH = 0.2
_LEAST_SECONDS_OF_SEARCH = 40.0
_LEAST_SECONDS = 0.1
# Of the time for polyhedra, for each but the finest.
_SHARE_OF_COARSE = 0.2

Certificate = StateCertificate


def analyze_state(
    state: Any, *, measurements: str = "projective", time_limit: float | None = None, seed: int | None = None
) -> LocalityReport:
    """Answers whether a state of qubits is local for all projective measurements, or all in a plane.

    In this order: the criterion of Horodecki (two qubits) or that of WWZB (more); product states; noise that makes
    measurements compatible; for two qubits separability, unsteerability from either side, extensions of the local
    Werner model and mixtures of all (extra ``sdp``); those criteria for reduced states, as their nonlocality is that of
    the whole; optimized settings; finer mixtures; polyhedra from coarse to fine.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of 2 to 6 qubits.
        measurements: ``"projective"``, or a plane, ``"xy"``, ``"xz"`` or ``"yz"``.
        time_limit: Seconds; default: 60.
        seed: Seed, or ``None``.

    Raises:
        MeasurementError: If the state is not one of 2 to 6 qubits, or the measurements are unknown.
    """
    generator(seed)
    limit = _DEFAULT_SECONDS if time_limit is None else positive_number(time_limit, "time_limit", LHVError)
    plane = check_measurements(measurements)
    if isinstance(state, DensityMatrix | Statevector) and sorted(state.dims()) == [2, 3]:
        if plane:
            raise MeasurementError.bad_argument(
                "measurements",
                expected="'projective' for a qubit and a qutrit",
                got=repr(measurements),
                remedy="A plane is one of Bloch vectors, and a qutrit has none.",
            )
        return _qubit_and_qutrit(state, limit)
    tensor = CorrelationTensor.of(state)
    n = tensor.num_parties
    if set(tensor.dimensions) != {2} or not 2 <= n <= _MAX_QUBITS:
        raise MeasurementError.bad_argument(
            "target",
            expected=f"a state of 2 to {_MAX_QUBITS} qubits",
            got=f"dimensions {tensor.dimensions}",
            remedy="Reduced states of fewer qubits fit; of the whole state, ask for chosen settings.",
        )
    seen = planar_tensor(tensor, measurements)
    deadline = Deadline(limit)
    question = StateQuestion(tensor, measurements, limit)
    findings = _Findings(question)
    # Where no proof of locality can succeed, all time goes to settings.
    share = 1.0 if question.out_of_reach else _SHARE_OF_SETTINGS
    for settings in _settings(seen, measurements, seed, deadline.after(share)):
        # For the whole state, of which measurements in a plane see a part.
        decided = findings.add_settings(replace(settings, correlations=tensor))
        if not decided and findings.certificate is None:
            # After the quickest criterion for one side, the quickest ones for the other.
            decided = any(map(findings.add_certificate, _quick_certificates(tensor, seen, plane)))
        if decided:
            return findings.report()
    if question.out_of_reach:
        return findings.report()
    searching = limit >= _LEAST_SECONDS_OF_SEARCH
    share = 1 - _SHARE_OF_SEARCH if searching else 1.0
    for certificate in _certificates(seen, measurements, seed, deadline.end - (1 - share) * limit):
        if findings.add_certificate(certificate):
            return findings.report()
    if searching:
        findings.loss = _loss(tensor, measurements, seed, deadline.end - time.monotonic())
    return findings.report()


def _loss(tensor: CorrelationTensor, measurements: str, seed: int | None, seconds: float) -> float | None:
    """Divergence of the best local model that a short search by gradient descent finds: an estimate, no proof."""
    from .optimize.search import find_local_model

    degree = 5 if tensor.num_parties == 2 else 3
    found = find_local_model(
        tensor,
        measurements=measurements,
        degree=degree,
        num_hidden=4096,
        num_steps=1000,
        time_limit=max(1.0, seconds),
        seed=seed,
        progress=None,
    )
    return None if found.evaluation is None else float(found.evaluation.kl_divergence)


def _qubit_and_qutrit(state: DensityMatrix | Statevector, limit: float) -> LocalityReport:
    """The answer for a qubit and a qutrit, where separability is all that is decided."""
    certificate = prove_separable(state)
    if certificate is not None and certificate.shows is None:
        certificate = None
    return StateQuestion(CorrelationTensor.of(state), "projective", limit).report(None, certificate)


def proofs_from_below(
    tensor: CorrelationTensor, measurements: str, seed: int | None, deadline: float, visibility: float = 1.0
) -> Iterator[Certificate]:
    """Certificates of locality, from the quickest on, until the time is over.

    Args:
        tensor: Correlations of qubits.
        measurements: ``"projective"`` or a plane.
        seed: Seed, or ``None``.
        deadline: On the clock of ``time.monotonic``.
        visibility: Visibility in white noise that is asked for.
    """
    seen = planar_tensor(tensor, measurements)
    yield from _quick_certificates(tensor, seen, check_measurements(measurements), visibility)
    yield from _certificates(seen, measurements, seed, deadline, visibility)


def _settings(
    tensor: CorrelationTensor, measurements: str, seed: int | None, deadline: float
) -> Iterator[OptimizedSettings]:
    n = tensor.num_parties
    if n == 2:
        # In a plane the correlations across it are zero, so the closed form stays in the plane, too.
        yield horodecki_settings(tensor)
    else:
        yield wwzb_settings(tensor, measurements=measurements, num_starts=8, seed=seed)
        quick = time.monotonic() + _SHARE_OF_SUBSYSTEMS * (deadline - time.monotonic())
        of_some = subsystem_settings(tensor, measurements=measurements, seed=seed, deadline=quick)
        for parties, found in of_some[:1]:
            yield lifted_settings(found, tensor, parties, measurements)
        for parties, _ in [one for one in of_some if 4 == len(one[0]) < n][:1]:
            # More settings than fit the whole state.
            try:
                found = optimize_settings(
                    tensor.reduce(parties),
                    4,
                    measurements=measurements,
                    method="regular",
                    time_limit=max(_LEAST_SECONDS, (deadline - time.monotonic()) / 2),
                    seed=seed,
                )
                yield lifted_settings(found, tensor, parties, measurements)
            except SolverError:
                pass
    plan = _SETTINGS.get(n, (("ascent", 2),))
    longer = plan + _LONG_SETTINGS.get(n, ())
    if (deadline - time.monotonic()) / len(longer) >= _LEAST_SECONDS_OF_LONG:
        plan = longer
    for i, (method, count) in enumerate(plan):
        left = (deadline - time.monotonic()) / (len(plan) - i)
        if left <= 0:
            return
        try:
            yield optimize_settings(
                tensor,
                count,
                measurements=measurements,
                method=method,
                num_starts=40,
                time_limit=left,
                seed=seed,
            )
        except SolverError:
            continue


def quick_certificate(
    tensor: CorrelationTensor, seen: CorrelationTensor, measurements: str, visibility: float = 1.0
) -> Certificate | None:
    """The best certificate of those that take no long search.

    Args:
        tensor: Correlations of qubits.
        seen: Those that the measurements see.
        measurements: ``"projective"`` or a plane.
        visibility: Visibility in white noise that is asked for.
    """
    found = _quick_certificates(tensor, seen, check_measurements(measurements), visibility)
    return max(found, key=lambda one: one.visibility, default=None)


def _quick_certificates(
    tensor: CorrelationTensor, seen: CorrelationTensor, plane: str, visibility: float = 1.0
) -> Iterator[Certificate]:
    if not plane:
        yield from quick_proofs(tensor, visibility)
        return
    certificate = product_certificate(seen, plane)
    if certificate is not None:
        yield certificate


def _certificates(
    tensor: CorrelationTensor, measurements: str, seed: int | None, deadline: float, visibility: float = 1.0
) -> Iterator[Certificate]:
    n = tensor.num_parties
    everywhere = measurements == "projective"
    mixture = finer_mixture(tensor, deadline, visibility) if everywhere else None
    if mixture is not None:
        yield mixture
    axes = (_AXES if everywhere else _PLANAR_AXES).get(n, _FEW_AXES[everywhere])

    def certify(count: int, seconds: float, goal: float | None) -> AllProjectiveCertificate | None:
        try:
            return certify_all_projective(
                tensor,
                measurements=measurements,
                num_settings=count,
                max_visibility=_ASIDE * visibility,
                goal=goal,
                time_limit=seconds,
                seed=seed,
                progress=False,
            )
        except SolverError:
            return None

    # Each set only until it is clear whether it reaches the goal; the last one then shows how far it comes.
    for i, count in enumerate(axes):
        left = deadline - time.monotonic()
        if left <= 0:
            return
        last = i == len(axes) - 1
        certificate = certify(count, left if last else _SHARE_OF_COARSE * left, visibility)
        if certificate is not None:
            yield certificate
    left = deadline - time.monotonic()
    if left > _LEAST_SECONDS:
        certificate = certify(axes[-1], left, None)
        if certificate is not None:
            yield certificate


class _Findings:
    """What is proven from either side so far."""

    def __init__(self, question: StateQuestion) -> None:
        self.question = question
        self.certificate: Certificate | None = None
        self.settings: OptimizedSettings | None = None
        self.loss: float | None = None
        self.verdict: Verdict = Verdict.INCONCLUSIVE

    def add_settings(self, settings: OptimizedSettings) -> bool:
        """Keeps the settings of the lowest visibility; a verified violation decides."""
        if self.settings is None or settings.visibility < self.settings.visibility:
            self.settings = settings
        if settings.violation > 0 and settings.verify(rounding_error=ROUNDING):
            self.settings = settings
            self.verdict = Verdict.NONLOCAL
        return self.verdict is Verdict.NONLOCAL

    def add_certificate(self, certificate: Certificate | None) -> bool:
        """Keeps the certificate of the highest visibility; a verified one of the whole state decides."""
        if certificate is None:
            return False
        if self.certificate is None or certificate.visibility > self.certificate.visibility:
            self.certificate = certificate
        if certificate.visibility >= 1 - self.question.allowed_noise and certificate.verify():
            self.certificate = certificate
            self.verdict = Verdict.LOCAL
        return self.verdict is Verdict.LOCAL

    def report(self) -> LocalityReport:
        """The report."""
        # A certificate that shows LOCAL, of a state of which no tolerance may hide that it is not proven, is left out.
        certificate, settings = self.certificate, self.settings
        if certificate is not None and certificate.shows and self.verdict is not Verdict.LOCAL:
            certificate = None
        if self.verdict is Verdict.NONLOCAL:
            return self.question.report(settings, certificate, loss=self.loss)
        upper = None if settings is None or not math.isfinite(settings.visibility) else settings.visibility
        inequality = None if settings is None else settings.inequality
        return self.question.report(None, certificate, inequality=inequality, found=upper, loss=self.loss)
