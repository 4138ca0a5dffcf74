"""A comparison of local, no-signaling and unrestricted models of the same counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..._support.deadlines import Deadline
from ..._support.records import Record
from ..._support.threads import one_blas_thread
from ..._support.types import FloatArray, IntArray
from ..._support.validation import frozen, generator, shown, whole_number
from ...exceptions import CountsError
from ...polytope.expressions.families import chsh
from ...targets.behaviors import Behavior
from ...targets.counts import BellCounts, require_counts
from ...targets.projections import project_cells, project_cells_to_plane
from ...targets.scenario import BellScenario
from .local_fit import fit_local_model, is_listed
from .mixtures import MixtureProblem, listed_problem

__all__ = ["ModelComparison", "ModelStep", "compare_models", "quick_replicates"]


_TOLERANCE = 1e-9
_RELATIVE_TOLERANCE = 1e-3
_BARRIER = 1e-11
# Share of a behavior inside the polytope that is added to start from.
_INNER_SHARE = 1e-2
# Error of a replicate's deviance, to the larger side.
_DEVIANCE_ERROR = 1e-3
# Numbers of a Newton step, times replicates.
_QUICK_WORK = 1e8


@dataclass(frozen=True, eq=False)
class ModelStep(Record):
    """How much better a larger set of models explains the counts than a smaller one."""

    smaller: str
    """The smaller set: ``"local"`` or ``"no-signaling"``."""
    larger: str
    """The larger set: ``"no-signaling"`` or ``"unrestricted"``."""
    deviance: float
    """Twice the difference of the largest log-likelihoods."""
    p_value: float
    """Share of the bootstrap replicates, drawn from the smaller set's fit, with a deviance at least as large. The data
    count as one of the replicates, so it is at least 1 / (replicates + 1). NaN without replicates."""
    asymptotic_p_value: float
    """Chi-square p-value for the difference in dimension. For local models, whose boundary the fit often lies on, it is
    only a guide."""


@dataclass(frozen=True, eq=False, repr=False)
class ModelComparison(Record):
    """Fits of local, no-signaling and unrestricted models, and the deviances between them.

    The likelihood of a model is that of one behavior for all shots of a setting combination.

    References:
        arXiv:1108.2468, section III (likelihood and its sets of models); S. S. Wilks, Ann. Math. Statist. 9, 60 (1938)
        (deviances of nested models).

    Examples:
        A pair of qubits that violates CHSH, and one where only signaling keeps a local model from fitting:

        >>> from qiskit_lhv import load_bundled_counts
        >>> from qiskit_lhv.statistics import compare_models
        >>> for name in ("ibm_hanoi19_20circuit13", "ibm_washington91_98circuit4"):
        ...     comparison = compare_models(load_bundled_counts(name).counts, num_replicates=0)
        ...     print(f"{comparison.nonlocality.deviance:8.2f} {comparison.signaling.deviance:8.2f}")
         9769.02     0.25
            0.00   115.57
        >>> comparison.num_parameters
        {'local': 8, 'no-signaling': 8, 'unrestricted': 12}
    """

    num_shots: int
    """Shots of all setting combinations."""
    local_behavior: FloatArray
    """The local behavior that explains the counts best, shape ``(m_1, ..., m_N, d_1, ..., d_N)``."""
    no_signaling_behavior: FloatArray
    """The no-signaling behavior that explains the counts best."""
    num_parameters: dict[str, int]
    """Dimension of each set of models; of the local ones it is that of the no-signaling ones. Only what was measured
    counts."""
    nonlocality: ModelStep
    """From local to no-signaling models: what nonlocality explains."""
    signaling: ModelStep
    """From no-signaling to unrestricted models: what signaling explains."""
    total: ModelStep
    """From local to unrestricted models: the goodness of fit of the local model."""
    num_replicates: int
    """Number of bootstrap replicates of each fit."""

    def __str__(self) -> str:
        steps = (self.nonlocality, self.signaling, self.total)
        parts = [f"{step.smaller} to {step.larger} {step.deviance:.5g} (p = {step.p_value:.3g})" for step in steps]
        return f"deviances: {', '.join(parts)}; bootstrap of {self.num_replicates}"


@one_blas_thread()
def compare_models(
    counts: BellCounts,
    *,
    num_replicates: int | None = None,
    known: tuple[Behavior, Behavior] | None = None,
    time_limit: float | None = None,
    seed: int | None = None,
) -> ModelComparison:
    """Compares the local, no-signaling and unrestricted models that fit counts best, by their deviances.

    The deviance of the local models from the unrestricted ones falls into two parts: what no-signaling models explain
    better (nonlocality) and what only signaling explains. Their p-values come from a parametric bootstrap: replicates
    are drawn from the fit of the smaller set and fitted like the counts, all at once. The p-values are shown for
    orientation, and no verdict rests on them, because the bootstrap is not exact where the fit lies on the boundary of
    its set.

    Args:
        counts: The counts.
        num_replicates: Number of replicates, 0 for none; default: as many as take about half a second, which are 1000
            for CHSH and 0 in large scenarios.
        known: Behaviors of the local and of the no-signaling fit, if these were made before. The local one is used only
            if there are no replicates.
        time_limit: Seconds; default: no limit, see :ref:`time-limits`.
        seed: Seed of the replicates.

    Returns:
        The fits and deviances.

    Raises:
        CountsError: If the number of replicates is not a whole number of at least 0.
        SolverError: If a fit fails, or the time is over.
        ScenarioError: If the scenario is too large for :func:`fit_local_model`.

    References:
        arXiv:1108.2468, section III (likelihood and its sets of models).

    Examples:
        >>> from qiskit_lhv import load_bundled_counts
        >>> counts = load_bundled_counts("ibm_washington91_98circuit4").counts
        >>> print(compare_models(counts, num_replicates=100, seed=1))
        deviances: local to no-signaling ... (p = 1), no-signaling to unrestricted 115.57 (p = 0.0099), local to
         unrestricted 115.57 (p = 0.0099); bootstrap of 100
    """
    counts = require_counts(counts)
    _check_known(known, counts)
    if num_replicates is None:
        num_replicates = quick_replicates(counts.scenario)
    replicates = whole_number(num_replicates, "num_replicates", CountsError, minimum=0)
    rng = generator(seed)
    fits = _Fits(counts, Deadline(time_limit))
    tables = counts.array.reshape(1, *fits.shape)
    if known is not None and not replicates:
        local, free = (behavior.array.reshape(1, *fits.shape) for behavior in known)
    else:
        free = fits.no_signaling(tables) if known is None else known[1].array.reshape(1, *fits.shape)
        local = fits.local(tables, free)
    observed = np.array([fits.deviance(tables, local)[0], fits.deviance(tables, free)[0]])
    from_local = from_free = np.empty(0)
    within_local = np.empty(0)
    if replicates:
        drawn = fits.draw(local[0], replicates, rng)
        free_of_local = fits.no_signaling(drawn, near=local[0])
        from_local = fits.deviance(drawn, fits.replicates(drawn, local[0], free_of_local))
        within_local = np.maximum(from_local - fits.deviance(drawn, free_of_local), 0)
        drawn = fits.draw(free[0], replicates, rng)
        from_free = fits.deviance(drawn, fits.no_signaling(drawn, near=free[0]))
    scenario = counts.scenario
    free_parameters = counts.num_no_signaling_parameters
    all_parameters = counts.num_measured_cells - int(counts.measured.sum())
    nonlocality = max(0.0, float(observed[0] - observed[1]))
    return ModelComparison(
        num_shots=counts.total_shots,
        local_behavior=frozen(local[0].reshape(scenario.shape)),
        no_signaling_behavior=frozen(free[0].reshape(scenario.shape)),
        num_parameters={"local": free_parameters, "no-signaling": free_parameters, "unrestricted": all_parameters},
        nonlocality=_step("local", "no-signaling", nonlocality, within_local, free_parameters),
        signaling=_step("no-signaling", "unrestricted", observed[1], from_free, all_parameters - free_parameters),
        total=_step("local", "unrestricted", observed[0], from_local, all_parameters),
        num_replicates=replicates,
    )


def _check_known(known: Any, counts: BellCounts) -> None:
    """Raises an error unless it is ``None`` or two behaviors of the counts' scenario."""
    if known is None:
        return
    pair = isinstance(known, tuple) and len(known) == 2
    if not pair or not all(
        isinstance(behavior, Behavior) and behavior.scenario == counts.scenario for behavior in known
    ):
        raise CountsError.bad_argument("known", expected=f"two behaviors of {counts.scenario}", got=shown(known))


