"""The analysis of a state: proofs of locality and of nonlocality, the quickest first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .._support.deadlines import Deadline, checks_within
from .._support.progress import ProgressBar
from .._support.validation import generator, shown
from ..exceptions import MeasurementError
from ..measurements.named_sets import measurement_sets, qubit_set
from ..measurements.qubit_sets import PlanarProjective
from ..measurements.sets import MeasurementSet
from ..projective.certificates.quick_proofs import LocalityProof
from ..projective.settings.optimization import OptimizedSettings
from ..quantum.parties import lowest_eigenvalue
from ..quantum.qubit_layouts import PhysicalQubits
from ..reports.locality import LocalityReport
from ..targets.correlations import CorrelationTensor
from ..targets.state_tensors import state_tensor
from ..verification.verdict import Verdict
from .proof_plan import Step, time_for_models
from .proofs import proofs
from .qudit_words import sets_of_parties
from .state_question import ROUNDING, StateQuestion

__all__ = ["analyze_state"]

_MAX_QUBITS = 6
# Local models by effects: the parties and the dimensions of the whole space, and the work of the short search.
_MOST_PARTIES, _LARGEST_DIMENSION = 2, 16
_NUM_HIDDEN, _NUM_STEPS, _NUM_EVALUATED = 1008, 400, 200
_STEPS_OUT_OF_REACH = (Step.CRITERIA, Step.QUICK_PROOFS, Step.SETTINGS)


def analyze_state(
    state: Any,
    parties: Sequence[Any] | PhysicalQubits | None = None,
    *,
    measurements: MeasurementSet | str = "projective",
    time_limit: float | None = None,
    progress: bool | None = None,
    seed: int | None = None,
) -> LocalityReport:
    """Returns a report on whether a state is local for all projective measurements, all in a plane, or all POVMs.

    The following proofs are tried in this order, until one of them decides:

    1. the criterion of Horodecki and the inequality for Werner states (two qubits), or the criterion of WWZB (more
       qubits);
    2. product states, and noise that makes measurements compatible;
    3. for two qubits, separability, unsteerability from either side, extensions of the local Werner model, and mixtures
       of all these (extra ``sdp``);
    4. the criteria for reduced states, whose nonlocality implies that of the whole state;
    5. optimized settings;
    6. polyhedra, from coarse to fine, and finer mixtures.

    Where a party is larger than a qubit these are known inequalities (CHSH, CGLMP, Mermin's), compatible noise,
    separability, and optimized settings.

    For POVMs, LOCAL needs a proof for all of them; projective measurements, which are POVMs, prove NONLOCAL.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of 2 to 6 qubits, or of
            parties with at most 64 dimensions in all.
        parties: The qubits of each party, as in ``Behavior.from_state``. Default: one party per qubit or subsystem.
        measurements: ``"projective"``; ``"povm"``: all POVMs; or of qubits those in a plane: ``"xy"``, ``"xz"`` or
            ``"yz"``.
        time_limit: Limit in seconds. The report says whether it cut a search short. Default: no limit; the work is
            bounded instead, so that the answer is the same on every machine. An open question then takes
            about a minute on two cores for two or three qubits, and some minutes for more.
        progress: Whether to show a progress bar. Default: on a terminal and in a notebook.
        seed: Seed of the searches, or ``None``.

    Raises:
        MeasurementError: If the target is not a state or too large, or if the measurements are unknown.
    """
    generator(seed)
    clock = Deadline(time_limit)
    if parties is not None and isinstance(state, CorrelationTensor):
        raise MeasurementError.bad_argument(
            "parties", expected="None for a correlation tensor, which has its own parties", got=shown(parties)
        )
    # Unknown measurements are told before a circuit is simulated.
    if isinstance(measurements, str):
        measurement_sets(measurements, (2,))
    given = CorrelationTensor.of(state, parties, name="target")
    n, dimensions = given.num_parties, given.dimensions
    of_qubits = set(dimensions) == {2}
    if not 2 <= n <= _MAX_QUBITS or math.prod(dimensions) > 2**_MAX_QUBITS:
        raise MeasurementError.bad_argument(
            "target",
            expected=f"a state of 2 to {_MAX_QUBITS} qubits, or of parties with at most {2**_MAX_QUBITS} dimensions in "
            "all",
            got=f"dimensions {dimensions}",
            remedy="Reduced states of fewer parties fit; of the whole state, ask for chosen settings."
            if n > 1
            else "Say how large each party is, as in DensityMatrix(matrix, dims=(3, 3)).",
        )
    measured = qubit_set(measurements) if of_qubits else sets_of_parties(measurements, dimensions)
    # For measurements in a plane, the correlations need not be those of a state: the missing ones are never seen.
    in_a_plane = isinstance(measured, PlanarProjective)
    if not isinstance(state, CorrelationTensor):
        tensor, clipped = given, lowest_eigenvalue(state)
    else:
        tensor, clipped = (given, 0.0) if in_a_plane else state_tensor(given, "target")
    findings = _Findings(StateQuestion(tensor, measured, clipped))
    with checks_within(clock):
        _look(findings, clock, progress, seed)
    return findings.report(clock)


def _look(findings: _Findings, clock: Deadline, progress: bool | None, seed: int | None) -> None:
    """Adds one proof after the other to the findings, until the question is decided or the plan is at its end."""
    question = findings.question
    # Where no proof of locality can succeed, all time goes to settings.
    hopeless = question.out_of_reach
    steps = _STEPS_OUT_OF_REACH if hopeless else tuple(Step)
    tried = proofs(
        question.correlations, steps, clock=clock, measurements=question.measurements, thorough=hopeless, seed=seed
    )
    with ProgressBar(None, progress, "proof") as bar:
        for proof in tried:
            bar.update(1, f"visibility {proof.visibility:.6g}")
            if findings.add(proof):
                return
    if Step.MODELS in steps and time_for_models(clock):
        with clock.step() as seconds:
            findings.loss = _loss(question.correlations, question.measurements, seed, seconds, progress)


def _loss(
    tensor: CorrelationTensor,
    measurements: MeasurementSet,
    seed: int | None,
    seconds: float | None,
    progress: bool | None,
) -> float | None:
    """Returns the divergence of the best local model that a short gradient descent finds. It proves nothing.

    Where parties are larger than qubits, or measure POVMs, ``None`` stands for states for which that would take long.
    """
    from ..optimize.options import GradientDescent, SettingsGrid
    from ..optimize.search import find_local_model

    descent: dict[str, Any]
    if set(tensor.dimensions) == {2} and measurements.is_projective:
        asked: MeasurementSet | str = measurements
        descent = {"response": 5 if tensor.num_parties == 2 else 3, "num_hidden": 4096}
    elif tensor.num_parties > _MOST_PARTIES or math.prod(tensor.dimensions) > _LARGEST_DIMENSION:
        return None
    else:
        # The name: each party has the set of its own dimension.
        asked = measurements.name
        optimizer, grid = GradientDescent(num_steps=_NUM_STEPS), SettingsGrid(num_evaluated=_NUM_EVALUATED)
        descent = {"num_hidden": _NUM_HIDDEN, "optimizer": optimizer, "grid": grid}
    found = find_local_model(tensor, measurements=asked, time_limit=seconds, seed=seed, progress=progress, **descent)
    return None if found.evaluation is None else float(found.evaluation.kl_divergence)


class _Findings:
    """The best proofs of nonlocality and of locality that were found so far."""

    def __init__(self, question: StateQuestion) -> None:
        self.question = question
        self.certificate: LocalityProof | None = None
        self.settings: OptimizedSettings | None = None
        self.loss: float | None = None
        self.verdict: Verdict = Verdict.INCONCLUSIVE

    def add(self, proof: OptimizedSettings | LocalityProof) -> bool:
        """Keeps a proof if it is the best of its kind so far, and returns whether the question is decided."""
        return self._add_settings(proof) if isinstance(proof, OptimizedSettings) else self._add_certificate(proof)

    def _add_settings(self, settings: OptimizedSettings) -> bool:
        """Keeps the settings of the lowest visibility, and returns whether a verified violation decides."""
        if self.settings is None or settings.visibility < self.settings.visibility:
            self.settings = settings
        if settings.violation > 0 and settings.verify(rounding_error=ROUNDING):
            self.settings = settings
            self.verdict = Verdict.NONLOCAL
        return self.verdict is Verdict.NONLOCAL

    def _add_certificate(self, certificate: LocalityProof) -> bool:
        """Keeps the certificate of the highest visibility, and returns whether a verified one decides."""
        if self.certificate is None or certificate.visibility > self.certificate.visibility:
            self.certificate = certificate
        if certificate.visibility >= 1 - self.question.allowed_noise and certificate.verify():
            self.certificate = certificate
            self.verdict = Verdict.LOCAL
        return self.verdict is Verdict.LOCAL

    def report(self, clock: Deadline) -> LocalityReport:
        """Returns the report."""
        # A certificate that shows LOCAL only within a tolerance is left out if no tolerance is allowed for the state.
        certificate, settings = self.certificate, self.settings
        if certificate is not None and certificate.shows and self.verdict is not Verdict.LOCAL:
            certificate = None
        if self.verdict is Verdict.NONLOCAL:
            return self.question.report(settings, certificate, loss=self.loss, timed_out=clock.ran_out)
        upper = None if settings is None or not math.isfinite(settings.visibility) else settings.visibility
        inequality = None if settings is None else settings.inequality
        return self.question.report(
            None, certificate, inequality=inequality, found=upper, loss=self.loss, timed_out=clock.ran_out
        )
