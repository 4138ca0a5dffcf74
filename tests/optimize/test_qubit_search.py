import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, Statevector, random_density_matrix
from qiskit_lhv import (
    Behavior,
    CorrelationTensor,
    LHVError,
    find_local_model,
    ghz_state,
    werner_state,
)
from qiskit_lhv.exceptions import CertificateError, ScenarioError
from qiskit_lhv.measurements import AllProjective
from qiskit_lhv.models import (
    DirectionResponse,
    FunctionResponse,
    OddMonomials,
    PlanarHarmonics,
    ResponseModel,
    SphericalHarmonics,
    TableResponse,
)
from qiskit_lhv.optimize import GradientDescent, LocalModelResult, find_local_models, search, search_run, training

from helpers import grouped

QUICK = {"num_hidden": 512, "num_steps": 200, "num_settings": 256, "seed": 1, "progress": False}


def orders_of(model):
    """Correlators of a model in some directions, and how many parties take part in each."""
    n, terms = model.num_parties, []
    for k, hidden in enumerate(model.hidden_variables):
        means = model.response.means(k, hidden, AllProjective().draw(np.random.default_rng(k), 5))
        terms += [np.concatenate([np.ones((model.num_hidden, 1)), means], axis=1), [n, k]]
    correlators = np.einsum(model.weights, [n], *terms, list(range(n)))
    return correlators, np.sum(np.indices(correlators.shape) > 0, axis=0)


def is_paired(model):
    half = model.num_hidden // 2
    return all(np.array_equal(array[half:], -array[:half]) for array in model.hidden_variables)


# Pairs of opposite hidden variables


@pytest.mark.parametrize("state", [werner_state(0.5), DensityMatrix(np.eye(2) / 2)])
def test_states_without_odd_correlators_get_pairs(state):
    model = find_local_model(state, **grouped(**{**QUICK, "num_steps": 100})).model
    assert model.num_hidden == 512
    assert is_paired(model)
    correlators, orders = orders_of(model)
    assert np.abs(correlators[orders % 2 == 1]).max() < 1e-15
    if model.num_parties > 1:
        assert np.abs(correlators[orders == 2]).max() > 1e-3


@pytest.mark.parametrize(
    ("state", "num_hidden"),
    [(ghz_state(3), 512), (random_density_matrix((2, 2), seed=1), 512), (werner_state(0.5), 511)],
    ids=["GHZ", "marginals", "odd number"],
)
def test_other_searches_get_none(state, num_hidden):
    model = find_local_model(state, **grouped(**{**QUICK, "num_hidden": num_hidden, "num_steps": 100})).model
    assert model.num_hidden == num_hidden
    assert not is_paired(model)
    correlators, orders = orders_of(model)
    assert np.abs(correlators[orders % 2 == 1]).max() > 1e-3


# Several starts


@pytest.mark.slow
def test_product_state_of_many_parties_is_searched_to_the_end():
    # Most of its probabilities are so small that sums of correlators lose them.
    found = find_local_model(
        Statevector.from_label("00000"),
        num_hidden=1 << 10,
        optimizer=GradientDescent(num_steps=100),
        seed=1,
        progress=None,
    )
    assert np.isfinite(found.history).all()
    assert found.evaluation.kl_divergence < 0.02


def test_best_of_several_starts_is_returned():
    result = find_local_model(werner_state(0.5), **grouped(start=2, **QUICK))
    assert result.start_losses.shape == (2,)
    assert result.start_losses[0] != result.start_losses[1]
    assert result.loss == result.start_losses.min() == result.evaluation.kl_divergence
    assert len(result.history) == 200
    # The first start is that of a search with one, up to rounding in float32.
    alone = find_local_model(werner_state(0.5), **grouped(**QUICK))
    assert alone.start_losses.tolist() == [alone.loss]
    assert result.start_losses[0] == pytest.approx(alone.loss, rel=1e-2)


def test_history_is_that_of_the_best_start(monkeypatch):
    runs = []
    monkeypatch.setattr(search_run, "train", lambda *a, **k: runs.append(training.train(*a, **k)) or runs[0])
    result = find_local_model(werner_state(0.5), **grouped(start=2, symmetry=None, **QUICK))
    best = int(np.argmin(result.start_losses))
    np.testing.assert_array_equal(result.history, runs[0].history[:, 0, best])
    half = np.asarray(runs[0].parameters[0][0, best], dtype=float).T
    np.testing.assert_array_equal(result.model.hidden_variables[0], np.concatenate([half, -half]))


# Several states