def _step(smaller: str, larger: str, deviance: float, replicates: FloatArray, freedom: int) -> ModelStep:
    from scipy.special import chdtrc

    # Deviances within rounding of one another are taken as equal.
    reached = int(np.sum(replicates >= deviance - 1e-6 * max(1.0, abs(deviance))))
    p = (1 + reached) / (len(replicates) + 1) if len(replicates) else float("nan")
    asymptotic = float(chdtrc(freedom, deviance)) if freedom else 1.0
    return ModelStep(smaller, larger, float(deviance), p, asymptotic)


def quick_replicates(scenario: BellScenario) -> int:
    """How many replicates of the fits in this scenario take no more than about half a second: 1000, 200 or none."""
    coordinates = scenario.num_no_signaling_parameters + 1
    work = (scenario.num_strategies + scenario.num_cells) * coordinates**2
    return next((count for count in (1000, 200) if count * work <= _QUICK_WORK), 0)


@lru_cache(maxsize=1)
def _chsh_forms() -> tuple[FloatArray, FloatArray]:
    """The eight CHSH forms, and the no-signaling boxes that give each of them the value 4, shape ``(8, 16)``."""
    forms = [sign * chsh((x, y)).coefficients.ravel() for x in (0, 1) for y in (0, 1) for sign in (1, -1)]
    return np.array(forms), np.array([np.where(form > 0, 0.5, 0.0) for form in forms])


