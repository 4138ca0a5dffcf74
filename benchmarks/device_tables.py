"""Verdict and figures of the published counts that come with the package."""

from qiskit_lhv import CountsOptions, analyze, load_bundled_counts
from qiskit_lhv.datasets import bundled_counts
from qiskit_lhv.reports.figure_names import format_p_value


def row(name, report):
    """One line of the table."""
    figures = report.statistics
    needed, visible = figures["hidden_signaling"], figures["visible_signaling"]
    return (
        f"{name:<30}{report.verdict.value:<14}{figures['S']:>7.4f}{figures['log10_e']:>10.2f}"
        f"{figures['no_signaling_p']:>10.2g}{figures['no_signaling_log10_e']:>8.2f}"
        f"{needed:>8.4f}{visible:>9.4f}"
        f"   {report.test}, alpha {report.alpha:g}: p = {format_p_value(report.log10_p_value)}"
    )


if __name__ == "__main__":
    print(
        f"{'':<30}{'':<14}{'':>7}{'':>10}{'no-signaling':>18}{'signaling':>17}\n"
        f"{'counts':<30}{'verdict':<14}{'S':>7}{'log10 e':>10}{'p':>10}{'log10 e':>8}{'needed':>8}{'visible':>9}"
        "   declared p-value"
    )
    for key in bundled_counts():
        print(row(key, analyze(load_bundled_counts(key).counts, seed=7)))
    delft = load_bundled_counts("delft_2015").counts
    game = analyze(delft, CountsOptions(test="game"), alpha=0.05, seed=7)
    print(row("delft_2015", game))
    print("\nassumptions of the last line")
    for line in game.assumptions:
        print(f"- {line}")
