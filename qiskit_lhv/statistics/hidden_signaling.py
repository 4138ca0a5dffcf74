"""How much hidden signaling a local model would need to explain a violation, and how much marginals show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._records import Record
from .._validation import frozen, generator, probability
from ..exceptions import CountsError, SolverError
from ..models.deterministic import constant_strategies, enumerate_strategies, strategy_tables
from ..polytope.bounds import best_strategies
from ..polytope.families import chsh
from ..polytope.inequalities import BellExpression, BellInequality
from ..polytope.linear_program import simplex_solver
from ..targets.coordinates import cells_from_collins_gisin
from ..targets.counts import BellCounts
from ..targets.scenario import BellScenario
from ..verification import Verification, combine
from .stages import random_part

__all__ = ["SignalingAllowance", "check_kappa", "hidden_signaling", "signaling_allowance", "visible_signaling"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TRAINING_FRACTION = 0.25
_ALL_COLUMNS = 300
_COLUMNS_PER_ROUND = 60
_PRICE_TOLERANCE = 1e-9
_FEASIBILITY = 1e-9
_BITS = 40
_FORMS_OF_CHSH = 8


@dataclass(frozen=True, eq=False, repr=False)
class SignalingAllowance(Record):
    """Whether a violation exceeds what signaling of the size seen can explain.

    Amounts of signaling are sums, over parties, their settings and all settings of the others, of the probability that
    an influence of the others' settings changes the party's outcome from what a local model gives. For CHSH a local
    model needs at least (S - 2) / 2.
    """

    inequality: BellInequality
    """Every local model with influences obeys ``expression - bound <= amount``, since one changed outcome changes the
    expression by at most 1."""
    tested: NDArray[np.int64]
    """The shots that the inequality is tested with."""
    trained: NDArray[np.int64]
    """The shots that chose the inequality (none for CHSH)."""
    num_forms: int
    """Number of inequalities that this one was chosen from with the tested shots: 8 forms of CHSH, else 1."""
    hidden_needed: float
    """Estimate of the amount that a local model needs to give the frequencies."""
    hidden_lower: float
    """Lower confidence limit of the amount that a local model needs."""
    visible: float
    """The amount that the marginals of the frequencies show."""
    visible_upper: float
    """Upper confidence limit of the amount that marginals show."""
    kappa: float
    """Assumed largest ratio of the signaling there is to the part that marginals show."""
    alpha: float
    """Both limits hold together with confidence 1 - alpha."""

    def __post_init__(self) -> None:
        for name in ("tested", "trained"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def limit(self) -> float:
        """The largest amount of signaling allowed for, ``kappa * visible_upper``."""
        return self.kappa * self.visible_upper

    @property
    def exceeded(self) -> bool:
        """Whether a local model needs more signaling than is allowed for."""
        return self.hidden_lower > self.limit

    @property
    def largest_kappa(self) -> float:
        """The violation stands for every kappa below this; 0 if there is none."""
        return max(0.0, self.hidden_lower) / self.visible_upper

    def __str__(self) -> str:
        relation = "above" if self.exceeded else "not above"
        return (
            f"a local model needs hidden signaling of {self.hidden_needed:.4f} (above {self.hidden_lower:.4f}), "
            f"{relation} {self.kappa:g} times the {self.visible_upper:.4f} that marginals show at most"
        )

    def verify(self) -> Verification:
        """Re-proves the local bound, that one changed outcome changes the expression by at most 1, and both limits."""
        coefficients = self.inequality.expression.coefficients
        slope = _steepest(coefficients)
        lipschitz = Verification(
            slope <= 1 + 1e-12, f"one changed outcome changes the expression by {slope:.9g}", slope
        )
        lower = _hidden_lower(self.inequality, self.tested, self.alpha / 2, self.num_forms)
        upper = _visible_upper(BellCounts(self.tested + self.trained), self.alpha / 2)
        error = max(abs(lower - self.hidden_lower), abs(upper - self.visible_upper))
        limits = Verification(error <= 1e-9, f"hidden above {lower:.6g}, visible below {upper:.6g}", error)
        return combine(self.inequality.verify(), lipschitz, limits)


def signaling_allowance(
    counts: BellCounts, *, alpha: float = 0.01, kappa: float = 5.0, seed: int | None = None
) -> SignalingAllowance:
    """Compares the hidden signaling that a local model needs with what marginals show.

    A local model with influences gives each party a reference outcome for each of its settings, which the settings of
    the others may change. The least total probability of changes is a linear program; its dual is a Bell expression.
    Amounts are counted as contextuality by default does, so that for CHSH the criterion ``S > 2 + kappa D`` results,
    with D the summed shifts of the four marginal expectation values (there kappa = 1 is exact).
    Part of a crosstalk can hide from the marginals, so kappa is an assumption about the device.

    For CHSH all eight forms are compared, in closed form. Elsewhere a quarter of the shots chooses the expression by
    the linear program and the others test it. Confidence limits follow from Hoeffding's and McDiarmid's inequalities
    for independent shots.

    Args:
        counts: The counts.
        alpha: Error probability of both limits together.
        kappa: Assumed largest ratio of hidden influence to the part that marginals show, at least 1.
        seed: For the random choice of the shots that choose the expression.

    Raises:
        CountsError: If alpha is not between 0 and 1 or kappa is below 1.
        ScenarioError: If the scenario is too large to enumerate all parties but one.
        SolverError: If the linear program fails.

    References:
        arXiv:1412.4724 (contextuality by default, cyclic systems; kappa = 1); arXiv:2602.05507 (bounded signaling).
    """
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    check_kappa(kappa)
    frequencies = counts.frequencies().array
    if counts.scenario.is_chsh:
        inequality, forms = _best_chsh_form(frequencies), _FORMS_OF_CHSH
        trained = np.zeros_like(counts.array)
        visible = visible_signaling(frequencies)
        needed = max(visible, inequality.violation(counts.frequencies()))
    else:
        trained = random_part(counts, _TRAINING_FRACTION, generator(seed))
        smoothed = trained + 1e-9
        axes = counts.scenario.outcome_axes
        _, found = hidden_signaling(smoothed / smoothed.sum(axis=axes, keepdims=True), counts.scenario)
        inequality, forms = _exact_inequality(found), 1
        needed, _ = hidden_signaling(frequencies, counts.scenario)
        visible = visible_signaling(frequencies)
    tested = counts.array - trained
    return SignalingAllowance(
        inequality,
        tested,
        trained,
        forms,
        float(needed),
        _hidden_lower(inequality, tested, alpha / 2, forms),
        float(visible),
        _visible_upper(counts, alpha / 2),
        float(kappa),
        alpha,
    )


def _best_chsh_form(frequencies: FloatArray) -> BellInequality:
    """Half the largest of the eight forms: one changed outcome changes it by 1."""
    forms = [sign * chsh((x, y)).coefficients / 2 for x in (0, 1) for y in (0, 1) for sign in (1, -1)]
    best = max(forms, key=lambda form: float(np.sum(form * frequencies)))
    return BellInequality.of(BellExpression(best))


def _exact_inequality(coefficients: FloatArray) -> BellInequality:
    """The expression in binary fractions, scaled so that one changed outcome changes it by at most 1."""
    scale = 2.0**_BITS
    rounded = np.rint(coefficients / max(1.0, _steepest(coefficients)) * (1 - 2.0**-30) * scale) / scale
    return BellInequality.of(BellExpression(rounded))


def _steepest(coefficients: FloatArray) -> float:
    """The largest change of a coefficient when one party's outcome changes."""
    n = coefficients.ndim // 2
    return max(float(np.ptp(coefficients, axis=n + k).max()) for k in range(n))


