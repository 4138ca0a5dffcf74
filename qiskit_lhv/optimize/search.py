"""Search for a local model by gradient descent, for finite scenarios and for all projective measurements."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from .._support.records import Record, encode
from .._support.validation import frozen, seed_or_fresh, whole_number
from ..exceptions import LHVError, ScenarioError
from ..measurements.directions import Directions, Plane, parse_directions
from ..models.ensemble import ResponseModel
from ..models.features import Features, PlanarHarmonics, SphericalHarmonics
from ..models.responses import DirectionResponse, QubitResponse, TableResponse
from ..quantum.parties import QUANTUM_STATES
from ..targets.behaviors import Behavior
from ..targets.correlations import CorrelationTensor
from ..targets.counts import BellCounts
from ..targets.projections import divergence, setting_shares
from ..targets.qubits import qubit_tensor
from .direction_problem import ContinuousProblem, continuous_loss, start_parameters
from .evaluation import Evaluation, evaluate_model
from .optimizers import ADAM, POLYAK
from .options import Options
from .table_problem import finite_data, finite_loss, finite_start
from .training import Schedule

__all__ = ["LocalModelResult", "find_local_model", "find_local_models"]

# Rates that let the responses of a table become deterministic, and those of directions settle,
# within the default number of steps.
_TABLE_RATE, _DIRECTION_RATE = 1.0, 0.2
_TABLE_DEFAULTS, _DIRECTION_DEFAULTS = (1024, 3000), (2**14, 1000)
# The best rate of directions grows slowly with the ensemble: the noise of its start falls.
_RATE_GROWTH = 0.2
_FINAL_SHARE, _FINAL_RATE = 0.4, 0.02
# Setting combinations of a step, for two parties and for more.
_NUM_SETTINGS = {1: 64, 2: 1024}
_MANY_SETTINGS = 4096


@dataclass(frozen=True, eq=False, repr=False)
class LocalModelResult(Record):
    """The outcome of a search for a local model."""

    model: ResponseModel
    """The best model found."""
    loss: float
    """Its Kullback-Leibler divergence from the target in nats per trial, evaluated in float64 by NumPy; for
    all projective measurements the mean over fresh random settings."""
    history: NDArray[np.float64]
    """The loss that was minimized, before every step of the best start."""
    status: str
    """Why the search stopped, as a sentence."""
    evaluation: Evaluation | None = None
    """Losses on fresh random settings, for all projective measurements; else ``None``."""
    start_losses: NDArray[np.float64] = None  # type: ignore[assignment]  # filled in below
    """The divergence that each start reached, shape ``(num_starts,)``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "history", frozen(self.history))
        starts = [self.loss] if self.start_losses is None else self.start_losses
        object.__setattr__(self, "start_losses", frozen(np.asarray(starts, dtype=float)))

    def __str__(self) -> str:
        return f"local model with KL {self.loss:.3e} nats per trial after {len(self.history)} steps. {self.status}"


