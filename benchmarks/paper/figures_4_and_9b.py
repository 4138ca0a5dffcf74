"""Figures 4 and 9b: blocks of two to six neighbors of the XXZ ring of 22 spins; pairs within models of such blocks.

9b asks how well a model of the whole block reproduces its first two spins.
"""

from common import arguments, event_divergence, models_of, named, panels, published, save
from qiskit.quantum_info import Statevector
from qiskit_lhv import CorrelationTensor
from qiskit_lhv.models import DirectionResponse, ResponseModel
from qiskit_lhv.spin_chains import ground_state, xxz_chain

DELTAS = (-1.0, -0.9, -0.5, 0.0, 0.5, 0.9, 1.0, 1.1, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
SIZES = (2, 3, 4, 5, 6)
# Hidden variables and steps of the short settings.
SHORT = {2: (4096, 1000), 3: (2048, 500), 4: (1024, 300), 5: (1024, 300), 6: (1024, 300)}


def first_pair(model: ResponseModel) -> ResponseModel:
    """Returns the model of the first two spins that a model of a block contains."""
    return ResponseModel(model.hidden_variables[:2], DirectionResponse(model.response.features, 2), model.weights)


def main() -> None:
    given = arguments(__doc__)
    deltas = DELTAS if given.full else (-0.5, 0.0, 1.0, 2.0, 4.0)
    rows = published(given.published, "4and9b")
    # Up to Delta = -1 the ground states are polarized.
    rings = [None if delta <= -1 else ground_state(xxz_chain(22, delta), magnetization=0) for delta in deltas]
    figures = [panels(len(SIZES), 2.6, 2.8) for _ in range(2)]
    for column, size in enumerate(SIZES):
        blocks = [Statevector.from_label("0" * size) if ring is None else ring.reduced(range(size)) for ring in rings]
        hidden, steps = (2**14, 10_000) if given.full else SHORT[size]
        models = models_of(blocks, steps, num_hidden=hidden)
        tensors = [CorrelationTensor.from_state(block) for block in blocks]
        pairs = [CorrelationTensor(tensor.array[(slice(None),) * 2 + (0,) * (size - 2)]) for tensor in tensors]
        whole = [event_divergence(*each) for each in zip(models, tensors, strict=True)]
        parts = [event_divergence(first_pair(model), pair) for model, pair in zip(models, pairs, strict=True)]
        for number, ours in enumerate((whole, parts)):
            axis = figures[number][1][column]
            if rows:
                axis.plot(DELTAS, named(rows, f"N={size}", number), ".-", color="black", label="AutoLHVs, published")
            axis.plot(deltas, ours, "o", color="tab:blue", markersize=4, label="this package")
            axis.set(yscale="log", xlabel="anisotropy", ylim=(1e-9, 1e-3), title=f"{size} spins")
            axis.grid(alpha=0.3)
            print(f"{size} spins, {('block', 'pair')[number]}: " + " ".join(f"{one:.1e}" for one in ours), flush=True)
    for (figure, axes), name in zip(figures, ("4", "9b"), strict=True):
        axes[0].set_ylabel("deviation (event, nats)")
        axes[0].legend(fontsize=7)
        save(figure, given.pictures, name)


if __name__ == "__main__":
    main()
