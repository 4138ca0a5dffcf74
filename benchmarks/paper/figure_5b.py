"""Figure 5b: densities of the hidden variables of one qubit, beside the exact one.

The state 0, and one with a Bloch vector of length 1/2, both with Bell's response (degree 1). The history of AutoLHVs
holds its settings, but no data.
"""

import numpy as np
from common import BRIEF, arguments, event_divergence, panels, save
from qiskit_lhv import CorrelationTensor, find_local_model
from qiskit_lhv.models import kochen_specker_density
from qiskit_lhv.optimize import GradientDescent


def main() -> None:
    given = arguments(__doc__)
    cases = (
        ((0.0, 0.0, 1.0), 2**12, 200_000 if given.full else 5000, 0.0),
        ((0.5, 0.0, 0.0), 2**14, 20_000 if given.full else 3000, 0.05),
    )
    figure, axes = panels(2)
    for axis, (bloch, hidden, steps, diffusion) in zip(axes, cases, strict=True):
        state, length = CorrelationTensor(np.array([1.0, *bloch])), float(np.linalg.norm(bloch))
        descent = GradientDescent(num_steps=steps, symmetry=None, diffusion=diffusion)
        model = find_local_model(
            state, response=1, num_hidden=hidden, optimizer=descent, grid=BRIEF, seed=1, progress=False
        ).model
        # Harmonics of degree 1 come in the order y, z, x.
        vectors = model.hidden_variables[0][:, [2, 0, 1]]
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines = np.linspace(-1, 1, 401)
        axis_of_state = np.array(bloch) / length
        normal = np.roll(axis_of_state, 1)
        points = cosines[:, None] * axis_of_state + np.sqrt(1 - cosines[:, None] ** 2) * normal
        axis.hist(
            vectors @ axis_of_state,
            bins=40,
            range=(-1, 1),
            density=True,
            color="tab:blue",
            alpha=0.5,
            label="this package",
        )
        axis.plot(
            cosines, 2 * np.pi * kochen_specker_density(state, points), color="black", label="exact, sharp responses"
        )
        deviation = event_divergence(model, state)
        axis.set(xlabel="cosine of the angle to the Bloch vector", title=f"|r| = {length:g}, deviation {deviation:.1e}")
        axis.set_ylabel("density")
        axis.legend(fontsize=8)
        print(f"|r| = {length:g}: deviation {deviation:.1e}", flush=True)
    save(figure, given.pictures, "5b")


if __name__ == "__main__":
    main()
