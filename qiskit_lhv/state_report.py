"""The answer for a state of qubits: proofs from both sides, cheapest first, within a common time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from qiskit.quantum_info import DensityMatrix, Statevector

from ._validation import generator, positive_number
from ._words import counted
from .exceptions import LHVError, MeasurementError, SolverError
from .polytope.all_projective import certify_all_projective
from .polytope.correlator_settings import wwzb_settings
from .polytope.extended_models import ExtensionCertificate, extend_local_models
from .polytope.optimized_settings import OptimizedSettings, horodecki_settings, optimize_settings
from .polytope.planes import check_measurements, planar_tensor
from .polytope.product_certificates import product_certificate
from .polytope.projective_certificate import AllProjectiveCertificate
from .polytope.separability import prove_separable
from .polytope.subsystem_settings import lifted_settings, subsystem_settings
from .report import LocalityReport
from .targets.correlations import CorrelationTensor
from .verdict import STATE_TOLERANCE, Verdict

__all__ = ["Certificate", "analyze_state", "proofs_from_below", "quick_certificate"]

_DEFAULT_SECONDS = 60.0
_MAX_QUBITS = 6
_ROUNDING = 1e-9
# A model is looked for a little inside the local set, where the search converges.
_ASIDE = 1.02
_AXES = {2: (16, 46), 3: (6, 16, 46), 4: (6, 16)}
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

Certificate = AllProjectiveCertificate | ExtensionCertificate


def analyze_state(
    state: Any, *, measurements: str = "projective", time_limit: float | None = None, seed: int | None = None
) -> LocalityReport:
    """Answers whether a state of qubits is local for all projective measurements, or all in a plane.

    In this order: the criterion of Horodecki (two qubits) or that of WWZB (more); product states; separability and
    extensions of the local Werner model (two qubits, extra ``sdp``); those criteria for reduced states, as their
    nonlocality is that of the whole; optimized settings; polyhedra from coarse to fine.

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
        return _qubit_and_qutrit(state)
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
    begin = time.monotonic()
    findings = _Findings(tensor, measurements)
    for settings in _settings(seen, measurements, seed, begin + _SHARE_OF_SETTINGS * limit):
        # For the whole state, of which measurements in a plane see a part.
        decided = findings.add_settings(replace(settings, correlations=tensor))
        if not decided and findings.certificate is None:
            # After the quickest criterion for one side, the quickest for the other.
            decided = findings.add_certificate(quick_certificate(tensor, seen, measurements))
        if decided:
            return findings.report(limit)
    searching = limit >= _LEAST_SECONDS_OF_SEARCH
    share = 1 - _SHARE_OF_SEARCH if searching else 1.0
    for certificate in _certificates(seen, measurements, seed, begin + share * limit):
        if findings.add_certificate(certificate):
            return findings.report(limit)
    if searching:
        findings.loss = _loss(tensor, measurements, seed, begin + limit - time.monotonic())
    return findings.report(limit)


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


def _qubit_and_qutrit(state: DensityMatrix | Statevector) -> LocalityReport:
    """The answer for a qubit and a qutrit, where separability is all that is decided."""
    certificate = prove_separable(state)
    if certificate is not None and certificate.shows is None:
        certificate = None
    return LocalityReport(
        verdict=Verdict.INCONCLUSIVE if certificate is None else Verdict.LOCAL,
        target="state of a qubit and a qutrit, all measurements",
        admits_local_model=None if certificate is None else True,
        model=None,
        inequality=None,
        alpha=None,
        test=None,
        log10_p_value=None,
        statistics={},
        evidence=() if certificate is None else (certificate,),
        assumptions=(f"the state is known to {STATE_TOLERANCE:g} of white noise",),
        advice="" if certificate else "It is entangled; choose settings: Behavior.from_state(state, settings).",
    )


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
    quick = quick_certificate(tensor, seen, measurements, visibility)
    if quick is not None:
        yield quick
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
    """A certificate that takes no search: that of a product state, or for two qubits by a semidefinite program."""
    plane = check_measurements(measurements)
    if tensor.num_parties == 2 and not plane:
        try:
            return extend_local_models(tensor, visibility=visibility)
        except ImportError:
            pass
    return product_certificate(seen, plane)


