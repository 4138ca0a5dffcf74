"""The demonstration ``qiskit-lhv demo``: tables of devices, a noisy simulator and a search for a local model."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from qiskit import QuantumCircuit

from .._support.files import writable_file
from ..analysis.counts_options import CountsOptions
from ..analysis.dispatch import analyze
from ..datasets import load_bundled_counts
from ..experiments.bell_experiment import BellExperiment
from ..optimize.options import GradientDescent
from ..optimize.search import LocalModelResult, find_local_model
from ..polytope.thresholds.visibility import nonlocality_threshold
from ..quantum.states import werner_state
from ..reports.figure_names import Figure, format_p_value
from ..reports.locality import LocalityReport
from ..targets.behaviors import Behavior
from ..targets.counts import BellCounts

__all__ = ["ICOSAHEDRON_AXES", "noisy_bell_counts", "run_demo"]

_GOLDEN_RATIO = (1 + np.sqrt(5)) / 2
ICOSAHEDRON_AXES = np.array(
    [
        [0, 1, _GOLDEN_RATIO],
        [0, 1, -_GOLDEN_RATIO],
        [1, _GOLDEN_RATIO, 0],
        [1, -_GOLDEN_RATIO, 0],
        [_GOLDEN_RATIO, 0, 1],
        [-_GOLDEN_RATIO, 0, 1],
    ]
) / np.sqrt(1 + _GOLDEN_RATIO**2)
"""The six axes through opposite vertices of an icosahedron, shape ``(6, 3)``."""

_SEARCH_VISIBILITY = 0.75


def noisy_bell_counts(depolarizing: float, readout: float, *, shots: int = 20_000, seed: int = 7) -> BellCounts:
    """Returns CHSH counts of a Bell pair from the Aer simulator with noise.

    Args:
        depolarizing: Depolarizing probability of the two-qubit gate.
        readout: Probability that a bit is read out wrong.
        shots: Number of shots per setting combination.
        seed: Seed of the simulator.
    """
    from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error
    from qiskit_aer.primitives import SamplerV2

    noise = NoiseModel()
    noise.add_all_qubit_quantum_error(depolarizing_error(depolarizing, 2), ["cx"])
    noise.add_all_qubit_readout_error(ReadoutError([[1 - readout, readout], [readout, 1 - readout]]))
    sampler = SamplerV2(seed=seed, options={"backend_options": {"noise_model": noise}})
    bell = QuantumCircuit(2)
    bell.h(0)
    bell.cx(0, 1)
    return BellExperiment(bell, "chsh").run(sampler, shots)


def run_demo(
    picture: str | os.PathLike[str], *, seed: int = 7, say: Callable[[str], None] = print
) -> tuple[dict[str, LocalityReport], LocalModelResult]:
    """Runs the demonstration.

    Args:
        picture: Path of the picture that is written: SVG, PNG or PDF. Without matplotlib there is none.
        seed: Seed of the simulator, of the random orders of the shots in the e-values, and of the search.
        say: Function that receives the lines of the output.

    Returns:
        The reports by name, and the result of the search.

    Raises:
        CertificateError: If the picture cannot be written to this path.
    """
    path = writable_file(picture, "picture", (".svg", ".png", ".pdf"))
    say("Do these correlations admit a local hidden-variable model?\n")
    reports = _reports(seed)
    say(f"{'target':<32}{'S':>8}   {'verdict':<14}{'p-value':<12}{'declared test':<14}{'alpha':<7}")
    for name, report in reports.items():
        say(
            f"{name:<32}{report.statistics[Figure.S]:>8.4f}   {report.verdict.value:<14}"
            f"{format_p_value(report.log10_p_value or 0.0):<12}{report.test:<14}{report.alpha:<7g}"
        )
    checks = [report.verify() for report in reports.values()]
    say(f"\nEvidence re-checked without the solvers: {sum(map(bool, checks))} of {len(checks)} reports pass.")

    axes = list(ICOSAHEDRON_AXES)
    behavior = Behavior.from_state(werner_state(_SEARCH_VISIBILITY), [axes, axes])
    search = find_local_model(
        behavior, optimizer=GradientDescent(num_steps=1500, target_loss=1e-9), seed=seed, progress=None
    )
    exact = nonlocality_threshold(behavior, max_visibility=1 / _SEARCH_VISIBILITY)
    say(
        f"\nWerner state, visibility {_SEARCH_VISIBILITY}, six settings per party (icosahedron):\n"
        f"  JAX search    KL {search.loss:.2e} nats per trial after {len(search.history)} steps, "
        f"{search.model.num_hidden} hidden variables\n"
        f"  exact         a model of {len(exact.model.weights)} deterministic strategies up to visibility "
        f"{_SEARCH_VISIBILITY * exact.lower:.6f}, none above"
    )
    drawn = _draw(reports, search, path)
    say(f"\nPicture: {picture}" if drawn else "\nNo picture, as matplotlib is missing: pip install 'qiskit-lhv[plot]'")
    return reports, search


def _reports(seed: int) -> dict[str, LocalityReport]:
    tables = {
        "IBM Hanoi 19-20": "ibm_hanoi19_20circuit13",
        "IBM Washington 38-39": "ibm_washington38_39circuit13",
        "IBM Washington 91-98": "ibm_washington91_98circuit4",
        "Delft 2015": "delft_2015",
    }
    reports = {name: analyze(load_bundled_counts(key).counts, seed=seed) for name, key in tables.items()}
    delft = load_bundled_counts("delft_2015").counts
    reports["Delft 2015, as a game"] = analyze(delft, CountsOptions(test="game"), alpha=0.05, seed=seed)
    for name, depolarizing, readout in (("Aer, weak noise", 0.03, 0.02), ("Aer, strong noise", 0.25, 0.06)):
        reports[name] = analyze(noisy_bell_counts(depolarizing, readout, seed=seed), seed=seed)
    return reports


def _draw(reports: dict[str, LocalityReport], search: LocalModelResult, path: Path) -> bool:
    """Draws the verdicts and the search, and returns whether matplotlib is there to do so."""
    if importlib.util.find_spec("matplotlib") is None:
        return False
    from ..plotting.chsh_pictures import draw_chsh_rows
    from ..plotting.figures import new_figure
    from ..plotting.models import draw_loss

    figure = new_figure(9.0, 6.2)
    upper, lower = figure.subplots(2, 1, height_ratios=[1.5, 1])
    draw_chsh_rows(upper, reports)
    draw_loss(lower, search)
    lower.set_title(f"search for a local model of a Werner state, v = {_SEARCH_VISIBILITY}", fontsize=9)
    figure.savefig(path)
    return True
