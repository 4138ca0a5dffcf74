"""What several files of tests share."""

import dataclasses
import itertools

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, SparsePauliOp, Statevector
from qiskit_lhv import Behavior, BellScenario, BellTrials, LHVError, estimate_tensor, werner_state
from qiskit_lhv.models import DeterministicModel
from qiskit_lhv.models.deterministic import enumerate_strategies
from qiskit_lhv.polytope.symmetry.relabelings import Relabeling
from qiskit_lhv.targets import project_to_no_signaling

ignore_missing_coherence_times = pytest.mark.filterwarnings("ignore:.*has no QubitProperties:UserWarning")

BELL = Statevector(np.array([1, 0, 0, 1]) / np.sqrt(2))
CHSH = BellScenario((2, 2), (2, 2))
# Three settings of one party, at 60 degrees to each other, in the plane of X and Z.
PLANE = [(np.cos(a), 0, np.sin(a)) for a in np.pi * np.arange(3) / 3]
SINGLET = Behavior.from_state(werner_state(1), "chsh")


def refusal(error, function, *arguments, **options):
    """The message of the error that a call raises for its arguments."""
    with pytest.raises(error) as caught:
        function(*arguments, **options)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, LHVError)
    return str(caught.value)


# Circuits, states and counts


def bell_circuit(num_clbits=0):
    circuit = QuantumCircuit(2, num_clbits)
    circuit.h(0)
    circuit.cx(0, 1)
    return circuit


def asymmetric_circuit():
    """Two entangled qubits without any symmetry between them or between X, Y and Z."""
    circuit = QuantumCircuit(2)
    circuit.ry(0.7, 0)
    circuit.rx(1.1, 1)
    circuit.cx(0, 1)
    circuit.rz(0.4, 1)
    circuit.ry(0.3, 0)
    return circuit


def chain_circuit(first, middle, last):
    """Three entangled qubits on a chain, without any symmetry between them."""
    circuit = QuantumCircuit(3)
    circuit.ry(0.7, first)
    circuit.cx(first, middle)
    circuit.ry(1.1, last)
    circuit.rz(0.4, middle)
    circuit.cx(last, middle)
    circuit.ry(-0.5, middle)
    circuit.rx(0.9, first)
    return circuit


def biased_state(p, noise=0.0):
    """p psi+ + (1 - p) |00><00|, with white noise."""
    psi = np.array([0, 1, 1, 0]) / np.sqrt(2)
    matrix = p * np.outer(psi, psi)
    matrix[0, 0] += 1 - p
    return DensityMatrix((1 - noise) * matrix + noise * np.eye(4) / 4)


def random_pauli_sum(num_spins, seed, terms=9):
    rng = np.random.default_rng(seed)
    labels = ["".join(rng.choice(list("IXYZ"), size=num_spins)) for _ in range(terms)]
    return SparsePauliOp(labels, rng.normal(size=terms))


def sampled_tensor(state, shots, seed):
    return estimate_tensor(Behavior.from_state(state, "pauli").sample(shots, seed))


def assert_within_five_standard_errors(counts, expected):
    shots = counts.num_shots.reshape(counts.num_shots.shape + (1,) * counts.num_shots.ndim)
    errors = np.sqrt(expected * (1 - expected) / shots)
    assert np.all(np.abs(counts.array / shots - expected) <= 5 * errors + 1e-9)


def draw_trials(behavior, count, seed, probabilities=None):
    """Trials of a behavior with random settings."""
    rng = np.random.default_rng(seed)
    shape = behavior.scenario.num_settings
    p = np.full(shape, 1 / np.prod(shape)) if probabilities is None else probabilities
    settings = np.array(np.unravel_index(rng.choice(p.size, size=count, p=p.ravel()), shape)).T
    cells = behavior.array[tuple(settings.T)].reshape(count, -1)
    drawn = (rng.random(count)[:, None] > cells.cumsum(axis=1)).sum(axis=1)
    outcomes = np.array(np.unravel_index(np.minimum(drawn, cells.shape[1] - 1), behavior.scenario.max_outcomes)).T
    return BellTrials(settings, outcomes, behavior.scenario, "random", probabilities)


# Behaviors


def random_behavior(shape, seed, floor=0.0):
    """Any table of probabilities, as a rule a signaling one, with all of them at least ``floor / num_outcomes``."""
    half = len(shape) // 2
    outcomes = int(np.prod(shape[half:]))
    table = np.random.default_rng(seed).dirichlet(np.ones(outcomes), size=shape[:half])
    return Behavior((1 - floor) * table.reshape(shape) + floor / outcomes)


