"""Search for a local model by gradient descent: of finite scenarios, of listed correlators, of states."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from .._support.records import Record, encode
from .._support.validation import frozen, instance, seed_or_fresh
from ..exceptions import LHVError, ScenarioError
from ..measurements.named_sets import measurement_sets
from ..models.effect_features import EffectFeatures
from ..models.effect_responses import MeasurementResponse
from ..models.ensemble import ResponseModel
from ..models.features import Features
from ..models.responses import QubitResponse, TableResponse
from ..models.term_fits import TermFit
from ..quantum.parties import QUANTUM_STATES
from ..quantum.qubit_layouts import PhysicalQubits
from ..sweeps.sweeping import run_all
from ..targets.behaviors import Behavior
from ..targets.correlations import CorrelationTensor
from ..targets.counts import BellCounts
from ..targets.many_parties.shots import ManyPartyShots
from ..targets.many_parties.term_values import TermValues
from ..targets.projections import divergence, setting_shares
from .devices import Placement
from .evaluation import Evaluation, evaluate_model
from .optimizers import ADAM, POLYAK
from .options import GradientDescent, SettingsGrid, TermSampling
from .problem_of_states import state_problem
from .search_run import SearchRun
from .state_problem import StateProblem, searched_tensor, spread_over_runs
from .table_problem import finite_bytes_each, finite_data, finite_loss, finite_start
from .term_problem import (
    held_out_terms,
    models_of_terms,
    start_of_model,
    term_batches,
    term_bytes_each,
    term_data,
    term_loss,
    term_start,
)
from .training import Problem, Schedule, SearchStatus

__all__ = ["LocalModelResult", "find_local_model", "find_local_models"]

# Rate that lets the responses of a table become deterministic within the default number of steps.
_TABLE_RATE = 1.0
_TABLE_DEFAULTS = (1024, 3000)
# Hidden variables and rate for listed correlators.
_TERM_HIDDEN, _TERM_RATE = 256, 0.3
_FINAL_SHARE, _FINAL_RATE = 0.4, 0.02


@dataclass(frozen=True, eq=False, repr=False)
class LocalModelResult(Record):
    """The outcome of a search for a local model, as :func:`find_local_model` returns it.

    References:
        arXiv:2407.04673.

    Examples:
        >>> from qiskit_lhv import find_local_model
        >>> from qiskit_lhv.optimize import GradientDescent, SettingsGrid
        >>> from qiskit_lhv.quantum import werner_state
        >>> options = {"optimizer": GradientDescent(num_steps=50), "grid": SettingsGrid(num_settings=64)}
        >>> result = find_local_model(werner_state(0.3), response=1, num_hidden=256, seed=1, **options)
        >>> result.model
        ResponseModel(256 hidden variables, 2 qubits)
        >>> print(result.status)
        All steps were taken.
        >>> print(f"{result.history[0]:.2f} before the first step; below 1e-4 at the end: {result.loss < 1e-4}")
        0.01 before the first step; below 1e-4 at the end: True
        >>> print(result.model.behavior([["Z"], ["Z", "X"]]).to_correlators()[1, 1:].round(1))
        [-0.3  0. ]
    """

    model: ResponseModel
    """The best model found."""
    loss: float
    """Its Kullback-Leibler divergence from the target in nats per trial, evaluated in float64 by NumPy; for
    states the mean over fresh random settings, for listed correlators that over the terms that were not held out."""
    history: NDArray[np.float64]
    """The loss that was minimized, before every step of the best start."""
    status: SearchStatus
    """Why the search stopped; printed as a sentence."""
    evaluation: Evaluation | None = None
    """Losses on fresh random settings, for states; else ``None``."""
    start_losses: NDArray[np.float64] = None  # type: ignore[assignment]  # filled in below
    """The divergence that each start reached, shape ``(num_starts,)``."""
    term_fit: TermFit | None = None
    """For listed correlators, how well the model reproduces them and those that were held out; else ``None``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "status", SearchStatus(self.status))
        object.__setattr__(self, "history", frozen(self.history))
        starts = [self.loss] if self.start_losses is None else self.start_losses
        object.__setattr__(self, "start_losses", frozen(np.asarray(starts, dtype=float)))

    def __str__(self) -> str:
        return f"local model with KL {self.loss:.3e} nats per trial after {len(self.history)} steps. {self.status}"


