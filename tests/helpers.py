"""What several files of tests share."""

import dataclasses

import numpy as np
import pytest
from qiskit import QuantumCircuit

ignore_missing_coherence_times = pytest.mark.filterwarnings("ignore:.*has no QubitProperties:UserWarning")


def bell_circuit(num_clbits=0):
    circuit = QuantumCircuit(2, num_clbits)
    circuit.h(0)
    circuit.cx(0, 1)
    return circuit


def assert_within_five_standard_errors(counts, expected):
    shots = counts.num_shots.reshape(counts.num_shots.shape + (1,) * counts.num_shots.ndim)
    errors = np.sqrt(expected * (1 - expected) / shots)
    assert np.all(np.abs(counts.array / shots - expected) <= 5 * errors + 1e-9)


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
