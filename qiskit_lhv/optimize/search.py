"""Search for a local model by gradient descent, for finite scenarios and for all projective measurements."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Statevector

from .._records import Record, encode
from .._validation import frozen, generator, is_whole_number
from ..exceptions import LHVError, ScenarioError
from ..models.features import Features, PlanarHarmonics, SphericalHarmonics
from ..models.responses import DirectionResponse, ResponseModel, TableResponse
from ..targets.behaviors import Behavior
from ..targets.correlations import CorrelationTensor
from ..targets.counts import BellCounts
from ..targets.projections import divergence, setting_shares
from .checkpoints import Checkpoint, fingerprint
from .continuous import ContinuousProblem, continuous_loss, start_parameters
from .directions import DirectionSampler, grid_size
from .evaluation import Evaluation, evaluate_model
from .finite import finite_data, finite_loss, finite_start
from .training import cosine_schedule, train

__all__ = ["LocalModelResult", "find_local_model"]

# Rates that let the responses of a table become deterministic, and those of directions settle,
# within the default number of steps.
_TABLE_RATE, _DIRECTION_RATE = 1.0, 0.2
_TABLE_DEFAULTS, _DIRECTION_DEFAULTS = (1024, 3000), (2**14, 1000)
_GRID_BUDGET = 1024
# Fresh directions in every step: a short memory lets Adam follow the falling gradients.
_DIRECTION_MEMORY = 0.95
_MAX_QUBITS = 6


@dataclass(frozen=True, eq=False, repr=False)
class LocalModelResult(Record):
    """The outcome of a search for a local model."""

    model: ResponseModel
    """The best model found."""
    loss: float
    """Its Kullback-Leibler divergence from the target in nats a trial, evaluated in float64 by NumPy; for
    all projective measurements the mean over fresh random settings."""
    history: NDArray[np.float64]
    """Loss before every step."""
    status: str
    """Why the search stopped, as a sentence."""
    evaluation: Evaluation | None = None
    """Losses on fresh random settings, for all projective measurements; else ``None``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "history", frozen(self.history))

    def __str__(self) -> str:
        return f"local model with KL {self.loss:.3e} nats a trial after {len(self.history)} steps. {self.status}"


