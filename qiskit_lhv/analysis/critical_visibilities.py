"""Bounds from below and from above on the visibility up to which a noisy state is local."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np

from .._support.deadlines import Deadline
from .._support.files import writable_folder
from .._support.progress import ProgressBar
from .._support.validation import shown
from ..exceptions import LHVError, MeasurementError
from ..measurements.named_sets import measurement_sets, projective_members, qubit_set
from ..measurements.qubit_sets import AllProjective, PlanarProjective
from ..measurements.sets import MeasurementSet
from ..models.features import Features, check_degree
from ..models.responses import QubitResponse
from ..optimize.search_run import SearchRun
from ..optimize.visibility_sweep import VisibilitySweep, checked_options, sweep_visibility
from ..projective.certificates.certificate import AllProjectiveCertificate
from ..projective.certificates.quick_proofs import LocalityProof
from ..projective.settings.optimization import OptimizedSettings
from ..quantum.qubit_layouts import PhysicalQubits
from ..sweeps.sweeping import run_all
from ..targets.correlations import CorrelationTensor
from ..targets.qubits import tensor_of_parties
from ..targets.state_tensors import state_tensor
from ..verification.evidence import Evidence
from ..verification.result import Verification, combine
from .kept_runs import KeptRun, same_correlations
from .proof_plan import Step, time_for_models
from .proofs import proofs
from .qudit_words import named_for_all, sets_of_parties
from .state_question import among

__all__ = ["CriticalVisibility", "critical_visibility"]

# The last step of each list leaves time for what follows.
_STEPS_FROM_ABOVE = (Step.CRITERIA, Step.SETTINGS, Step.MODELS)
_STEPS_FROM_BELOW = (Step.QUICK_PROOFS, Step.POLYHEDRA, Step.MODELS)
_NUM_POINTS = 8
_OPTIONS_OF_SWEEP = ("first_steps", "response", "num_hidden", "optimizer", "grid", "progress")


@dataclass(frozen=True, eq=False, repr=False)
class CriticalVisibility(Evidence):
    """The visibility up to which a noisy state is local for all projective measurements, those in a plane, or POVMs.

    References:
        N. von Selzam, F. Marquardt, arXiv:2407.04673 (losses against the visibility); R. F. Werner, Phys. Rev. A 40,
        4277 (1989).

    Examples:
        The two bounds of a Bell pair that take no search: compatible measurements, and CHSH.
        :func:`critical_visibility` finds closer ones.

        >>> from qiskit_lhv import werner_state
        >>> from qiskit_lhv.projective import horodecki_settings, prove_compatible
        >>> below, above = prove_compatible(werner_state(1)), horodecki_settings(werner_state(1))
        >>> found = CriticalVisibility(below.visibility, 0.70711, below, above, None)
        >>> print(found)
        critical visibility in [0.5, 0.70711]
        >>> print(found.settings.inequality, bool(found.verify()))
        <A0 B0> + <A0 B1> + <A1 B0> - <A1 B1> <= 2 True
    """

    lower: float
    """The visibility up to which ``certificate`` proves the state local; 0 without a certificate."""
    upper: float
    """The visibility above which ``settings`` prove the state nonlocal; infinite without settings."""
    certificate: LocalityProof | None
    """The proof of locality, which gives the lower bound."""
    settings: OptimizedSettings | None
    """The settings and the inequality that give the upper bound."""
    sweep: VisibilitySweep | None
    """The losses of local models at several visibilities, from which the estimate comes; ``None`` if there was no time
    for them, or for POVMs."""
    timed_out: bool = False
    """Whether the time limit cut a search short, so that more time may give a narrower interval. ``verify()`` cannot
    check this field."""
    measurements: MeasurementSet | None = None
    """For which measurements both bounds hold: all projective ones, those in a plane, or all POVMs. Default: projective
    ones, those in a plane if the certificate is about no others."""

    def __post_init__(self) -> None:
        measured = self.measurements
        if measured is None:
            # Of all POVMs, only the projective ones are claimed where nothing is said.
            proven = AllProjective() if self.certificate is None else self.certificate.measurements
            measured = projective_members(proven)
        proofs_of = [proof for proof in (self.certificate, self.settings) if proof is not None]
        of_qubits = all(set(proof.correlations.dimensions) == {2} for proof in proofs_of)
        # A plane is one of Bloch vectors, so larger parties have none.
        object.__setattr__(self, "measurements", qubit_set(measured) if of_qubits else named_for_all(measured))

    @property
    def estimate(self) -> float | None:
        """The visibility at which the square root of the loss extrapolates to zero, limited to the proven interval.

        It is ``None`` without a sweep.
        """
        if self.sweep is None:
            return None
        found = self.sweep.extrapolated_visibility() or self.sweep.floor_visibility()
        return None if found is None else min(max(found, self.lower), self.upper)

    def __str__(self) -> str:
        estimate = "" if self.estimate is None else f", estimate {self.estimate:.4f}"
        cut = " (the time limit cut the search short)" if self.timed_out else ""
        return f"critical visibility in [{self.lower:.7g}, {self.upper:.7g}]{estimate}{cut}"

    def verify(self, state: Any = None, *, prove_bound: bool | None = None) -> Verification:
        """Verifies both proofs, and that they are about the same state, noise and measurements.

        Args:
            state: A state or correlation tensor that the proofs should be about. Default: that of the proofs.
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
        """
        order = Verification(0 <= self.lower <= self.upper, f"0 <= {self.lower!r} <= {self.upper!r}")
        if not order:
            return order
        checks = [self._about_one_state(state)]
        if self.certificate is None:
            checks.append(Verification(self.lower <= 0, "nothing is claimed from below"))
        else:
            checks.append(self.certificate.verify())
            shown = self.certificate.visibility
            checks.append(Verification(self.lower <= shown, f"the certificate shows {shown:.9g}"))
        if self.settings is None:
            checks.append(Verification(math.isinf(self.upper), "nothing is claimed from above"))
        elif not 0 < self.upper < math.inf:
            checks.append(Verification(False, f"the upper end is {self.upper}", math.inf))
        else:
            checks.append(self.settings.mixed(self.upper).verify(prove_bound=prove_bound))
        return combine(*checks)

    def _about_one_state(self, state: Any) -> Verification:
        """Checks that both proofs are about the same state, noise and measurements."""
        below, above = self.certificate, self.settings
        seen = qubit_set(self.measurements)
        if below is not None and not below.measurements.covers(seen):
            return Verification(False, f"the certificate is not about {seen}", math.inf)
        tensors = [proof.correlations for proof in (below, above) if proof is not None]
        noises = []
        if below is not None:
            noise = below.noise if isinstance(below, AllProjectiveCertificate) else None
            noises.append(None if noise is None else noise.correlations)
        if above is not None:
            noises.append(above.noise)
        if state is not None:
            tensors.append(CorrelationTensor.of(state))
        if not all(same_correlations(tensor, tensors[0], seen) for tensor in tensors[1:]):
            return Verification(False, "the proofs are about different states", math.inf)
        if not all(same_correlations(noise, noises[0], seen) for noise in noises[1:]):
            return Verification(False, "the proofs are about different noise", math.inf)
        if above is not None and not among(above, seen):
            return Verification(False, f"the settings are not among {seen}", math.inf)
        return Verification(True, "both sides are about the same state")

    def plot(self) -> Any:
        """Returns a matplotlib figure of the losses against the visibility, with what is proven on either side.

        Raises:
            ImportError: If matplotlib is not installed (extra ``plot``).
        """
        from ..plotting import plot_critical_visibility

        return plot_critical_visibility(self)


@overload
def critical_visibility(
    state: list[Any] | tuple[Any, ...], *args: Any, **keywords: Any
) -> list[CriticalVisibility]: ...


@overload
def critical_visibility(state: Any, *args: Any, **keywords: Any) -> CriticalVisibility: ...


def critical_visibility(
    state: Any,
    parties: Sequence[Any] | PhysicalQubits | None = None,
    *,
    noise: Any = None,
    measurements: MeasurementSet | str = "projective",
    time_limit: float | None = None,
    seed: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    executor: Any = None,
    **options: Any,
) -> CriticalVisibility | list[CriticalVisibility]:
    """Returns proven bounds on the visibility up to which a noisy state is local, and an estimate between them.

    The upper bound comes from optimized settings (:func:`~qiskit_lhv.projective.optimize_settings`), with an increasing
    number of settings. For two qubits, the settings of the inequality for Werner states are tried too
    (:func:`~qiskit_lhv.polytope.werner_inequality`). The lower bound comes from polyhedra, coarse ones first
    (:func:`~qiskit_lhv.projective.certify_all_projective`), and for two qubits in white noise also from extensions of
    the local Werner model. In the remaining time, local models between the bounds are searched by gradient descent
    (:func:`~qiskit_lhv.optimize.sweep_visibility`).

    Where a party is larger than a qubit, the lower bound comes from compatible noise and from mixtures of product
    states, both in white noise, and there is no estimate.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of 2 to 6 qubits, or of
            parties with at most 64 dimensions in all; or a list of states, each a question of its own.
        parties: The qubits of each party, as in ``Behavior.from_state``. Default: one party per qubit or subsystem.
        noise: A state of the same parties. Default: white noise.
        measurements: ``"projective"``; ``"povm"``: all POVMs; or of qubits those in a plane: ``"xy"``, ``"xz"`` or
            ``"yz"``.
        time_limit: Limit in seconds for all parts together; of a list, for each state. The result says whether it cut
            a search short. Default: no limit; the work is bounded instead, so that the answer is the same on every
            machine. It takes about a minute on two cores for two qubits.
        seed: Seed of the searches, or ``None``.
        folder: Folder in which the results are kept. The same call with the same folder continues from there. It
            requires a seed. Of a list, each state has a folder of its own in it.
        executor: Where the states of a list are treated, as in :func:`qiskit_lhv.sweeps.sweep`.
        **options: Keywords of ``sweep_visibility``, such as ``response``, ``num_hidden`` or ``optimizer``.

    Returns:
        Both bounds with their proofs, and the estimate; for a list of states, a list of these.

    Raises:
        MeasurementError: If the state or the noise is not a state or too large, or if the measurements are unknown.
        ScenarioError: If the noise cannot be proven local.
        CertificateError: If the folder holds files of another run, or a proof in it does not hold.
        LHVError: If a number is out of range, or if a folder is given without a seed.
        SweepError: If a state of a list fails on a worker.

    References:
        R. F. Werner, Phys. Rev. A 40, 4277 (1989); N. von Selzam, F. Marquardt, arXiv:2407.04673 (the estimate);
        arXiv:1609.06114, arXiv:2302.04721 (polyhedra).

    Examples:
        Two qutrits in the maximally entangled state with white noise:

        >>> from qiskit_lhv.quantum import isotropic_state
        >>> print(critical_visibility(isotropic_state(1, 3), seed=1))
        critical visibility in [0.4166667, 0.6961524]
    """
    clock = Deadline(time_limit)
    _check_options_of_sweep(options, seed)
    if folder is not None and seed is None:
        raise LHVError.bad_argument("seed", expected="a seed where there is a folder", got="None")
    if isinstance(state, list | tuple):
        if not state:
            raise MeasurementError.bad_argument("state", expected="a state, or a list of states", got="an empty list")
        for number, one in enumerate(state):
            try:
                _checked_question(one, parties, noise, measurements)
            except LHVError as exc:
                raise type(exc)(f"state[{number}] of the list: {exc.message}") from exc
        places = [None if folder is None else Path(folder) / f"state_{i:04d}" for i in range(len(state))]
        shared = {"noise": noise, "measurements": measurements, "time_limit": time_limit, "seed": seed}
        shared |= options | {"progress": False}
        tasks = [
            {"state": one, "parties": parties, "folder": place, **shared}
            for one, place in zip(state, places, strict=True)
        ]
        return run_all(critical_visibility, tasks, executor, progress=options.get("progress"))
    if executor is not None:
        raise LHVError.bad_argument("executor", expected="None for a single state", got=shown(executor))
    tensor, other, measured = _checked_question(state, parties, noise, measurements)
    of_qubits = set(tensor.dimensions) == {2}
    place = None if folder is None else writable_folder(folder, "folder")
    run = KeptRun(tensor, other, measured, place)
    settings = run.kept_settings()
    options_of_proofs: dict[str, Any] = {
        "clock": clock,
        "noise": other,
        "measurements": measured,
        "visibility": None,
        "thorough": True,
        "seed": seed,
    }
    if settings is None:
        above = proofs(tensor, _STEPS_FROM_ABOVE, **options_of_proofs)
        settings = run.keep_settings(list(_shown(above, options.get("progress"))))
    store = None if place is None else run
    certificates = [
        proof
        for proof in _shown(
            proofs(tensor, _STEPS_FROM_BELOW, store=store, **options_of_proofs), options.get("progress")
        )
        if not isinstance(proof, OptimizedSettings)
    ]
    certificate = max(certificates, key=lambda proof: proof.visibility, default=None)
    upper = settings.visibility * (1 + 1e-8) if settings is not None else math.inf
    if settings is None or math.isinf(upper) or not settings.mixed(upper).verify():
        settings, upper = None, math.inf
    lower = 0.0 if certificate is None else certificate.visibility
    sweep = None
    if of_qubits and measured.is_projective and lower < min(upper, 1.0) and time_for_models(clock, _NUM_POINTS):
        highest = min(1.0, upper + (upper - lower) if math.isfinite(upper) else 1.0)
        grid = np.linspace(max(0.0, lower - 0.02), highest, _NUM_POINTS)
        where = None if place is None else place / "sweep"
        with clock.step() as seconds:
            sweep = sweep_visibility(
                tensor,
                grid,
                noise=other,
                measurements=measured,
                time_limit=seconds,
                seed=seed,
                folder=where,
                **options,
            )
    return CriticalVisibility(lower, upper, certificate, settings, sweep, clock.ran_out, measured)


def _shown(
    tried: Iterator[OptimizedSettings | LocalityProof], progress: bool | None
) -> Iterator[OptimizedSettings | LocalityProof]:
    """The proofs, with a progress bar."""
    with ProgressBar(None, progress, "proof") as bar:
        for proof in tried:
            bar.update(1, f"visibility {proof.visibility:.6g}")
            yield proof


def _checked_question(
    state: Any, parties: Any, noise: Any, measurements: MeasurementSet | str
) -> tuple[CorrelationTensor, CorrelationTensor | None, MeasurementSet]:
    """Returns state, noise (``None``: white) and measurements after the checks of :func:`critical_visibility`."""
    if isinstance(measurements, str):
        # Unknown names are told before a circuit is simulated.
        measurement_sets(measurements, (2,))
    tensor = tensor_of_parties(state, parties)
    dimensions = tensor.dimensions
    of_qubits = set(dimensions) == {2}
    measured = qubit_set(measurements) if of_qubits else sets_of_parties(measurements, dimensions)
    tensor = _of_state(tensor, state, "state", measured)
    other = None if noise is None else _of_state(tensor_of_parties(noise, parties, "noise"), noise, "noise", measured)
    if other is not None and other.array.shape != tensor.array.shape:
        raise MeasurementError.bad_argument(
            "noise", expected=f"a state of parties of dimensions {dimensions}", got=repr(other)
        )
    given = CorrelationTensor.white_noise(tensor.dimensions) if other is None else other
    if np.array_equal(given.array, tensor.array):
        raise MeasurementError.bad_argument(
            "noise", expected="another state than the first", got="the same one", remedy="They make no line."
        )
    return tensor, other, measured


def _check_options_of_sweep(options: dict[str, Any], seed: int | None) -> None:
    """Refuses before the proofs what the sweep, which comes last or not at all, would refuse after them."""
    unknown = sorted(options.keys() - set(_OPTIONS_OF_SWEEP))
    if unknown:
        raise LHVError.bad_argument(
            unknown[0], expected=f"one of the options {', '.join(_OPTIONS_OF_SWEEP)}", got=shown(options[unknown[0]])
        )
    optimizer, *_ = checked_options(*(options.get(name) for name in ("optimizer", "grid", "first_steps")))
    SearchRun.checked(options.get("num_hidden"), optimizer, None, seed, None, None)
    if not isinstance(options.get("response"), Features | QubitResponse | None):
        check_degree(options["response"], "response")


def _of_state(tensor: CorrelationTensor, given: Any, name: str, measurements: MeasurementSet) -> CorrelationTensor:
    """Returns the correlations, after a check that a tensor that was given belongs to a state.

    For measurements in a plane, any correlation tensor will do, also one that does not belong to a state.
    """
    in_a_plane = isinstance(measurements, PlanarProjective)
    return tensor if in_a_plane or not isinstance(given, CorrelationTensor) else state_tensor(tensor, name)[0]
