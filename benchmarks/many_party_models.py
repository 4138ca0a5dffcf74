"""Local models of listed correlators of many parties: known models, with held-out terms, and noisy GHZ states.

Prints for each data set the losses, the p-values, whether the fit was verified, and the processor time of the search.
Run from the root of the repository: ``python benchmarks/many_party_models.py`` (``--quick``: fewer steps).
"""

import argparse
import itertools
import time

import numpy as np
from qiskit import QuantumCircuit
from qiskit_lhv import BellScenario, find_local_model
from qiskit_lhv.models import DeterministicModel
from qiskit_lhv.optimize import GradientDescent, TermSampling
from qiskit_lhv.targets import TermValues, random_terms


def search(name, values, num_hidden, num_steps, held_out=0.1):
    begin = time.process_time()
    options = GradientDescent(num_steps=num_steps)
    sampling = TermSampling(held_out=held_out)
    fit = find_local_model(
        values, num_hidden=num_hidden, optimizer=options, terms=sampling, seed=0, progress=False
    ).term_fit
    searched = time.process_time()
    check = fit.verify()
    verified = time.process_time()
    words = [f"loss {fit.loss_trained:.2e}", f"largest {fit.max_deviation:.1e}"]
    if fit.p_value is not None:
        words.append(f"p {fit.p_value:.2g}, chi2 per term {fit.chi_square / values.num_terms:.2f}")
    if held_out:
        words.append(f"held out: loss {fit.loss_held_out:.2e}")
        if fit.p_value is not None:
            words.append(f"p {fit.p_value_held_out:.2g}")
            words.append(f"chi2 per term {fit.chi_square_held_out / fit.held_out.sum():.2f}")
    words.append(f"admits {fit.admits_local_model}, {check.status}")
    words.append(f"{searched - begin:.1f} CPU s, check {verified - searched:.2f}")
    print(f"{name:44s} {values.num_terms:5d} terms: {'; '.join(words)}", flush=True)


def known_models(steps):
    for n in (10, 20, 50):
        rng = np.random.default_rng(n)
        scenario = BellScenario([2] * n, 2)
        weights = rng.dirichlet(np.full(6, 3.0))
        model = DeterministicModel(weights, rng.integers(2, size=(6, 2 * n)), scenario)
        rows = random_terms(scenario, 3000 if n < 50 else 5000, [1, 2, 3, 4, n], seed=n)
        exact = TermValues(scenario, rows, model.term_values(rows))
        search(f"6 strategies, {n} parties, exact", exact, 128, steps)
        settings = rng.integers(2, size=(20000, n))
        begin = time.process_time()
        shots = model.sample_shots(settings, 10, seed=n)
        small = random_terms(scenario, 3000, [1, 2, 3, 4], seed=n)
        values = TermValues.from_shots(shots, small)
        made = time.process_time() - begin
        search(f"same, 200000 shots ({made:.1f} s to sample and read)", values, 128, steps)
        search("the same, no term held out", values, 128, steps, 0.0)


def ghz(n):
    circuit = QuantumCircuit(n)
    circuit.h(0)
    for k in range(n - 1):
        circuit.cx(k, k + 1)
    return circuit


def mermin_rows(n, limit, rng):
    """Terms of all parties with an even number of Y, as X, Y, Z are settings 0, 1, 2."""
    if 2 ** (n - 1) <= limit:
        return np.array([row for row in itertools.product([0, 1], repeat=n) if sum(row) % 2 == 0])
    rows = rng.integers(2, size=(limit, n))
    rows[:, -1] = rows[:, :-1].sum(axis=1) % 2
    return np.unique(rows, axis=0)


def pairs_along_z(n):
    rows = np.full((n * (n - 1) // 2, n), -1)
    for t, (i, j) in enumerate(itertools.combinations(range(n), 2)):
        rows[t, [i, j]] = 2
    return rows


def noisy_ghz(steps):
    rng = np.random.default_rng(1)
    print("Mermin's complete sum of 10 parties is violated above a visibility of 1/16 = 0.0625")
    for n, limit, visibilities in ((10, 512, (0.04, 0.055, 0.08)), (15, 1500, (0.02, 0.05)), (20, 1500, (0.02, 0.05))):
        rows = np.vstack([mermin_rows(n, limit, rng), pairs_along_z(n)])
        begin = time.process_time()
        pure = TermValues.from_state(ghz(n), [["X", "Y", "Z"]] * n, rows)
        made = time.process_time() - begin
        for visibility in visibilities:
            noisy = pure.mixed_with_noise(visibility)
            if n == 10:
                search(f"GHZ {n}, v = {visibility}, exact ({made:.1f} s)", noisy, 512, steps, 0.0)
            plus = rng.binomial(4000, (1 + noisy.values) / 2)
            counted = TermValues(noisy.scenario, rows, 2 * plus / 4000 - 1, None, 4000, True)
            search(f"GHZ {n}, v = {visibility}, 4000 shots a term", counted, 512, steps, 0.0)
            search("the same with held-out terms", counted, 512, steps)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer steps, whose figures mean nothing")
    number_of_steps = 100 if parser.parse_args().quick else 3000
    known_models(number_of_steps)
    noisy_ghz(number_of_steps)
