"""Figure 5a: deviations of states that are certainly local, by number of spins.

Product states, all spins up, and GHZ states of visibility 0.001. The history of AutoLHVs holds its settings, but no
data.
"""

from common import arguments, deviations, panels, save
from qiskit.quantum_info import Statevector
from qiskit_lhv import ghz_state


def main() -> None:
    given = arguments(__doc__)
    hidden, steps = (2**14, 20_000) if given.full else (1024, 500)
    figure, (axis,) = panels(1, 4.8)
    families = {
        "product states": {n: Statevector.from_label("0" * n) for n in range(1, 7)},
        "GHZ states, v = 0.001": {n: ghz_state(n, 1e-3) for n in range(2, 7)},
    }
    for name, states in families.items():
        ours = [deviations([state], steps, num_hidden=hidden)[0] for state in states.values()]
        axis.semilogy(list(states), ours, "o-", markersize=4, label=name)
        print(f"{name}: " + " ".join(f"{n}: {one:.1e}" for n, one in zip(states, ours, strict=True)), flush=True)
    axis.set(xlabel="spins", ylabel="deviation (event, nats)")
    axis.axhline(2.4e-8, color="black", linestyle=":", label="floor of AutoLHVs (single precision)")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    save(figure, given.pictures, "5a")


if __name__ == "__main__":
    main()
