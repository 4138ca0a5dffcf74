import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from qiskit.quantum_info import Statevector
from qiskit_lhv import Behavior, BellExpression, BellInequality, ghz_state, werner_state
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.models import DeterministicModel
from qiskit_lhv.polytope import DetectionThreshold, detection_threshold
from qiskit_lhv.polytope.thresholds.efficiency_polynomial import EfficiencyPolynomial
from scipy.optimize import minimize

CHSH = Behavior.from_state(ghz_state(2), "chsh")
GHZ = Behavior.from_state(ghz_state(3), "mermin")
BOX = Behavior.from_correlators([[1, 1], [1, -1]], marginals=False)
ROOT = np.sqrt(2)


def chsh_partner(efficiency):
    """The efficiency that party 1 needs at CHSH settings, if party 0 has a given one.

    Clauser-Horne, P(00) + P(01) + P(10) - P(11) - P(A0) - P(B0) <= 0, with clicks of outcome 0: the first four sum to
    (1 + sqrt 2) / 2 and the marginals are 1/2 each, arXiv:quant-ph/0701191.
    """
    return efficiency / ((1 + ROOT) * efficiency - 1)


def assigned_ghz(outcome):
    """If all three lose, the Mermin expression is -2 or 2, times the sign with which it is violated (by 4)."""
    lost = -2 if outcome == 0 else 2
    roots = np.roots(np.array([4.0, 0, 0, -2]) + lost * np.array([-1, 3, -3, 1]))
    return next(root.real for root in roots if abs(root.imag) < 1e-9 and 0.5 < root.real < 0.99)


CASES = {
    # (behavior, options, threshold); Garg and Mermin, PRD 35, 3831 (1987).
    "CHSH": (CHSH, {}, 2 / (1 + ROOT)),
    "CHSH, no click counts as 0": (CHSH, {"assign": 0}, 2 / (1 + ROOT)),
    "CHSH, no click counts as 1 or is kept": (CHSH, {"assign": (1, None)}, 2 / (1 + ROOT)),
    # arXiv:quant-ph/0702130, arXiv:quant-ph/0701191.
    "CHSH with one perfect party": (CHSH, {"fixed": (1, None)}, 1 / ROOT),
    "CHSH with the other party perfect": (CHSH, {"fixed": (None, 1), "assign": 1}, 1 / ROOT),
    "CHSH with one given party": (CHSH, {"fixed": (0.75, None)}, chsh_partner(0.75)),
    # Larsson, PRA 57, R3145 (1998), arXiv:quant-ph/9803041: 75 percent.
    "GHZ": (GHZ, {}, 0.75),
    "GHZ, no click counts as 0": (GHZ, {"assign": 0}, assigned_ghz(0)),
    "GHZ, no click counts as 1": (GHZ, {"assign": 1}, assigned_ghz(1)),
    # CH: eta**2 * 3 / 2 = eta for the box of Popescu and Rohrlich.
    "PR box": (BOX, {}, 2 / 3),
    "PR box, no click counts as 0": (BOX, {"assign": [0, 0]}, 2 / 3),
    "PR box with one perfect party": (BOX, {"fixed": [1.0, None]}, 1 / 2),
}


@pytest.mark.parametrize("name", CASES)
def test_known_thresholds(name):
    behavior, options, expected = CASES[name]
    threshold = detection_threshold(behavior, **options)
    assert threshold.lower <= expected + 1e-9
    assert threshold.upper >= expected - 1e-9
    assert threshold.upper - threshold.lower <= 1e-6
    check = threshold.verify()
    assert check, check.reason


def eberhard(efficiency):
    """State and settings with the largest violation of CH at an efficiency, PRA 47, R747 (1993)."""

    def projector(angle):
        vector = np.array([np.cos(angle), np.sin(angle)])
        return np.outer(vector, vector)

    def operator(angles):
        clicks = [projector(angle) for angle in angles]
        joint = sum((-1) ** (i * j) * np.kron(clicks[i], clicks[j]) for i in (0, 1) for j in (0, 1))
        single = np.kron(clicks[0], np.eye(2)) + np.kron(np.eye(2), clicks[0])
        return efficiency**2 * joint - efficiency * single

    starts = np.random.default_rng(1).uniform(-1.6, 1.6, (8, 2))
    runs = [
        minimize(
            lambda angles: -np.linalg.eigvalsh(operator(angles))[-1],
            start,
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-13},
        )
        for start in starts
    ]
    best = min(runs, key=lambda run: run.fun)
    state = np.linalg.eigh(operator(best.x))[1][:, -1]
    settings = [(np.sin(2 * angle), 0, np.cos(2 * angle)) for angle in best.x]
    return Behavior.from_state(Statevector(state), [settings, settings])