class _Fits:
    """Fits of many tables with the same numbers of shots."""

    def __init__(self, counts: BellCounts, deadline: Deadline) -> None:
        scenario = counts.scenario
        self._scenario = scenario
        self._deadline = deadline
        self._shots = counts.num_shots.ravel()
        self.shape = (scenario.num_setting_combinations, math.prod(scenario.max_outcomes))
        # Cells of settings that were not measured are zero in any case.
        self._share = (np.maximum(self._shots, 1) / self._shots.sum())[:, None]
        # In two by two settings of which not all were measured, no form of CHSH is bounded.
        self._has_forms = scenario.is_chsh and counts.is_complete
        self._white = scenario.white_noise_table.reshape(self.shape)
        self._problem: MixtureProblem | None = None
        self._weights: FloatArray = np.empty((0, 0))
        if is_listed(scenario):
            self._problem = listed_problem(scenario)

    def _cells(self, tables: IntArray) -> FloatArray:
        return (tables / self._shots.sum()).reshape(len(tables), -1)

    def local(self, tables: IntArray, free: FloatArray) -> FloatArray:
        """Behaviors of the local fits, shape ``(B, X, A)``, with the no-signaling fits."""
        if self._has_forms:
            return self._chsh_fits(tables, np.full(self.shape, 0.25), free, _BARRIER)
        cells = self._cells(tables)
        if self._problem is None:
            return self._fit_one_by_one(cells, _TOLERANCE, 0.0)
        self._weights = self._problem.fit(cells, _TOLERANCE)[0]
        return (self._weights @ self._problem.tables).reshape(-1, *self.shape)

    def replicates(self, tables: IntArray, near: FloatArray, free: FloatArray) -> FloatArray:
        """Local fits of replicates of a local behavior, with their no-signaling fits."""
        if self._has_forms:
            return self._chsh_fits(tables, near, free, self._barrier)
        cells, tolerance = self._cells(tables), max(_TOLERANCE, 0.5 * _DEVIANCE_ERROR / float(self._shots.sum()))
        if self._problem is None:
            return self._fit_one_by_one(cells, tolerance, _RELATIVE_TOLERANCE)
        start = np.broadcast_to(self._weights, (len(cells), self._weights.shape[1]))
        weights = self._problem.fit(cells, tolerance, start=start)[0]
        return (weights @ self._problem.tables).reshape(-1, *self.shape)

    def _chsh_fits(self, tables: IntArray, near: FloatArray, free: FloatArray, barrier: float) -> FloatArray:
        """Local fits where a no-signaling behavior is local unless it exceeds one of eight bounds.

        No two can be exceeded at once, since the sum of two forms is at most 4. So the best no-signaling behavior that
        does not exceed the one bound lies where that form is 2, and exceeds none of the others.
        """
        found = free.copy()
        forms, boxes = _chsh_forms()
        values = free.reshape(len(free), -1) @ forms.T
        for form, box, reached in zip(forms, boxes, values.T, strict=True):
            rows = np.flatnonzero(reached > 2)
            if rows.size:
                value = min(2.0, float(form @ near.ravel()))
                share = (2 - value) / (4 - value)
                start = (1 - share) * near.ravel() + share * box
                # A box with half of white noise has the value 2, too.
                start = (1 - _INNER_SHARE) * start + _INNER_SHARE * (box / 2 + 1 / 8)
                cells = self._cells(tables[rows])
                found[rows] = project_cells_to_plane(cells, self._scenario, form, barrier, start).reshape(
                    -1, *self.shape
                )
        return found

    @property
    def _barrier(self) -> float:
        """The barrier of replicates' fits: what it costs in all cells is half of a deviance's error."""
        return max(_BARRIER, 0.5 * _DEVIANCE_ERROR / (self._scenario.num_cells * float(self._shots.sum())))

    def no_signaling(self, tables: IntArray, near: FloatArray | None = None) -> FloatArray:
        """The no-signaling fits, shape ``(B, X, A)``; of replicates of a behavior, near which they lie."""
        barrier, start = (_BARRIER, None) if near is None else (self._barrier, near.ravel())
        found, _ = project_cells(self._cells(tables), self._scenario, barrier, start=start, deadline=self._deadline)
        return found.reshape(-1, *self.shape)

    def _fit_one_by_one(self, cells: FloatArray, tolerance: float, relative_tolerance: float) -> FloatArray:
        tables = np.where(self._shots[:, None] > 0, cells.reshape(-1, *self.shape) / self._share, self._white)
        behaviors = [Behavior(table.reshape(self._scenario.shape), self._scenario) for table in tables]
        weights = self._shots.reshape(self._scenario.num_settings)
        fits = [
            fit_local_model(
                behavior,
                weights,
                tolerance=tolerance,
                relative_tolerance=relative_tolerance,
                time_limit=self._deadline.left,
            )
            for behavior in behaviors
        ]
        return np.stack([fit.model.behavior().array.reshape(self.shape) for fit in fits])

    def deviance(self, tables: IntArray, behaviors: FloatArray) -> FloatArray:
        """Twice the log-likelihood deficits, shape ``(B,)``."""
        from scipy.special import xlogy

        f = tables / np.maximum(self._shots, 1)[:, None]
        logs = xlogy(tables, f) - xlogy(tables, np.maximum(behaviors, 1e-300))
        return np.maximum(2 * logs.sum(axis=(1, 2)), 0)

    def draw(self, behavior: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
        """Replicates with the same shots of each setting combination, shape ``(count, X, A)``."""
        p = np.maximum(behavior, 0)
        p = p / p.sum(axis=1, keepdims=True)
        return rng.multinomial(self._shots, p, size=(count, len(self._shots)))
