"""Figure 6b: Werner states, with ensembles of 1 to 16384 hidden variables."""

import numpy as np
from common import arguments, deviations, panels, published, save
from qiskit_lhv import werner_state

EXPONENTS = range(0, 15, 2)


def main() -> None:
    given = arguments(__doc__)
    rows = published(given.published, "6b")
    line = np.linspace(0.01, 1, 100) if given.full else np.array([0.05, 0.25, 0.5, 0.6, 0.66, 0.72, 0.8, 1.0])
    steps = 20_000 if given.full else 500
    figure, axes = panels(2 if rows else 1, 4.2, 3.6)
    ours = axes[-1]
    for number, exponent in enumerate(EXPONENTS):
        color = f"C{number}"
        if rows:
            theirs = [values for label, values in rows if label.startswith("N_hidden")][number]
            axes[0].semilogy(rows[0][1], theirs, color=color, linewidth=1)
        found = deviations([werner_state(v) for v in line], steps, num_hidden=2**exponent)
        ours.semilogy(line, found, "o-", color=color, markersize=3, linewidth=1, label=f"$2^{{{exponent}}}$")
        print(f"2^{exponent:<3}" + " ".join(f"{one:.1e}" for one in found), flush=True)
    titles = ("AutoLHVs, published", "this package")
    for axis, title in zip(axes, titles[-len(axes) :], strict=True):
        axis.set(xlabel="visibility", ylabel="deviation (event, nats)", ylim=(1e-10, 0.2), title=title)
        axis.grid(alpha=0.3)
    ours.legend(fontsize=7, ncol=2, title="hidden variables", title_fontsize=7)
    save(figure, given.pictures, "6b")


if __name__ == "__main__":
    main()
