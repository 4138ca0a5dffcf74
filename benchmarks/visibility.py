"""Critical visibilities estimated by sweeps, each in two ways; draws docs/images/visibility_sweeps.png.

Without arguments all sweeps run, about 40 minutes on two cores; names of ``SWEEPS`` choose some. With ``--quick`` the
searches are small and take seconds: their figures mean nothing, they only show that the script runs.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from qiskit_lhv import ghz_state, werner_state
from qiskit_lhv.optimize import GradientDescent, VisibilitySweep, sweep_visibility
from qiskit_lhv.quantum import w_state

SWEEPS: dict[str, dict[str, Any]] = {
    "werner": {
        "title": "Werner state, degree 5",
        "state": werner_state(1),
        "visibilities": np.arange(0.66, 0.7501, 0.01),
        "optimizer": GradientDescent(num_steps=2500),
    },
    "bell": {
        "title": "Werner state, Bell's response (degree 1)",
        "state": werner_state(1),
        "visibilities": np.concatenate([np.arange(0.46, 0.5399, 0.01), np.arange(0.54, 0.601, 0.02)]),
        "optimizer": GradientDescent(num_steps=1500),
        "response": 1,
    },
    "plane": {
        "title": "Werner state, measured in a plane",
        "state": werner_state(1),
        "visibilities": np.arange(0.67, 0.7601, 0.01),
        "optimizer": GradientDescent(num_steps=1500),
        "measurements": "xz",
    },
    "ghz": {
        "title": "GHZ state of 3 qubits, degree 5",
        "state": ghz_state(3),
        "visibilities": np.arange(0.44, 0.5601, 0.01),
        "optimizer": GradientDescent(num_steps=1000),
        "num_hidden": 2**13,
    },
    "w": {
        "title": "W state of 3 qubits, degree 5",
        "state": w_state(3),
        "visibilities": np.arange(0.46, 0.5801, 0.01),
        "optimizer": GradientDescent(num_steps=1000),
        "num_hidden": 2**13,
    },
}


def run(options: dict[str, Any]) -> tuple[VisibilitySweep, float]:
    """One sweep and its seconds."""
    chosen = {name: value for name, value in options.items() if name != "title"}
    begin = time.perf_counter()
    return sweep_visibility(**chosen, seed=1, progress=False), time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="the sweeps to run; default: all")
    parser.add_argument("--quick", action="store_true", help="small searches, to see that the script runs")
    arguments = parser.parse_args()
    names = arguments.names or list(SWEEPS)
    small = {"optimizer": GradientDescent(num_steps=20), "num_hidden": 64} if arguments.quick else {}
    figure = Figure(figsize=(3.4 * len(names), 5.4), layout="constrained")
    axes = figure.subplots(2, len(names), squeeze=False)
    for column, name in enumerate(names):
        options = SWEEPS[name] | small
        sweep, seconds = run(options)
        floor, curve = sweep.floor_visibility(), sweep.curve()
        print(f"{options['title']}: {len(sweep.visibilities)} visibilities in {seconds:.0f} s")
        print("  v    " + " ".join(f"{v:8.3f}" for v in sweep.visibilities))
        print("  KL   " + " ".join(f"{loss:8.1e}" for loss in sweep.losses))
        print(f"  the loss leaves its floor of {sweep.floor:.1e} at v = {'none' if floor is None else f'{floor:.4f}'}")
        print(f"  sqrt(KL) extrapolates to zero at v = {'none' if curve is None else f'{curve[0]:.4f}'}", flush=True)
        top, bottom = axes[0, column], axes[1, column]
        top.semilogy(sweep.visibilities, sweep.losses, "o-", markersize=3)
        bottom.plot(sweep.visibilities, np.sqrt(sweep.losses), "o", markersize=3)
        top.set_title(options["title"], fontsize=9)
        bottom.set_xlabel("visibility")
        if floor is not None:
            top.axvline(floor, color="tab:red", linestyle="--", label=f"{floor:.4f}")
            top.legend(fontsize=8)
        if curve is not None:
            zero, slope, curvature = curve
            beyond = np.linspace(0, float(sweep.visibilities[-1]) - zero, 100)
            fitted = slope * beyond + curvature * beyond**2
            bottom.plot(zero + beyond, fitted, color="tab:red", label=f"{zero:.4f}")
            bottom.legend(fontsize=8)
    axes[0, 0].set_ylabel("KL divergence (nats per trial)")
    axes[1, 0].set_ylabel("its square root")
    if len(names) == len(SWEEPS) and not arguments.quick:
        target = Path(__file__).parent.parent / "docs" / "images" / "visibility_sweeps.png"
        target.parent.mkdir(exist_ok=True)
        figure.savefig(target, dpi=90)
        print(f"picture: {target.name}")


if __name__ == "__main__":
    main()