def _certificates(
    tensor: CorrelationTensor, measurements: str, seed: int | None, deadline: float, visibility: float = 1.0
) -> Iterator[AllProjectiveCertificate]:
    n = tensor.num_parties
    everywhere = measurements == "projective"
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

    def __init__(self, tensor: CorrelationTensor, measurements: str) -> None:
        self.tensor = tensor
        self.measurements = measurements
        self.certificate: Certificate | None = None
        self.settings: OptimizedSettings | None = None
        self.loss: float | None = None
        self.verdict: Verdict = Verdict.INCONCLUSIVE

    def add_settings(self, settings: OptimizedSettings) -> bool:
        """Keeps the settings of the lowest visibility; a verified violation decides."""
        if self.settings is None or settings.visibility < self.settings.visibility:
            self.settings = settings
        if settings.violation > 0 and settings.verify(rounding_error=_ROUNDING):
            self.settings = settings
            self.verdict = Verdict.NONLOCAL
        return self.verdict is Verdict.NONLOCAL

    def add_certificate(self, certificate: Certificate | None) -> bool:
        """Keeps the certificate of the highest visibility; a verified one of the whole state decides."""
        if certificate is None:
            return False
        if self.certificate is None or certificate.visibility > self.certificate.visibility:
            self.certificate = certificate
        if certificate.visibility >= 1 - STATE_TOLERANCE and certificate.verify():
            self.certificate = certificate
            self.verdict = Verdict.LOCAL
        return self.verdict is Verdict.LOCAL

    def report(self, limit: float) -> LocalityReport:
        """The report."""
        figures: dict[str, float] = {}
        lower = 0.0 if self.certificate is None else self.certificate.visibility
        upper = math.inf if self.settings is None else self.settings.visibility
        if self.certificate is not None:
            figures["proven local up to visibility (white noise)"] = lower
        if self.verdict is Verdict.NONLOCAL and self.settings is not None:
            figures["proven nonlocal above visibility"] = upper
            figures["violation"] = self.settings.violation
        elif math.isfinite(upper):
            figures["violation found above visibility"] = upper
        if self.loss is not None:
            figures["best local model found: KL (nats per trial, an estimate)"] = self.loss
        kept = {Verdict.LOCAL: (self.certificate,), Verdict.NONLOCAL: (self.settings,)}
        evidence = tuple(one for one in kept.get(self.verdict, (self.certificate,)) if one is not None)
        scope = "all projective measurements"
        if self.measurements != "projective":
            scope += f" in the plane {self.measurements}"
        assumptions = [f"the correlations of the state are known to {_ROUNDING:g}"]
        if self.verdict is Verdict.LOCAL and lower < 1:
            assumptions.append(f"white noise of weight {1 - lower:.2g} is within the tolerance of {STATE_TOLERANCE:g}")
        advice = ""
        if self.verdict is Verdict.INCONCLUSIVE:
            advice = (
                f"Open: in white noise the state is proven local up to visibility {lower:.6g}, no violation was found "
                f"below {upper:.6g}. More time (time_limit above {limit:g} s) allows finer polyhedra, "
                "certify_all_projective(state, num_settings=...), and more settings, optimize_settings(state, ...)."
            )
        return LocalityReport(
            verdict=self.verdict,
            target=f"state of {counted(self.tensor.num_parties, 'qubit')}, {scope}",
            admits_local_model={Verdict.LOCAL: True, Verdict.NONLOCAL: False}.get(self.verdict),
            model=None,
            inequality=None if self.settings is None else self.settings.inequality,
            alpha=None,
            test=None,
            log10_p_value=None,
            statistics=figures,
            evidence=evidence,
            assumptions=tuple(assumptions),
            advice=advice,
        )