def _hidden_lower(inequality: BellInequality, tested: IntArray, delta: float, num_forms: int) -> float:
    n = tested.ndim // 2
    axes = tuple(range(n, 2 * n))
    shots = tested.sum(axis=axes)
    if shots.min() == 0:
        return 0.0
    coefficients = inequality.expression.coefficients
    means = np.sum(coefficients * tested, axis=axes) / shots
    # Hoeffding: one shot moves the mean of its settings by at most the coefficients' range over n_x.
    ranges = np.ptp(coefficients, axis=axes)
    error = math.sqrt(float(np.sum(ranges**2 / shots)) * math.log(num_forms / delta) / 2)
    return float(means.sum()) - inequality.bound.value - error


def visible_signaling(frequencies: FloatArray) -> float:
    """The amount of signaling that marginals show: what is needed to change a no-signaling behavior into the table.

    For two parties it is summed over each party's settings: the least summed distance (total variation) of its
    outcome's distributions from one reference, over the settings of the other. That is exact for two outcomes and for
    two settings, and a little above the least elsewhere. For more parties it is a linear program, since joint marginals
    count too.

    Args:
        frequencies: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``.

    Raises:
        SolverError: If the linear program fails.
    """
    n = frequencies.ndim // 2
    if n > 2:
        return _distance_to_no_signaling(frequencies)
    total = 0.0
    for k in range(n):
        others = tuple(n + j for j in range(n) if j != k)
        # Setting of the party, settings of the others, outcome of the party.
        marginal = np.moveaxis(frequencies.sum(axis=others), k, 0)
        rows = marginal.reshape(marginal.shape[0], -1, marginal.shape[-1])
        median = np.median(rows, axis=1, keepdims=True)
        candidates = np.concatenate([median / median.sum(axis=2, keepdims=True), rows], axis=1)
        distances = np.abs(candidates[:, :, None] - rows[:, None]).sum(axis=3).sum(axis=2) / 2
        total += float(distances.min(axis=1).sum())
    return total