def test_weakly_entangled_states_tolerate_more_losses():
    thresholds = []
    for efficiency in (0.8, 0.72, 0.7, 0.68):
        behavior = eberhard(efficiency)
        kept = detection_threshold(behavior)
        assigned = detection_threshold(behavior, assign=1)
        for threshold in (kept, assigned):
            assert 2 / 3 < threshold.lower <= threshold.upper < efficiency
            assert threshold.verify()
        # With two settings, CH with "no click" as outcome 1 uses all there is (Eberhard).
        assert kept.lower <= assigned.upper
        assert assigned.lower <= kept.upper
        thresholds.append(kept.upper)
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[-1] < 0.676


def test_the_wrong_assignment_costs_efficiency():
    # Outcome 0 is rare at these settings, so losses that count as 0 drown it.
    behavior = eberhard(0.7)
    right, wrong = (detection_threshold(behavior, assign=outcome) for outcome in (1, 0))
    assert wrong.lower > right.upper + 0.1


# Local and nonlocal everywhere


def test_local_behavior_has_a_model_and_no_inequality():
    behavior = Behavior.from_state(werner_state(0.7), "chsh")
    threshold = detection_threshold(behavior)
    assert (threshold.lower, threshold.upper) == (1, 1)
    assert threshold.inequality is None
    assert threshold.model.verify(behavior.with_efficiency(1.0))
    assert threshold.verify()
    assert "local at every efficiency" in str(threshold)


def test_partner_below_half_makes_everything_local():
    assert detection_threshold(BOX, fixed=(0.49, None)).lower == 1
    assert detection_threshold(BOX, fixed=(0.51, None)).lower < 1


def test_nonlocal_without_the_party_in_question():
    # Party 2 only adds its own coin to a CHSH violation of the others.
    coin = np.array([[1, 0], [0.3, 0.7]])
    behavior = Behavior(np.einsum("xyab,zc->xyzabc", CHSH.array, coin))
    threshold = detection_threshold(behavior, fixed=(0.9, 0.9, None))
    assert (threshold.lower, threshold.upper) == (0, 0)
    assert threshold.model is None
    assert threshold.inequality.violation(threshold.behavior_at(0)) > 0
    assert threshold.verify()
    assert "nonlocal at every efficiency" in str(threshold)


# Evidence


def test_behavior_at_is_what_the_parties_see():
    threshold = detection_threshold(CHSH, fixed=(0.9, None), assign=(None, 1))
    assert threshold.assign == (None, 1)
    assert threshold.fixed == (0.9, None)
    seen = threshold.behavior_at(0.6)
    assert seen == CHSH.with_efficiency((0.9, 0.6), (None, 1))
    assert seen.scenario.max_outcomes == (3, 2)


def test_polynomial_is_the_violation():
    rng = np.random.default_rng(4)
    behavior = Behavior(np.einsum("xyab,zc->xyzabc", CHSH.array, [[0.2, 0.8], [0.6, 0.4]]))
    assign, fixed = (None, 1, None), (None, 0.7, None)
    seen = behavior.with_efficiency((0.4, 0.7, 0.4), assign)
    inequality = BellInequality.of(BellExpression(rng.integers(-3, 4, seen.scenario.shape)))
    polynomial = EfficiencyPolynomial(inequality, behavior, assign, fixed)
    assert len(polynomial.losses) == 3
    assert isinstance(polynomial.at(0.4), Fraction)
    assert float(polynomial.at(0.4)) == pytest.approx(inequality.violation(seen), abs=1e-12)


@pytest.fixture(scope="module")
def threshold():
    return detection_threshold(CHSH)


@pytest.mark.parametrize(
    "changes",
    [
        {"lower": 0.829},
        {"upper": 0.828},
        {"lower": -0.1},
        {"upper": 1.1},
        {"lower": 0.9, "upper": 0.85},
        {"lower": 0.0, "model": None, "upper": 0.828},
        {"model": None},
        {"inequality": None},
        {"fixed": (0.5, None)},
        {"assign": 0},
        {"behavior": Behavior.from_state(werner_state(0.9), "chsh")},
    ],
    ids=str,
)
def test_changed_claims_are_refused(threshold, changes):
    assert threshold.verify()
    assert not dataclasses.replace(threshold, **changes).verify()