def test_states_searched_together_end_as_alone():
    options, states = {**QUICK, "start": 2}, [werner_state(0.3), werner_state(0.9)]
    together = find_local_models(states, **grouped(**options))
    assert len(together) == 2
    for state, result in zip(states, together, strict=True):
        alone = find_local_model(state, **grouped(**options))
        np.testing.assert_allclose(result.start_losses, alone.start_losses, rtol=1e-2)
        assert result.loss == pytest.approx(alone.loss, rel=1e-2)
        np.testing.assert_allclose(result.history[:50], alone.history[:50], rtol=1e-2)
        assert result.status == alone.status


def test_one_state_is_the_same_search():
    assert find_local_models((werner_state(0.5),), **grouped(**QUICK)) == [
        find_local_model(werner_state(0.5), **grouped(**QUICK))
    ]


def test_all_states_must_reach_the_target_loss():
    options = {**QUICK, "num_steps": 3000, "target_loss": 1e-4, "start": 2}
    results = find_local_models([werner_state(0.1), werner_state(0.5)], **grouped(**options))
    assert {result.status for result in results} == {training.SearchStatus.CONVERGED}
    assert all(result.history[-100:].mean() <= 1e-4 for result in results)
    assert len(results[0].history) == len(results[1].history) < 3000
    results = find_local_models([werner_state(0.1), werner_state(1)], **grouped(**{**options, "num_steps": 300}))
    assert {result.status for result in results} == {training.SearchStatus.OUT_OF_STEPS}


def test_states_share_the_checkpoint(tmp_path):
    options, states = {**QUICK, "start": 2}, [werner_state(0.3), werner_state(0.9)]
    whole = find_local_models(states, **grouped(**options))
    options.update(checkpoint=tmp_path / "run.npz")
    part = find_local_models(states, **grouped(time_limit=1e-9, **options))
    assert [len(result.history) for result in part] == [100, 100]
    assert find_local_models(states, **grouped(**options)) == whole
    with pytest.raises(CertificateError, match="this very run"):
        find_local_models(states[::-1], **grouped(**options))


# A model to start from


@pytest.mark.parametrize("state", [werner_state(0.5), random_density_matrix((2, 2), seed=1)], ids=["pairs", "no pairs"])
def test_warm_start_begins_where_the_model_is(state):
    first = find_local_model(state, **grouped(**QUICK))
    again = find_local_model(state, **grouped(start=first.model, **{**QUICK, "seed": 2}))
    assert first.history[0] > 100 * first.loss
    assert again.history[0] == pytest.approx(first.loss, rel=0.5)
    assert again.loss < first.loss
    assert is_paired(again.model) == is_paired(first.model)


def test_warm_start_of_a_model_without_pairs_makes_none():
    # The model of another state: the target would allow pairs, the model has none.
    other = find_local_model(random_density_matrix((2, 2), seed=1), **grouped(**QUICK)).model
    result = find_local_model(werner_state(0.2), **grouped(start=other, **QUICK))
    assert not is_paired(result.model)
    assert result.loss < 1e-4


def test_warm_start_of_a_neighboring_state_helps():
    model = find_local_model(werner_state(0.5), **grouped(**{**QUICK, "num_steps": 400})).model
    warm, cold = (find_local_model(werner_state(0.52), **grouped(start=m, **QUICK)) for m in (model, 1))
    assert warm.history[0] < cold.history[0] / 20
    assert warm.loss < cold.loss


def harmonic_model(num_hidden=512, degree=5, num_parties=2, weights=None):
    response = DirectionResponse(SphericalHarmonics(degree), num_parties)
    return ResponseModel((np.ones((num_hidden, response.features.size)),) * num_parties, response, weights)


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        (harmonic_model(510), {}, "a model with 512 hidden variables"),
        (harmonic_model(degree=3), {}, r"SphericalHarmonics\(degree=5\)"),
        (harmonic_model(), {"response": 3}, r"SphericalHarmonics\(degree=3\)"),
        (harmonic_model(), {"measurements": "xz"}, "PlanarHarmonics"),
        (harmonic_model(), {"response": OddMonomials(3)}, "OddMonomials"),
        (harmonic_model(num_parties=3), {}, "num_parties=2"),
        (harmonic_model(weights=np.eye(512)[0]), {}, "equal weights"),
        (harmonic_model().hidden_variables, {}, "a ResponseModel"),
    ],
    ids=["size", "degree", "other degree", "plane", "features", "parties", "weights", "no model"],
)
def test_models_to_start_from_must_fit(monkeypatch, model, options, words):
    monkeypatch.setattr(search_run, "train", lambda *a, **k: pytest.fail("training began"))
    with pytest.raises(LHVError, match=rf"^start: expected .*{words}"):
        find_local_model(werner_state(0.5), **grouped(start=model, **{**QUICK, **options}))