def random_no_signaling(scenario, seed, concentration=0.5, floor=0.0):
    """The no-signaling behavior nearest to a random table."""
    table = np.random.default_rng(seed).gamma(concentration, size=scenario.shape) * scenario.mask
    table += floor * scenario.mask
    return project_to_no_signaling(Behavior(table / table.sum(axis=scenario.outcome_axes, keepdims=True), scenario))


def random_local(scenario, seed, concentration):
    """A random mixture of all deterministic strategies."""
    strategies = enumerate_strategies(scenario)
    weights = np.random.default_rng(seed).dirichlet(np.full(len(strategies), concentration))
    return DeterministicModel(weights, strategies, scenario).behavior()


def isotropic(s):
    """A behavior with all four correlators at s / 4, minus sign at (1, 1)."""
    return Behavior.from_correlators(np.array([[1, 1], [1, -1]]) * s / 4, marginals=False)


def pr_box():
    """The box of Popescu and Rohrlich: a XOR b = x y, with uniform marginals."""
    table = np.zeros((2, 2, 2, 2))
    for x, y, a in np.ndindex(2, 2, 2):
        table[x, y, a, a ^ (x & y)] = 0.5
    return Behavior(table)


def magic_square(visibility=1.0):
    """Rows of even parity and columns of odd parity that agree where they meet, all equally likely."""
    table = np.zeros((3, 3, 4, 4))
    for x, y, a, b in np.ndindex(table.shape):
        row = [a & 1, a >> 1, (a & 1) ^ (a >> 1)]
        column = [b & 1, b >> 1, 1 ^ (b & 1) ^ (b >> 1)]
        table[x, y, a, b] = (row[y] == column[x]) / 8
    return Behavior(visibility * table + (1 - visibility) / 16)


def crosstalk(q, shape=(2, 2)):
    """a = 0, b = x y, both outcomes flipped together with probability q: S = 4 from a local cause."""
    table = np.zeros((*shape, 2, 2))
    for x, y in np.ndindex(shape):
        b = int(x > 0 and y > 0)
        table[x, y, 0, b] += 1 - q
        table[x, y, 1, 1 - b] += q
    return Behavior(table)


def readout(behavior, share):
    """The last party's outcome 1 is read as 0 with this probability if party 0 has its last setting."""
    table = behavior.array.copy()
    decayed = share * table[-1, ..., 1]
    table[-1, ..., 1] -= decayed
    table[-1, ..., 0] += decayed
    return Behavior(table)


# Strategies and relabelings


def random_strategies(scenario, count, rng):
    sizes = zip(scenario.num_settings, scenario.max_outcomes, strict=True)
    return np.hstack([rng.integers(d, size=(count, m)) for m, d in sizes])


def random_relabeling(scenario, rng):
    sizes = list(zip(scenario.num_settings, scenario.max_outcomes, strict=True))
    orders = [
        order
        for order in itertools.permutations(range(len(sizes)))
        if all(sizes[k] == sizes[j] for k, j in enumerate(order))
    ]
    return Relabeling.of(
        scenario,
        parties=orders[rng.integers(len(orders))],
        settings=[rng.permutation(m) for m, _ in sizes],
        outcomes=[[rng.permutation(d) for _ in range(m)] for m, d in sizes],
    )


# Options


def grouped(**options):
    """Options of a search for a local model as its function takes them, from one list of names."""
    from qiskit_lhv.optimize import GradientDescent, SettingsGrid

    return _in_groups(options, optimizer=GradientDescent, grid=SettingsGrid)


def with_proof_search(**options):
    """Options of a proof as its function takes them, from one list of names."""
    from qiskit_lhv.projective import ProofSearch

    return _in_groups(options, search=ProofSearch)


def _in_groups(options, **groups):
    for name, group in groups.items():
        own = sorted({field.name for field in dataclasses.fields(group)} & options.keys())
        if own:
            options[name] = group(**{field: options.pop(field) for field in own})
    return options


def texts(figure):
    """All words of a matplotlib figure, one text per line."""
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text))


# Many parties


def largest_of_groups(expression, sizes):
    """The largest value of models in which each group answers with any function of its own settings, by listing."""
    n = sum(sizes)
    table = np.zeros((2,) * n)
    for row, value in zip(expression.types, expression.coefficients, strict=True):
        for x in itertools.product((0, 1), repeat=n):
            if sum(x) == row[1]:
                table[x] = value
    table = table.reshape([2**size for size in sizes])
    functions = [np.array(list(itertools.product((1, -1), repeat=2**size))) for size in sizes]
    for own in functions:
        # The first axis is the settings of the next group, the last ones are the functions of those before.
        table = np.tensordot(table, own, axes=(0, 1))
    return table.max()
