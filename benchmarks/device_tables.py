"""Verdict and figures of the published counts that come with the package."""

from qiskit_lhv import analyze, bundled_counts, load_bundled_counts
from qiskit_lhv.report import format_p_value


def row(name, report):
    """One line of the table."""
    figures = report.statistics
    return (
        f"{name:<32}{report.verdict.value:<14}{figures['S']:>8.4f}{figures['e-value: log10 e']:>10.2f}"
        f"{figures['no-signaling: p-value']:>12.3g}   {report.test}, alpha {report.alpha:g}: "
        f"p = {format_p_value(report.log10_p_value)}"
    )


if __name__ == "__main__":
    print(f"{'counts':<32}{'verdict':<14}{'S':>8}{'log10 e':>10}{'signaling p':>12}   declared p-value")
    for key in bundled_counts():
        print(row(key, analyze(load_bundled_counts(key).counts, seed=7)))
    delft = load_bundled_counts("delft_2015").counts
    print(row("delft_2015", analyze(delft, test="game", alpha=0.05, seed=7)))
