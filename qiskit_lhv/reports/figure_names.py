"""The figures of a report: their short keys, which are stable, and the labels and formats in which they are shown."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Figure", "figure_label", "format_figure", "format_in_table", "format_p_value"]

# Up to this number, floats represent whole numbers exactly.
_LARGEST_WHOLE = 2.0**53


class Figure(StrEnum):
    """The keys of ``LocalityReport.statistics`` and ``absent``, with their labels, in the order of a report.

    Examples:
        >>> from qiskit_lhv import analyze, load_bundled_counts
        >>> report = analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1)
        >>> print(f"{Figure.KL.label}: {report.statistics['kl']:.4f}")
        local fit: KL (nats per trial): 0.0271
        >>> Figure.KL == "kl", list(report.statistics)[:4]
        (True, ['shots', 'S', 'S_error', 'kl'])
    """

    label: str
    """The label of the figure in a printed report."""
    column: str
    """The title of its column in a table; empty if no table shows the figure."""
    form: str
    """Its format in a table."""

    def __new__(cls, key: str, label: str = "", column: str = "", form: str = ".6g") -> Figure:
        """Creates a member whose value is its key."""
        member = str.__new__(cls, key)
        member._value_ = key
        member.label, member.column, member.form = label, column, form
        return member

    def __repr__(self) -> str:
        # In a printed dictionary, the keys look like ordinary strings.
        return repr(self.value)

    # Counts and trials
    SHOTS = "shots", "shots"
    S = "S", "S", "S", ".3f"
    S_ERROR = "S_error", "S standard error", "error", ".3f"
    KL = "kl", "local fit: KL (nats per trial)", "KL", ".3g"
    FIT_P = "fit_p", "local fit: goodness-of-fit p"
    NONLOCALITY_DEVIANCE = "nonlocality_deviance", "deviance by nonlocality"
    NONLOCALITY_BOOTSTRAP_P = "nonlocality_bootstrap_p", "deviance by nonlocality: bootstrap p"
    SIGNALING_DEVIANCE = "signaling_deviance", "deviance by signaling"
    SIGNALING_BOOTSTRAP_P = "signaling_bootstrap_p", "deviance by signaling: bootstrap p"
    FIT_BOOTSTRAP_P = "fit_bootstrap_p", "local fit: bootstrap p"
    SETTINGS_P = "settings_p", "settings: p-value"
    DRIFT_P = "drift_p", "drift: p-value"
    NO_SIGNALING_P = "no_signaling_p", "no-signaling: p-value", "no-signaling p", ".2g"
    LARGEST_SHIFT = "largest_shift", "no-signaling: largest shift", "shift", ".3f"
    NO_SIGNALING_LOG10_E = "no_signaling_log10_e", "no-signaling: log10 e"
    HIDDEN_SIGNALING = "hidden_signaling", "signaling: hidden, needed by a local model"
    VISIBLE_SIGNALING = "visible_signaling", "signaling: visible in marginals"
    LARGEST_KAPPA = "largest_kappa", "signaling: violation stands up to kappa", "up to kappa", ".2g"
    LOG10_E = "log10_e", "e-value: log10 e", "log10 e", ".2f"
    LOG10_E_PER_TRIAL = "log10_e_per_trial", "e-value: expected log10 e per trial"
    GAME_WINS = "game_wins", "game: wins"
    GAME_SCORE = "game_score", "game: score"
    GAME_LOG10_P = "game_log10_p", "game: log10 p"
    COMBINED_LOG10_P = "combined_log10_p", "combined test: log10 p"
    LARGEST_PREDICTABILITY = "largest_predictability", "settings: result stands up to predictability"
    SEED = "seed", "seed of the order"

    # Parts of an analysis of counts that are no figures, but may be absent
    LATER_FACTORS = "later_factors", "later factors of the e-value"
    NO_SIGNALING_FIT = "no_signaling_fit", "no-signaling fit"
    SWAPPED_OUTCOMES = "swapped_outcomes", "swapped outcomes"
    CONFIDENCE_REGION = "confidence_region", "confidence region"

    # Behaviors
    THRESHOLD = "threshold", "visibility threshold (white noise)"
    VIOLATION = "violation", "violation"
    VIOLATION_BY_ERRORS = "violation_by_errors", "largest violation by errors alone"

    # States
    LOCAL_VISIBILITY = "local_visibility", "proven local up to visibility (white noise)"
    NONLOCAL_VISIBILITY = "nonlocal_visibility", "proven nonlocal above visibility"
    VIOLATED_VISIBILITY = "violated_visibility", "violation found above visibility"
    ESTIMATED_KL = "estimated_kl", "best local model found: KL (nats per trial, an estimate)"

    # Estimates of states
    ABSORBING_NOISE = "absorbing_noise", "weight of white noise that absorbs the errors"
    NEEDED_VISIBILITY = "needed_visibility", "needed for all correlations within the errors"
    VALUE = "value", "value"
    VALUE_ERROR = "value_error", "value: standard error"
    SIGMAS = "sigmas", "standard errors above the local bound"
    VALUE_LOWER = "value_lower", "value: lower limit"
    LOCAL_BOUND = "local_bound", "local bound"


_LABELS = {figure.value: figure.label for figure in Figure}


def figure_label(key: str) -> str:
    """Returns the label of a key. A key that no figure has is returned as it is.

    Examples:
        >>> figure_label("drift_p"), figure_label("certainty")
        ('drift: p-value', 'certainty')
    """
    return _LABELS.get(key, key)


def format_p_value(log10_p_value: float) -> str:
    """Writes a p-value for people, also one that is below the smallest float.

    Examples:
        >>> format_p_value(-1.5), format_p_value(-1410.25)
        ('0.03162', '5.62e-1411')
    """
    # As a Python integer, a huge exponent would be computed exactly, which takes forever.
    log10_p_value = float(log10_p_value)
    if log10_p_value > -300:
        return f"{10**log10_p_value:.4g}"
    exponent = int(log10_p_value // 1)
    return f"{10 ** (log10_p_value - exponent):.2f}e{exponent}"


def format_figure(value: float) -> str:
    """Writes a figure for people: with six digits, or all digits of a whole number such as a number of shots.

    Examples:
        >>> format_figure(1234567890), format_figure(2.0), format_figure(2.76823456)
        ('1234567890', '2', '2.76823')
    """
    whole = isinstance(value, int) or (value.is_integer() and abs(value) <= _LARGEST_WHOLE)
    return f"{int(value)}" if whole else f"{value:.6g}"


def format_in_table(figure: Figure, value: float | None) -> str:
    """Writes a figure as a cell of a table, which is empty if there is no figure.

    Examples:
        >>> format_in_table(Figure.S, 2.76823456), format_in_table(Figure.KL, None)
        ('2.768', '')
    """
    # Adding zero turns a rounded -0 into 0.
    return "" if value is None else f"{float(format(value, figure.form)) + 0.0:{figure.form}}"