def test_checkpoint_of_another_initial_model_is_refused(tmp_path):
    path, options = tmp_path / "run.npz", {**QUICK, "time_limit": 1e-9}
    rng = np.random.default_rng(0)
    first, second = (
        ResponseModel(tuple(rng.normal(size=(512, 21)) for _ in range(2)), harmonic_model().response) for _ in range(2)
    )
    find_local_model(werner_state(0.5), **grouped(start=first, checkpoint=path, **options))
    for model in (1, second):
        with pytest.raises(CertificateError, match="this very run"):
            find_local_model(werner_state(0.5), **grouped(start=model, checkpoint=path, **options))


# Sampling, diffusion, patience


def test_independent_directions_do_as_well():
    result = find_local_model(werner_state(0.5), **grouped(sampling="uniform", **QUICK))
    assert result.loss < 1e-4
    assert result != find_local_model(werner_state(0.5), **grouped(**QUICK))


def test_diffusion_changes_the_way_and_not_the_end():
    options = {**QUICK, "num_steps": 500, "start": 2, "symmetry": None}
    still, moved = (find_local_model(werner_state(0.4), **grouped(diffusion=d, **options)) for d in (0.0, 0.01))
    assert moved.model != still.model
    assert moved.loss < 1e-4
    # Noise that the main phase can not keep up with.
    assert find_local_model(werner_state(0.4), **grouped(**{**options, "diffusion": 1.0})).loss > 1e-3


def test_patience_ends_the_main_phase():
    # The singlet's loss soon stands still.
    options = {**QUICK, "num_steps": 2000}
    result = find_local_model(werner_state(1), **grouped(patience=150, **options))
    assert result.status == "The loss had stopped falling, and the final phase was taken."
    assert len(result.history) < 2000
    # The final phase is taken whole, 40% of the steps.
    assert (len(result.history) - 800) % 100 == 0
    assert result.loss == pytest.approx(find_local_model(werner_state(1), **grouped(**options)).loss, rel=0.05)


def test_patience_with_a_falling_loss_changes_nothing():
    patient = find_local_model(werner_state(0.5), **grouped(patience=50, **QUICK))
    assert patient == find_local_model(werner_state(0.5), **grouped(**QUICK))
    assert patient.status == training.SearchStatus.OUT_OF_STEPS


def test_stopped_search_goes_on_bit_for_bit(tmp_path, monkeypatch):
    options = {**QUICK, "num_steps": 1500, "start": 2, "diffusion": 0.01, "patience": 100, "sampling": "uniform"}
    whole = find_local_model(werner_state(1), **grouped(**options))
    assert whole.status == training.SearchStatus.PLATEAU
    path, chunk = tmp_path / "run.npz", training._chunk
    part = find_local_model(werner_state(1), **grouped(checkpoint=path, time_limit=1e-9, **options))
    assert part.status == training.SearchStatus.OUT_OF_TIME
    assert len(part.history) == 100
    left = [None] * 3

    def interrupted(*arguments):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return chunk(*arguments)

    monkeypatch.setattr(training, "_chunk", interrupted)
    assert len(find_local_model(werner_state(1), **grouped(checkpoint=path, **options)).history) == 400
    monkeypatch.setattr(training, "_chunk", chunk)
    assert find_local_model(werner_state(1), **grouped(checkpoint=path, **options)) == whole