def test_claims_that_say_less_pass(threshold):
    # A violation above the threshold is as true, if it is violated there.
    assert dataclasses.replace(threshold, upper=0.9).verify()
    assert dataclasses.replace(threshold, upper=1.0, inequality=None).verify()


def test_wrong_models_and_bounds_are_refused(threshold):
    model, inequality = threshold.model, threshold.inequality
    weights = np.roll(model.weights, 1)
    other = DeterministicModel(weights, model.strategies, model.scenario)
    assert not dataclasses.replace(threshold, model=other).verify()
    bound = dataclasses.replace(inequality.bound, value=inequality.bound.value - 1)
    lowered = BellInequality(inequality.expression, bound)
    assert not dataclasses.replace(threshold, inequality=lowered).verify()
    heuristic = BellInequality(inequality.expression, dataclasses.replace(inequality.bound, exact=False))
    assert not dataclasses.replace(threshold, inequality=heuristic).verify()


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_results_are_saved_and_loaded(threshold, suffix, tmp_path):
    path = tmp_path / f"threshold{suffix}"
    threshold.save(path)
    loaded = DetectionThreshold.load(path)
    assert loaded == threshold
    assert loaded.verify()


def test_repr_tells_both_ends(threshold):
    assert repr(threshold).startswith("DetectionThreshold(detection threshold in [0.82842712")


# The search


def test_no_time_gives_no_more_than_an_honest_interval():
    threshold = detection_threshold(GHZ, time_limit=1e-9)
    assert (threshold.lower, threshold.upper) == (0, 1)
    assert threshold.model.verify(threshold.behavior_at(0))
    assert threshold.verify()


def test_a_tolerance_below_rounding_ends():
    threshold = detection_threshold(CHSH, tolerance=1e-12)
    assert threshold.lower - 1e-8 < 2 / (1 + ROOT) < threshold.upper
    assert threshold.upper - threshold.lower < 1e-7
    assert threshold.verify()


def test_what_is_undecided_is_bracketed(monkeypatch):
    # A prover that answers only away from the threshold, as large scenarios make it.
    from qiskit_lhv.polytope.thresholds import detection

    true = 2 / (1 + ROOT)
    answer = detection._Search.probe

    def probe(self, efficiency):
        if abs(efficiency - true) > 0.003:
            found = answer(self, efficiency)
            self.upper = max(self.upper, true + 0.003)
            return found
        self.step *= 10
        lowest, highest = self.undecided or (efficiency, efficiency)
        self.undecided = min(lowest, efficiency), max(highest, efficiency)
        return None

    monkeypatch.setattr(detection._Search, "probe", probe)
    threshold = detection_threshold(CHSH, tolerance=1e-4)
    assert true - 0.0032 < threshold.lower < true - 0.0029
    assert true + 0.0029 < threshold.upper < true + 0.0032
    assert threshold.verify()


# Bad input


@pytest.mark.parametrize("assign", [2, -1, True, (0,), (0, 2), "01", 0.0, (0, 1.5)])
def test_assignments_that_are_no_outcomes_are_refused(assign):
    with pytest.raises(ScenarioError, match=r"^assign: expected None or an outcome"):
        detection_threshold(CHSH, assign=assign)


@pytest.mark.parametrize("fixed", [(1,), 1, "11", (1, None, None)])
def test_fixed_efficiencies_are_one_a_party(fixed):
    with pytest.raises(ScenarioError, match=r"^fixed: expected None, or 2 entries"):
        detection_threshold(CHSH, fixed=fixed)


@pytest.mark.parametrize("fixed", [(1.1, None), (None, -0.1), ("a", None), (np.nan, None)])
def test_fixed_efficiencies_are_probabilities(fixed):
    with pytest.raises(ScenarioError, match=r"^fixed: expected a number from 0 to 1"):
        detection_threshold(CHSH, fixed=fixed)


def test_some_efficiency_must_be_asked_for():
    with pytest.raises(ScenarioError, match=r"with_efficiency"):
        detection_threshold(CHSH, fixed=(1, 0.9))


@pytest.mark.parametrize("tolerance", [0, -1, np.inf, "small", True])
def test_tolerance_is_positive(tolerance):
    with pytest.raises(ScenarioError, match=r"^tolerance: expected a positive number"):
        detection_threshold(CHSH, tolerance=tolerance)


def test_signaling_behaviors_are_refused():
    signaling = np.zeros((2, 2, 2, 2))
    for x, y in np.ndindex(2, 2):
        signaling[x, y, y, 0] = 1
    with pytest.raises(ScenarioError, match=r"^behavior: expected a no-signaling behavior"):
        detection_threshold(Behavior(signaling))