def _distance_to_no_signaling(frequencies: FloatArray) -> float:
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, hstack

    scenario = BellScenario.from_shape(frequencies.shape)
    sources, targets = _neighbors(scenario)
    flows = np.arange(len(sources))
    shape = (scenario.num_cells, len(flows))
    arriving = csr_array((np.ones(len(flows)), (targets, flows)), shape=shape)
    leaving = csr_array((np.ones(len(flows)), (sources, flows)), shape=shape)
    # The reference behavior is maps @ g, and no probability may be negative.
    maps = csr_array(cells_from_collins_gisin(scenario))
    solution = linprog(
        np.concatenate([np.ones(len(flows)), np.zeros(maps.shape[1])]),
        A_eq=hstack([arriving - leaving, maps]),
        b_eq=frequencies.ravel(),
        A_ub=hstack([csr_array(shape), -maps]),
        b_ub=np.zeros(scenario.num_cells),
        bounds=[(0, None)] * len(flows) + [(None, None)] * maps.shape[1],
        method="highs",
    )
    if solution.status != 0:
        raise SolverError(f"visible_signaling: HiGHS stopped with {solution.message!r}.")
    return max(0.0, float(solution.fun))


def _visible_upper(counts: BellCounts, delta: float) -> float:
    """McDiarmid: one shot moves the amount by at most N / n_x, and the mean over samples is not below the truth."""
    n = counts.scenario.num_parties
    spread = float(np.sum(1 / counts.num_shots))
    return visible_signaling(counts.frequencies().array) + n * math.sqrt(spread * math.log(1 / delta) / 2)


def hidden_signaling(frequencies: FloatArray, scenario: BellScenario) -> tuple[float, FloatArray]:
    """The least amount of signaling with which a local model gives a table, and the expression that proves it.

    Args:
        frequencies: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``; may be signaling.
        scenario: The scenario.

    Returns:
        The amount, and coefficients whose value on the table it is: at most 0 for every deterministic strategy, and
        changed by at most 1 when one party's outcome changes, both up to rounding.

    Raises:
        ScenarioError: If the scenario is too large to enumerate all parties but one.
        SolverError: If the linear program fails.
    """
    import highspy

    solver = simplex_solver(_FEASIBILITY)
    for value in frequencies.ravel():
        solver.addRow(value, value, 0, np.empty(0, dtype=np.int32), np.empty(0))
    sources, targets = _neighbors(scenario)
    count = len(sources)
    _add_columns(solver, 1.0, np.stack([sources, targets], axis=1), np.tile([-1.0, 1.0], (count, 1)))
    small = scenario.num_strategies <= _ALL_COLUMNS
    new = enumerate_strategies(scenario) if small else constant_strategies(scenario)
    while True:
        cells = np.nonzero(strategy_tables(new, scenario))[1].reshape(len(new), -1)
        _add_columns(solver, 0.0, cells, np.ones(cells.shape))
        solver.run()
        status = solver.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise SolverError(f"hidden_signaling: HiGHS stopped with {solver.modelStatusToString(status)!r}.")
        prices = np.array(solver.getSolution().row_dual).reshape(scenario.shape)
        if small:
            break
        values, found = best_strategies(prices, scenario, _COLUMNS_PER_ROUND)
        if values[0] <= _PRICE_TOLERANCE:
            break
        new = found[values > _PRICE_TOLERANCE]
    return max(0.0, float(solver.getInfo().objective_function_value)), prices


def _neighbors(scenario: BellScenario) -> tuple[IntArray, IntArray]:
    """Pairs of cells, both ways, that differ in one party's outcome."""
    numbers = np.arange(scenario.num_cells).reshape(scenario.shape)
    sources, targets = [], []
    for axis in scenario.outcome_axes:
        by_outcome = np.moveaxis(numbers, axis, 0)
        for a in range(len(by_outcome)):
            for b in range(len(by_outcome)):
                if a != b:
                    sources.append(by_outcome[a].ravel())
                    targets.append(by_outcome[b].ravel())
    return np.concatenate(sources), np.concatenate(targets)


def _add_columns(solver: Any, cost: float, rows: IntArray, values: FloatArray) -> None:
    count, width = rows.shape
    solver.addCols(
        count,
        np.full(count, cost),
        np.zeros(count),
        np.full(count, np.inf),
        rows.size,
        np.arange(0, rows.size, width, dtype=np.int32),
        rows.astype(np.int32).ravel(),
        values.ravel(),
    )


def check_kappa(kappa: float) -> None:
    """Raises CountsError unless kappa is a finite number of at least 1."""
    if isinstance(kappa, bool) or not isinstance(kappa, int | float) or not 1 <= kappa < math.inf:
        raise CountsError.bad_argument(
            "kappa",
            expected="a number of at least 1",
            got=repr(kappa),
            remedy="1 assumes that marginals show all the signaling there is.",
        )