def find_local_model(
    target: Any,
    *,
    parties: Sequence[Any] | PhysicalQubits | None = None,
    measurements: Any = "projective",
    response: int | Features | QubitResponse | EffectFeatures | MeasurementResponse | None = None,
    num_hidden: int | None = None,
    optimizer: GradientDescent | None = None,
    grid: SettingsGrid | None = None,
    terms: TermSampling | None = None,
    time_limit: float | None = None,
    seed: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> LocalModelResult:
    """Searches for a local model by gradient descent on an ensemble of hidden variables.

    For a behavior or counts, every party's responses are a table of free logits for each hidden
    variable, whose probabilities are free too; for counts, settings are weighted by their shots, so
    that the loss is the log-likelihood deficit per trial. For a state, the model must reproduce all
    projective measurements (or all POVMs, all in a plane, or those of a list): response functions are odd functions
    of the Bloch vector for projective measurements of qubits, else of the effects of all outcomes, and every step draws
    measurements for each party and compares all their combinations.

    For listed correlators of many parties (``TermValues``, or ``ManyPartyShots`` for those that were drawn or set), no
    table is made: the value of a term is an average of products of the mean outcomes of its parties. Some terms are
    held out, and show whether the model predicts what it was not fitted to.

    A large loss proves nothing: the search may have failed.

    Args:
        target: A ``Behavior`` or ``BellCounts``; ``TermValues`` or ``ManyPartyShots``; or a state of parties of any
            dimensions: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor``.
        parties: For states, the qubits of each party; default: party k is subsystem k.
        measurements: For states, which measurements the parties may choose: ``"projective"``; ``"povm"``; for qubits a
            plane ``"xy"``, ``"xz"`` or ``"yz"``, or two orthonormal vectors that span a plane; a ``MeasurementSet``; or
            one of these, or a list of measurements, per party.
        response: For states, the response function: the highest degree of its polynomials (for projective measurements
            of qubits odd: 1 is Bell's, the default is 5; else at least 1, by default 1 to 5 depending on the
            dimensions); other features (``OddMonomials(5)``, or ``EffectFeatures(...)`` for every party); or a function
            of your own (``FunctionResponse(...)``, ``EffectFunctionResponse(...)``).
        num_hidden: Size of the ensemble; default: that of the initial model, otherwise 1024, or 256 for listed
            correlators, or for states 16384 where all parties measure qubits projectively, else 4096.
        optimizer: Options of the descent: its steps, starts, rates, loss, end and devices; see
            :class:`GradientDescent`.
        grid: For states, the settings on which the model is trained and evaluated; see :class:`SettingsGrid`.
        terms: For listed correlators, which ones are held out and how many each step takes; see
            :class:`TermSampling`.
        time_limit: Stop after this many seconds; checked every 100 steps. Default: no limit; the default number of
            steps takes less than a minute on two cores for two qubits, three qubits and two qutrits.
        seed: Seed of everything random; the same seed gives the same result.
        progress: Whether to show a progress bar; default: on a terminal and in a notebook.
        checkpoint: File that keeps the state of the run, written every few seconds. If the run is
            interrupted, even killed, the same call goes on from there and ends in the same model. Needs
            a seed.

    Returns:
        The model, its divergence, the loss history, and why the search stopped.

    Raises:
        ScenarioError: If the target or the response cannot be used.
        MeasurementError: If a target is not a valid state, or one of more than 6 qubits, if the measurements are
            unknown or of another dimension, or if the hidden variables need more memory than this machine has.
        CertificateError: If the checkpoint is damaged or belongs to another run; the file is not changed.
        LHVError: If another argument is out of range, or the devices do not divide the ensemble.
        SolverError: If the loss is not finite from the first steps on.

    References:
        arXiv:2407.04673 (the method, with pairs of directions instead of grids).

    Examples:
        A model of a behavior with correlators of 0.4, for which S = 1.6. For states see :class:`LocalModelResult`, for
        listed correlators :class:`TermSampling`.

        >>> from qiskit_lhv import Behavior, find_local_model
        >>> behavior = Behavior.from_correlators([[0.4, 0.4], [0.4, -0.4]], marginals=False)
        >>> descent = GradientDescent(num_steps=1000, target_loss=1e-6)
        >>> result = find_local_model(behavior, num_hidden=16, optimizer=descent, seed=1)
        >>> result.model
        ResponseModel(16 hidden variables, 2 parties with 2 settings of 2 outcomes each)
        >>> abs(result.model.behavior().to_correlators()[1:, 1:]).round(2).tolist()
        [[0.4, 0.4], [0.4, 0.4]]
    """
    run = SearchRun.checked(num_hidden, optimizer, time_limit, seed, progress, checkpoint)
    listed = isinstance(target, TermValues | ManyPartyShots)
    if terms is not None and not listed:
        raise LHVError.bad_argument(
            "terms", expected="None, unless the target is TermValues or ManyPartyShots", got=repr(terms)
        )
    if listed or isinstance(target, Behavior | BellCounts):
        everything = isinstance(measurements, str) and measurements == "projective"
        given = {
            "measurements": None if everything else measurements,
            "response": response,
            "grid": grid,
            "parties": parties,
        }
        for name, value in given.items():
            if value is not None:
                raise LHVError.bad_argument(
                    name, expected="nothing for a finite scenario, whose settings are given", got=repr(value)
                )
        if listed:
            sampling = instance(TermSampling() if terms is None else terms, TermSampling, "terms", LHVError)
            values = TermValues.from_shots(target) if isinstance(target, ManyPartyShots) else target
            return _search_terms(values, sampling, run)
        return _search_finite(target, run)
    if not isinstance(target, (*QUANTUM_STATES, CorrelationTensor)):
        raise ScenarioError.bad_argument(
            "target",
            expected="a Behavior, BellCounts, TermValues, ManyPartyShots, DensityMatrix, Statevector, QuantumCircuit "
            "or CorrelationTensor",
            got=type(target).__name__,
            remedy="The exact behavior of an experiment is experiment.behavior(); dictionaries go to "
            "BellCounts.from_counts.",
        )
    return _search_states([target], measurements, response, grid, parties, run)[0]


def find_local_models(
    targets: Sequence[Any],
    *,
    parties: Sequence[Any] | PhysicalQubits | None = None,
    measurements: Any = "projective",
    response: int | Features | QubitResponse | EffectFeatures | MeasurementResponse | None = None,
    num_hidden: int | None = None,
    optimizer: GradientDescent | None = None,
    grid: SettingsGrid | None = None,
    time_limit: float | None = None,
    seed: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    executor: Any = None,
) -> list[LocalModelResult]:
    """Searches for local models of several states at once, on the same measurements.

    Without an executor, the models are trained side by side on the same random settings. With one, every state has a
    search of its own, with the same seed, as :func:`find_local_model` makes it; :func:`qiskit_lhv.sweeps.sweep` does
    the same with a store.

    Args:
        targets: States of the same number of parties and the same dimensions.
        parties: The qubits of each party.
        measurements: As for :func:`find_local_model`; the same holds for all arguments below.
        response: The response function.
        num_hidden: Size of the ensemble.
        optimizer: Options of the descent. With a target loss, the search stops once every state has a start that
            reaches it.
        grid: Settings on which the models are trained and evaluated.
        time_limit: Stop after this many seconds. Default: no limit; the default number of steps takes less than a
            minute on two cores for a few states of two qubits.
        seed: Seed of everything random.
        progress: Whether to show a progress bar.
        checkpoint: File that keeps the state of the run, where there is no executor.
        executor: Where the searches run, as in :func:`qiskit_lhv.sweeps.sweep`. Default: all in one search in this
            process.

    Returns:
        One result for each state.

    Raises:
        ScenarioError: If ``targets`` is no sequence of states, or they differ in their dimensions.
        LHVError: As :func:`find_local_model` does, and if there are no targets.
        SweepError: If a search of an executor fails.

    References:
        arXiv:2407.04673.

    Examples:
        >>> from qiskit_lhv.optimize import GradientDescent, SettingsGrid, find_local_models
        >>> from qiskit_lhv.quantum import werner_state
        >>> states = [werner_state(visibility) for visibility in (0.3, 0.9)]
        >>> options = {"optimizer": GradientDescent(num_steps=50), "grid": SettingsGrid(num_settings=64)}
        >>> local, entangled = find_local_models(states, response=1, num_hidden=256, seed=1, **options)
        >>> local.loss < 1e-4 < 1e-3 < entangled.loss
        True
    """
    run = SearchRun.checked(num_hidden, optimizer, time_limit, seed, progress, checkpoint)
    if not isinstance(targets, Sequence) or isinstance(targets, str) or not len(targets):
        raise ScenarioError.bad_argument("targets", expected="a sequence of states", got=repr(targets))
    if any(isinstance(target, Behavior | BellCounts) for target in targets):
        raise ScenarioError.bad_argument(
            "targets", expected="states", got="behaviors or counts", remedy="Pass each of these to find_local_model."
        )
    if executor is None:
        return _search_states(targets, measurements, response, grid, parties, run)
    if checkpoint is not None:
        raise LHVError.bad_argument(
            "checkpoint",
            expected="None where there is an executor",
            got=repr(checkpoint),
            remedy="sweep(find_local_model, ..., store=...) keeps what is finished.",
        )
    shared = {
        "parties": parties,
        "measurements": measurements,
        "response": response,
        "num_hidden": num_hidden,
        "optimizer": optimizer,
        "grid": grid,
        "time_limit": time_limit,
        "seed": seed_or_fresh(seed),
        "progress": False,
    }
    return run_all(find_local_model, [{"target": target, **shared} for target in targets], executor, progress=progress)


def _search_states(
    targets: Sequence[Any],
    measurements: Any,
    response: Any,
    grid: SettingsGrid | None,
    parties: Sequence[Any] | PhysicalQubits | None,
    run: SearchRun,
) -> list[LocalModelResult]:
    tensors = tuple(searched_tensor(target, parties, "target") for target in targets)
    if len({tensor.dimensions for tensor in tensors}) > 1:
        raise ScenarioError.bad_argument(
            "targets",
            expected="states with the same number of parties, of the same dimensions",
            got=f"dimensions {sorted({tensor.dimensions for tensor in tensors})}",
        )
    sets = tuple(measurement_sets(measurements, tensors[0].dimensions))
    grid = instance(SettingsGrid() if grid is None else grid, SettingsGrid, "grid", LHVError)
    problem = state_problem(tensors, sets, response, grid)
    return _search_problem(problem, sets, grid.num_evaluated, run)


def _search_finite(target: Behavior | BellCounts, run: SearchRun) -> LocalModelResult:
    behavior = target.frequencies() if isinstance(target, BellCounts) else target
    shares = setting_shares(behavior, target.num_shots if isinstance(target, BellCounts) else None)
    response = TableResponse(behavior.scenario)
    num_hidden = run.ensemble_size(_TABLE_DEFAULTS[0])
    num_steps = int(run.optimizer.num_steps or _TABLE_DEFAULTS[1])
    initial = run.initial_for(response, num_hidden)
    schedule = Schedule(
        peak=float(run.optimizer.learning_rate or _TABLE_RATE),
        num_steps=num_steps,
        # Tables settle best when the rate falls all the way; plateaus and diffusion need a main phase.
        final_share=_FINAL_SHARE if run.optimizer.patience or run.optimizer.diffusion else 1.0,
        patience=run.optimizer.patience,
    )
    layout = run.devices.layout(num_hidden, finite_bytes_each(behavior.scenario, run.optimizer.num_starts))
    facts: dict[str, Any] = {"target": behavior.array, "shares": shares, "hidden": num_hidden}
    if not behavior.scenario.has_equal_outcomes:
        facts["outcomes"] = behavior.scenario.num_outcomes
    with jax.enable_x64(True):
        start = finite_start(behavior.scenario, num_hidden, run.optimizer.num_starts, run.seed)
        if initial is not None:
            logits = [array[None, None] for array in initial.hidden_variables]
            # A floor under the weights lets a weight of zero grow again.
            log_weights = np.log(np.maximum(initial.weights, 1e-12))
            start = {"logits": logits, "log_weights": log_weights[None, None]}
        loss, data = finite_loss(run.optimizer.loss, layout), finite_data(behavior, shares)
        problem = Problem(loss, start, ADAM, data=data, placement=Placement(layout, 2, num_hidden))
        trained = run.train(problem, schedule, facts, seed_or_fresh(run.seed))
        tables = [np.asarray(array, dtype=np.float64)[0] for array in trained.parameters["logits"]]
        log_weights = np.asarray(trained.parameters["log_weights"], dtype=np.float64)[0]
        mixtures = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    models = [
        ResponseModel(tuple(array[i] for array in tables), response, mixture / mixture.sum())
        for i, mixture in enumerate(mixtures)
    ]
    losses = np.array([divergence(behavior, model.behavior(), shares) for model in models])
    best = int(np.argmin(losses))
    return LocalModelResult(
        models[best], float(losses[best]), trained.history[:, 0, best], trained.status, None, losses
    )


def _search_terms(values: TermValues, sampling: TermSampling, run: SearchRun) -> LocalModelResult:
    seed, scenario = seed_or_fresh(run.seed), values.scenario
    num_hidden, starts = run.ensemble_size(_TERM_HIDDEN), run.optimizer.num_starts
    initial = run.initial_for(TableResponse(scenario), num_hidden)
    held_out = held_out_terms(values.num_terms, sampling.held_out, seed)
    searched = values.select(~held_out)
    schedule = Schedule(
        peak=float(run.optimizer.learning_rate or _TERM_RATE),
        num_steps=int(run.optimizer.num_steps or _TABLE_DEFAULTS[1]),
        final_share=_FINAL_SHARE if run.optimizer.patience or run.optimizer.diffusion else 1.0,
        patience=run.optimizer.patience,
    )
    facts = {
        "scenario": repr(scenario.num_settings),
        "target": values.values,
        "rows": values.rows,
        "errors": np.zeros(0) if values.standard_errors is None else values.standard_errors,
        "shots": np.zeros(0) if values.num_shots is None else values.num_shots,
        "held_out": held_out,
        "batch_size": sampling.batch_size,
        "hidden": num_hidden,
    }
    start = term_start(scenario, num_hidden, starts, seed) if initial is None else start_of_model(initial)
    whole = searched.num_terms <= sampling.batch_size
    num_terms = searched.num_terms if whole else sampling.batch_size
    layout = run.devices.layout(num_hidden, term_bytes_each(scenario, num_terms, starts))
    problem = Problem(
        term_loss(run.optimizer.loss, layout),
        start,
        ADAM,
        placement=Placement(layout, 2, num_hidden),
        data=term_data(searched) if whole else None,
        batches=None if whole else term_batches(searched, sampling.batch_size, seed),
    )
    trained = run.train(problem, schedule, facts, seed)
    models = models_of_terms(trained.parameters, scenario)
    fits = [TermFit(model, values, held_out) for model in models]
    losses = np.array([fit.loss_trained for fit in fits])
    # Held-out terms have no part in the choice.
    best = int(np.argmin(losses))
    return LocalModelResult(
        models[best], float(losses[best]), trained.history[:, 0, best], trained.status, None, losses, fits[best]
    )


def _search_problem(
    problem: StateProblem, measurements: Any, num_evaluated: int, run: SearchRun
) -> list[LocalModelResult]:
    seed = seed_or_fresh(run.seed)
    num_hidden = run.ensemble_size(problem.default_hidden)
    response, runs = problem.response, (len(problem.tensors), run.optimizer.num_starts)
    initial = run.initial_for(response, num_hidden)
    free = problem.free_variables(run, num_hidden, initial)
    if run.num_hidden is None and initial is None:
        # Where the size is open, the devices divide it.
        free = replace(free, size=-(-free.size // run.devices.number) * run.devices.number)
    layout = problem.layout(free, run.devices, run.optimizer.num_starts)
    schedule = Schedule(
        peak=float(run.optimizer.learning_rate or problem.rate(num_hidden)),
        num_steps=int(run.optimizer.num_steps or problem.default_steps),
        final_share=_FINAL_SHARE,
        final_rate=_FINAL_RATE,
        patience=run.optimizer.patience,
    )
    facts = {
        **{f"tensor_{i}": tensor.array for i, tensor in enumerate(problem.tensors)},
        **{f"measurements_{k}": repr(encode(party_set)) for k, party_set in enumerate(problem.measurements)},
        "response": response.identity(),
        "grid": problem.num_settings,
        "sampling": problem.sampling,
        "hidden": num_hidden,
        "orbits": "" if free.orbits is None else repr(free.orbits.key),
    }
    if initial is None:
        start = problem.start(free.size, runs, seed)
    else:
        start = [spread_over_runs(array[: free.size], runs) for array in initial.hidden_variables]
        if np.ptp(initial.weights) > 1e-12:
            raise ScenarioError.bad_argument(
                "start", expected="a model whose hidden variables have equal weights", got="unequal weights"
            )
    descent = Problem(
        problem.loss(run.optimizer.loss, free, layout),
        start,
        POLYAK,
        batches=problem.batches(seed),
        placement=Placement(layout, 3, free.size),
    )
    trained = run.train(descent, schedule, facts, seed)
    results = []
    for t, tensor in enumerate(problem.tensors):
        found = []
        for s in range(runs[1]):
            hidden = [np.asarray(array[t, s], dtype=np.float64).T for array in trained.parameters]
            model = ResponseModel(tuple(free.expanded(hidden)), response)
            evaluation = evaluate_model(
                model, tensor, measurements=measurements, num_settings=num_evaluated, seed=seed + 1
            )
            found.append((model, evaluation))
        losses = np.array([evaluation.kl_divergence for _, evaluation in found])
        best = int(np.argmin(losses))
        model, evaluation = found[best]
        results.append(
            LocalModelResult(
                model, float(losses[best]), trained.history[:, t, best], trained.status, evaluation, losses
            )
        )
    return results