def find_local_model(
    target: Any,
    *,
    measurements: Any = "projective",
    degree: int = 5,
    response: Features | QubitResponse | None = None,
    num_hidden: int | None = None,
    num_steps: int | None = None,
    num_starts: int = 1,
    num_settings: int | None = None,
    sampling: str = "lattice",
    loss: str = "kl",
    learning_rate: float | None = None,
    patience: int | None = None,
    diffusion: float = 0.0,
    initial_model: ResponseModel | None = None,
    target_loss: float | None = None,
    time_limit: float | None = None,
    num_evaluated: int = 2000,
    seed: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> LocalModelResult:
    """Searches for a local model by gradient descent on an ensemble of hidden variables.

    For a behavior or counts, every party's responses are a table of free logits for each hidden
    variable, whose probabilities are free too; for counts, settings are weighted by their shots, so
    that the loss is the log-likelihood deficit per trial. For a state, the model must reproduce all
    projective measurements (or all in a plane, or those of a list): response functions are odd functions of
    the Bloch vector, and every step draws directions for each party and compares all their combinations.

    A large loss proves nothing: the search may have failed.

    Args:
        target: A ``Behavior`` or ``BellCounts``; or a state of qubits, one per party: ``DensityMatrix``,
            ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor``.
        measurements: For states: ``"projective"``; a plane ``"xy"``, ``"xz"`` or ``"yz"``; two orthonormal
            vectors that span a plane; or one list of projective measurements per party.
        degree: For states, the highest degree of the response functions' harmonics, odd; 1 is Bell's.
        response: For states, other features (``OddMonomials(5)``) or another response function
            (``FunctionResponse(...)``) instead.
        num_hidden: Size of the ensemble; default: that of the initial model, else 1024, for states 16384.
        num_steps: Gradient steps, the last 40% (behaviors: all) with a falling rate; default: 3000, for states 1000.
        num_starts: Random starts that run side by side; the best is returned.
        num_settings: For states, about how many setting combinations each step compares; default: 64 for one
            qubit, 1024 for two, 4096 for more.
        sampling: For states, ``"lattice"``: the directions of a step are evenly spread and turned at random;
            ``"uniform"``: they are independent.
        loss: What is minimized: ``"kl"``, the Kullback-Leibler divergence of the target from the model, or
            ``"l2"``, the sum of squared differences; a mean over settings.
        learning_rate: Rate of the main phase; default: 1 for tables; for states, where it is the largest
            root mean square of a step, 0.2 for 16384 hidden variables and more for more.
        patience: Number of steps over which the loss must fall by 1%, else the final phase begins at once;
            default: no such test.
        diffusion: Standard deviation of Gaussian noise added to all hidden variables in each step of
            the main phase.
        initial_model: Where to start instead of at random, such as a model of a neighboring state.
        target_loss: Stop once the loss is at most this.
        time_limit: Stop after this many seconds; checked every 100 steps.
        num_evaluated: For states, fresh random settings on which the model is evaluated.
        seed: Seed of everything random; the same seed gives the same result.
        progress: Whether to show a progress bar; default: on a terminal.
        checkpoint: File that keeps the state of the run, written every few seconds. If the run is
            interrupted, even killed, the same call goes on from there and ends in the same model. Needs
            a seed.

    Returns:
        The model, its divergence, the loss history, and why the search stopped.

    Raises:
        ScenarioError: If the target, the measurements, the degree or the response cannot be used.
        MeasurementError: If a target is not a valid state of 1 to 6 qubits.
        CertificateError: If the checkpoint is damaged or of another run; it is left as it is.
        LHVError: If another argument is out of range.
        SolverError: If the loss is not finite from the first steps on.

    References:
        arXiv:2407.04673 (the method, with pairs of directions instead of grids).
    """
    options: dict[str, Any] = {
        "num_hidden": num_hidden,
        "num_steps": num_steps,
        "num_starts": num_starts,
        "loss": loss,
        "learning_rate": learning_rate,
        "patience": patience,
        "diffusion": diffusion,
        "initial_model": initial_model,
        "target_loss": target_loss,
        "time_limit": time_limit,
        "num_evaluated": num_evaluated,
        "seed": seed,
        "progress": progress,
        "checkpoint": checkpoint,
    }
    if isinstance(target, Behavior | BellCounts):
        given = {"response": response, "num_settings": num_settings}
        given["measurements"] = None if isinstance(measurements, str) and measurements == "projective" else measurements
        for name, value in given.items():
            if value is not None:
                raise LHVError.bad_argument(
                    name, expected="nothing for a finite scenario, whose settings are given", got=repr(value)
                )
        return _search_finite(target, Options(**options))
    if not isinstance(target, (*QUANTUM_STATES, CorrelationTensor)):
        raise ScenarioError.bad_argument(
            "target",
            expected="a Behavior, BellCounts, DensityMatrix, Statevector, QuantumCircuit or CorrelationTensor",
            got=type(target).__name__,
        )
    where: dict[str, Any] = {"measurements": measurements, "num_settings": num_settings, "sampling": sampling}
    return find_local_models([target], degree=degree, response=response, **where, **options)[0]


def find_local_models(
    targets: Sequence[Any],
    *,
    measurements: Any = "projective",
    degree: int = 5,
    response: Features | QubitResponse | None = None,
    num_settings: int | None = None,
    sampling: str = "lattice",
    **options: Any,
) -> list[LocalModelResult]:
    """Searches for local models of several states at once, on the same directions.

    Args:
        targets: States with the same number of qubits.
        measurements: See :func:`find_local_model`.
        degree: See there.
        response: See there.
        num_settings: See there.
        sampling: See there.
        **options: The other options of :func:`find_local_model`. With a target loss, the search stops
            once every state has a start that reaches it.

    Returns:
        One result for each state.

    Raises:
        LHVError: As :func:`find_local_model` does, and if there are no targets or they differ in their
            number of qubits.
    """
    checked = Options(**options)
    if not isinstance(targets, Sequence) or isinstance(targets, str) or not len(targets):
        raise ScenarioError.bad_argument("targets", expected="a sequence of states", got=repr(targets))
    if any(isinstance(target, Behavior | BellCounts) for target in targets):
        raise ScenarioError.bad_argument(
            "targets", expected="states", got="behaviors or counts", remedy="Pass each of these to find_local_model."
        )
    tensors = tuple(qubit_tensor(target, "target", fewest=1) for target in targets)
    num_parties = tensors[0].num_parties
    if len({tensor.num_parties for tensor in tensors}) > 1:
        raise ScenarioError.bad_argument(
            "targets",
            expected="states with the same number of qubits",
            got=f"{sorted({tensor.num_parties for tensor in tensors})} qubits",
        )
    directions = tuple(parse_directions(measurements, num_parties))
    if num_settings is None:
        num_settings = _NUM_SETTINGS.get(num_parties, _MANY_SETTINGS)
    num_settings = whole_number(num_settings, "num_settings", LHVError)
    if sampling not in ("lattice", "uniform"):
        raise LHVError.bad_argument("sampling", expected="'lattice' or 'uniform'", got=repr(sampling))
    function = _response(response, degree, directions[0], num_parties)
    problem = ContinuousProblem(tensors, directions, function, int(num_settings), sampling)
    return _search_continuous(problem, measurements, checked)


def _response(
    response: Features | QubitResponse | None, degree: int, directions: Directions, num_parties: int
) -> QubitResponse:
    if response is None:
        if isinstance(directions, Plane):
            response = PlanarHarmonics(degree, directions.vectors)
        else:
            response = SphericalHarmonics(degree)
    if isinstance(response, Features):
        response = DirectionResponse(response, num_parties)
    if not isinstance(response, QubitResponse):
        raise ScenarioError.bad_argument(
            "response", expected="features or a response function of directions", got=repr(response)
        )
    if response.num_parties != num_parties:
        raise ScenarioError.bad_argument(
            "response", expected=f"one for {num_parties} parties", got=f"one for {response.num_parties}"
        )
    return _in_domain(response, directions)


def _in_domain(response: QubitResponse, directions: Directions) -> QubitResponse:
    """The response, unless it tells only the directions of a plane apart and others are asked for."""
    domain = response.domain
    if isinstance(domain, Plane):
        asked = directions.draw(np.random.default_rng(0), 8)
        if np.abs(asked @ np.cross(*domain.vectors)).max() > 1e-8:
            raise ScenarioError.bad_argument(
                "response",
                expected=f"one that tells {directions} apart",
                got=f"one for {domain}",
                remedy="Pass the plane as measurements, too.",
            )
    return response


def _search_finite(target: Behavior | BellCounts, options: Options) -> LocalModelResult:
    behavior = target.frequencies() if isinstance(target, BellCounts) else target
    shares = setting_shares(behavior, target.num_shots if isinstance(target, BellCounts) else None)
    response = TableResponse(behavior.scenario)
    num_hidden = options.ensemble_size(_TABLE_DEFAULTS[0])
    num_steps = int(options.num_steps or _TABLE_DEFAULTS[1])
    initial = options.initial_for(response, num_hidden)
    schedule = Schedule(
        peak=float(options.learning_rate or _TABLE_RATE),
        num_steps=num_steps,
        # Tables settle best when the rate falls all the way; plateaus and diffusion need a main phase.
        final_share=_FINAL_SHARE if options.patience or options.diffusion else 1.0,
        patience=options.patience,
    )
    facts: dict[str, Any] = {"target": behavior.array, "shares": shares, "hidden": num_hidden}
    if not behavior.scenario.has_equal_outcomes:
        facts["outcomes"] = behavior.scenario.num_outcomes
    with jax.enable_x64(True):
        start = finite_start(behavior.scenario, num_hidden, int(options.num_starts), options.seed)
        if initial is not None:
            logits = [jnp.asarray(array[None, None]) for array in initial.hidden_variables]
            # A weight of zero stays free to grow.
            log_weights = np.log(np.maximum(initial.weights, 1e-12))
            start = {"logits": logits, "log_weights": jnp.asarray(log_weights[None, None])}
        run = options.train(
            finite_loss(options.loss),
            start,
            finite_data(behavior, shares),
            schedule,
            facts,
            optimizer=ADAM,
            seed=seed_or_fresh(options.seed),
        )
        tables = [np.asarray(array, dtype=np.float64)[0] for array in run.parameters["logits"]]
        mixtures = np.asarray(jax.nn.softmax(run.parameters["log_weights"]), dtype=np.float64)[0]
    models = [
        ResponseModel(tuple(array[i] for array in tables), response, mixture / mixture.sum())
        for i, mixture in enumerate(mixtures)
    ]
    losses = np.array([divergence(behavior, model.behavior(), shares) for model in models])
    best = int(np.argmin(losses))
    return LocalModelResult(models[best], float(losses[best]), run.history[:, 0, best], run.status, None, losses)


def _search_continuous(problem: ContinuousProblem, measurements: Any, options: Options) -> list[LocalModelResult]:
    seed = seed_or_fresh(options.seed)
    num_hidden = options.ensemble_size(_DIRECTION_DEFAULTS[0])
    response, runs = problem.response, (len(problem.tensors), int(options.num_starts))
    initial = options.initial_for(response, num_hidden)
    paired = problem.even and num_hidden % 2 == 0 and (initial is None or _is_paired(initial))
    rate = _DIRECTION_RATE * (num_hidden / _DIRECTION_DEFAULTS[0]) ** _RATE_GROWTH
    schedule = Schedule(
        peak=float(options.learning_rate or rate),
        num_steps=int(options.num_steps or _DIRECTION_DEFAULTS[1]),
        final_share=_FINAL_SHARE,
        final_rate=_FINAL_RATE,
        patience=options.patience,
    )
    facts = {
        **{f"tensor_{i}": tensor.array for i, tensor in enumerate(problem.tensors)},
        **{f"directions_{k}": repr(encode(one)) for k, one in enumerate(problem.directions)},
        "response": response.identity(),
        "grid": problem.num_settings,
        "sampling": problem.sampling,
        "hidden": num_hidden,
    }
    size = num_hidden // 2 if paired else num_hidden
    if initial is None:
        start = start_parameters(response, size, runs, seed)
    else:
        kept = [array[:size] for array in initial.hidden_variables]
        start = [jnp.asarray(np.broadcast_to(array, (*runs, *array.shape)), jnp.float32) for array in kept]
        if np.ptp(initial.weights) > 1e-12:
            raise ScenarioError.bad_argument(
                "initial_model", expected="hidden variables with equal weights", got="unequal weights"
            )
    run = options.train(
        continuous_loss(response, options.loss, paired),
        start,
        None,
        schedule,
        facts,
        optimizer=POLYAK,
        batches=problem.batches(seed),
        seed=seed,
    )
    results = []
    for t, tensor in enumerate(problem.tensors):
        found = []
        for s in range(runs[1]):
            hidden = [np.asarray(array[t, s], dtype=np.float64) for array in run.parameters]
            if paired:
                hidden = [np.concatenate([half, -half]) for half in hidden]
            model = ResponseModel(tuple(hidden), response)
            evaluation = evaluate_model(
                model, tensor, measurements=measurements, num_settings=options.num_evaluated, seed=seed + 1
            )
            found.append((model, evaluation))
        losses = np.array([evaluation.kl_divergence for _, evaluation in found])
        best = int(np.argmin(losses))
        model, evaluation = found[best]
        results.append(
            LocalModelResult(model, float(losses[best]), run.history[:, t, best], run.status, evaluation, losses)
        )
    return results


def _is_paired(model: ResponseModel) -> bool:
    """Whether the second half of the hidden variables is the opposite of the first."""
    half = model.num_hidden // 2
    return all(np.array_equal(array[half:], -array[:half]) for array in model.hidden_variables)