@pytest.mark.parametrize(
    "changed",
    [
        {"start": 2},
        {"num_settings": 100},
        {"sampling": "uniform"},
        {"loss": "l2"},
        {"learning_rate": 0.15},
        {"patience": 50},
        {"diffusion": 0.01},
        {"response": OddMonomials(5)},
        {"measurements": [["X", "Z"]] * 2},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_checkpoint_of_a_search_with_other_options_is_refused(tmp_path, changed):
    path, options = tmp_path / "run.npz", {**QUICK, "num_steps": 100}
    find_local_model(werner_state(0.6), **grouped(checkpoint=path, **options))
    before = path.read_bytes()
    with pytest.raises(CertificateError, match="this very run"):
        find_local_model(werner_state(0.6), **grouped(checkpoint=path, **{**options, **changed}))
    assert path.read_bytes() == before


def test_result_keeps_its_starts_in_files(tmp_path):
    result = find_local_model(werner_state(0.5), **grouped(start=2, **QUICK))
    for name in ("result.json", "result.npz"):
        result.save(tmp_path / name)
        again = LocalModelResult.load(tmp_path / name)
        assert again == result
        np.testing.assert_array_equal(again.start_losses, result.start_losses)


def test_chosen_response_is_that_of_the_model():
    response = DirectionResponse(PlanarHarmonics(3, [[1, 0, 0], [0, 1, 0]]), 2)
    result = find_local_model(werner_state(0.5), **grouped(measurements="xy", response=response, **QUICK))
    assert result.model.response == response
    assert result.loss < 1e-4
    planar = find_local_model(werner_state(0.5), **grouped(measurements="xy", response=3, **QUICK))
    assert planar == result


@pytest.mark.parametrize(("num_qubits", "expected"), [(1, 64), (2, 1024), (3, 4096), (4, 4096)])
def test_default_number_of_settings_grows_with_the_parties(monkeypatch, num_qubits, expected):
    monkeypatch.setattr(search, "_search_problem", lambda problem, *_: [problem.num_settings])
    assert find_local_model(ghz_state(num_qubits) if num_qubits > 1 else Statevector([1, 0])) == expected


# Bad input, before any work


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"num_hidden": 0}, "num_hidden"),
        ({"num_steps": 0}, "num_steps"),
        ({"start": 0}, "start"),
        ({"start": None}, "start"),
        ({"start": 1.5}, "start"),
        ({"num_settings": 0}, "num_settings"),
        ({"num_settings": 10.5}, "num_settings"),
        ({"num_settings": "many"}, "num_settings"),
        ({"num_settings": True}, "num_settings"),
        ({"sampling": "grid"}, "sampling"),
        ({"sampling": None}, "sampling"),
        ({"loss": "l1"}, "loss"),
        ({"loss": None}, "loss"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"learning_rate": -0.1}, "learning_rate"),
        ({"learning_rate": np.inf}, "learning_rate"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"learning_rate": "0.1"}, "learning_rate"),
        ({"patience": 0}, "patience"),
        ({"patience": 2.5}, "patience"),
        ({"patience": True}, "patience"),
        ({"diffusion": -0.1}, "diffusion"),
        ({"diffusion": np.nan}, "diffusion"),
        ({"diffusion": None}, "diffusion"),
        ({"num_evaluated": 1}, "num_evaluated"),
        ({"num_evaluated": 2.5}, "num_evaluated"),
        ({"start": "model"}, "start"),
        ({"measurements": [["X"]]}, "measurements"),
        ({"measurements": [["X"], ["XX"]]}, "measurements"),
        ({"measurements": [[[0.5, 0, 0]], ["Z"]]}, "measurements"),
        ({"measurements": None}, "measurements"),
        ({"measurements": "chsh"}, "measurements"),
        ({"response": SphericalHarmonics}, "response"),
        ({"response": TableResponse(Behavior.from_state(werner_state(0.5), "chsh").scenario)}, "response"),
        ({"response": DirectionResponse(SphericalHarmonics(1), 3)}, "response"),
        ({"response": FunctionResponse(lambda n, h: (1 + 0 * h @ n.T) / 2, 3, 1)}, "response"),
        ({"seed": -1}, "seed"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_bad_arguments(monkeypatch, arguments, name):
    monkeypatch.setattr(search_run, "train", lambda *a, **k: pytest.fail("training began"))
    for run in (find_local_model, lambda state, **options: find_local_models([state, state], **options)):
        with pytest.raises(LHVError, match=f"^{name}: expected"):
            run(werner_state(0.5), **grouped(**{**QUICK, **arguments}))


@pytest.mark.parametrize("targets", [[], (), "ab", None, werner_state(0.5), Statevector([1, 0]), np.eye(4)], ids=repr)
def test_targets_must_be_a_sequence(targets):
    with pytest.raises(ScenarioError, match=r"^targets: expected a sequence of states"):
        find_local_models(targets, **grouped(**QUICK))


def test_targets_must_have_equal_numbers_of_qubits():
    with pytest.raises(ScenarioError, match=r"^targets: expected states with the same number of parties"):
        find_local_models([werner_state(0.5), Statevector([1, 0])], **grouped(**QUICK))


def test_options_of_several_states_are_those_of_one():
    with pytest.raises(TypeError, match="nonsense"):
        find_local_models([werner_state(0.5)], nonsense=1)
    tensor = CorrelationTensor.from_state(werner_state(0.5))
    assert find_local_models([tensor], **grouped(**QUICK)) == find_local_models([werner_state(0.5)], **grouped(**QUICK))