def find_local_model(
    target: Any,
    *,
    measurements: str | Sequence[Any] = "projective",
    degree: int = 5,
    features: Features | None = None,
    num_hidden: int | None = None,
    num_steps: int | None = None,
    target_loss: float | None = None,
    time_limit: float | None = None,
    seed: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> LocalModelResult:
    """Searches for a local model by gradient descent on an ensemble of hidden variables.

    For a behavior or counts, every party's responses are a table of free logits for each hidden
    variable, whose probabilities are free too; for counts, settings are weighted by their shots, so
    that the loss is the log-likelihood deficit a trial. For a state, the model must reproduce all
    projective measurements (or all in a plane): response functions are odd functions of the Bloch
    vector, and every step draws fresh directions for each party and compares all their combinations.

    The loss is the Kullback-Leibler divergence of the target from the model. A large loss proves
    nothing: the search may have failed.

    Args:
        target: A ``Behavior`` or ``BellCounts``; or a state of qubits, one a party: ``DensityMatrix``,
            ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor``.
        measurements: For states: ``"projective"``; a plane ``"xy"``, ``"xz"`` or ``"yz"``; or two
            orthonormal vectors that span a plane.
        degree: For states, the highest degree of the response functions' harmonics, odd.
        features: For states, other features of the response functions instead.
        num_hidden: Size of the ensemble; default: 1024, for states 16384.
        num_steps: Steps of Adam, with a rate that falls along a cosine; default: 3000, for states 1000.
        target_loss: Stop once the loss is at most this, in nats a trial.
        time_limit: Stop after this many seconds; checked every 100 steps.
        seed: Seed of everything random; the same seed gives the same result.
        progress: Whether to show a progress bar; default: on a terminal.
        checkpoint: File that keeps the state of the run, written every few seconds. If the run is
            interrupted, even killed, the same call goes on from there and ends in the same model. Needs
            a seed.

    Returns:
        The model, its loss, the loss history, and why the search stopped.

    Raises:
        ScenarioError: If the target, the measurements or the degree cannot be used.
        MeasurementError: If a state is none.
        CertificateError: If the checkpoint is damaged or of another run; it is left as it is.
        LHVError: If another argument is out of range.

    References:
        arXiv:2407.04673 (the method, with pairs of directions instead of grids).
    """
    for name, value in (("num_hidden", num_hidden), ("num_steps", num_steps)):
        if value is not None and (not is_whole_number(value) or value < 1):
            raise LHVError.bad_argument(name, expected="a whole number of at least 1", got=repr(value))
    for name, limit in (("target_loss", target_loss), ("time_limit", time_limit)):
        if limit is not None and not limit >= 0:
            raise LHVError.bad_argument(name, expected="None or a number of at least 0", got=repr(limit))
    generator(seed)
    if checkpoint is not None and seed is None:
        raise LHVError.bad_argument("seed", expected="a seed where there is a checkpoint", got="None")
    limits = {"target_loss": target_loss, "time_limit": time_limit, "progress": progress}
    if isinstance(target, Behavior | BellCounts):
        hidden, steps = _TABLE_DEFAULTS
        return _search_finite(target, num_hidden or hidden, num_steps or steps, seed, limits, checkpoint)
    tensor = _qubit_tensor(target)
    sampler = DirectionSampler(measurements)
    if features is None:
        features = SphericalHarmonics(degree) if sampler.plane is None else PlanarHarmonics(degree, sampler.plane)
    elif not isinstance(features, Features):
        raise ScenarioError.bad_argument("features", expected="Features", got=repr(features))
    problem = ContinuousProblem(tensor, sampler, features, grid_size(_GRID_BUDGET, tensor.num_parties))
    hidden, steps = _DIRECTION_DEFAULTS
    return _search_continuous(problem, measurements, num_hidden or hidden, num_steps or steps, seed, limits, checkpoint)


def _qubit_tensor(target: Any) -> CorrelationTensor:
    if isinstance(target, DensityMatrix | Statevector | QuantumCircuit):
        target = CorrelationTensor.from_state(target)
    if not isinstance(target, CorrelationTensor):
        raise ScenarioError.bad_argument(
            "target",
            expected="a Behavior, BellCounts, DensityMatrix, Statevector, QuantumCircuit or CorrelationTensor",
            got=type(target).__name__,
        )
    if set(target.dimensions) != {2} or target.num_parties > _MAX_QUBITS:
        raise ScenarioError.bad_argument(
            "target",
            expected=f"1 to {_MAX_QUBITS} parties of one qubit each",
            got=f"parties of dimensions {target.dimensions}",
            remedy="Behavior.from_state(state, settings) takes any parties, for chosen settings.",
        )
    return target


def _search_finite(
    target: Behavior | BellCounts,
    num_hidden: int,
    num_steps: int,
    seed: int | None,
    limits: dict[str, Any],
    checkpoint: str | os.PathLike[str] | None,
) -> LocalModelResult:
    behavior = target.frequencies() if isinstance(target, BellCounts) else target
    shares = setting_shares(behavior, target.num_shots if isinstance(target, BellCounts) else None)
    run_facts = {"target": behavior.array, "shares": shares, "hidden": num_hidden, "steps": num_steps, "seed": seed}
    with jax.enable_x64(True):
        run = train(
            finite_loss,
            finite_start(behavior.scenario, num_hidden, seed),
            finite_data(behavior, shares),
            cosine_schedule(_TABLE_RATE, num_steps),
            checkpoint=_checkpoint(checkpoint, run_facts),
            **limits,
        )
        logits = tuple(np.asarray(array, dtype=np.float64) for array in run.parameters["logits"])
        mixture = np.asarray(jax.nn.softmax(run.parameters["log_weights"]), dtype=np.float64)
    model = ResponseModel(logits, TableResponse(behavior.scenario), mixture / mixture.sum())
    return LocalModelResult(model, divergence(behavior, model.behavior(), shares), run.history, run.status)


def _search_continuous(
    problem: ContinuousProblem,
    measurements: str | Sequence[Any],
    num_hidden: int,
    num_steps: int,
    seed: int | None,
    limits: dict[str, Any],
    checkpoint: str | os.PathLike[str] | None,
) -> LocalModelResult:
    seed = secrets.randbits(31) if seed is None else int(seed)
    num_parties = problem.tensor.num_parties
    run_facts = {
        "tensor": problem.tensor.array,
        "features": json.dumps(encode(problem.features)),
        "plane": problem.sampler.plane if problem.sampler.plane is not None else "none",
        "grid": problem.num_directions,
        "hidden": num_hidden,
        "steps": num_steps,
        "seed": seed,
    }
    run = train(
        continuous_loss,
        start_parameters(num_parties, num_hidden, problem.features.size, seed),
        None,
        cosine_schedule(_DIRECTION_RATE, num_steps).astype(np.float32),
        batches=problem.batches(seed),
        memory=_DIRECTION_MEMORY,
        checkpoint=_checkpoint(checkpoint, run_facts),
        **limits,
    )
    hidden = tuple(np.asarray(array, dtype=np.float64) for array in run.parameters)
    model = ResponseModel(hidden, DirectionResponse(problem.features, num_parties))
    evaluation = evaluate_model(model, problem.tensor, measurements=measurements, seed=seed + 1)
    return LocalModelResult(model, evaluation.kl_divergence, run.history, run.status, evaluation)


def _checkpoint(path: str | os.PathLike[str] | None, run_facts: dict[str, Any]) -> Checkpoint | None:
    return None if path is None else Checkpoint(path, fingerprint(**run_facts))
