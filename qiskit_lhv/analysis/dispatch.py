"""The function ``analyze``, which takes any kind of target and returns a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

from .._support.validation import positive_number, shown, whole_numbers
from ..exceptions import CountsError, LHVError, ScenarioError
from ..experiments.bell_experiment import BellExperiment
from ..experiments.many_parties.experiment import ManyPartyExperiment
from ..measurements.named_sets import qubit_set
from ..measurements.sets import MeasurementSet
from ..polytope.expressions.expression import BellExpression
from ..quantum.parties import QUANTUM_STATES
from ..quantum.qubit_layouts import PhysicalQubits
from ..reports.devices import DeviceReport
from ..reports.group_lists import group_lists
from ..reports.locality import LocalityReport
from ..statistics.intervals.coincidence_values import refuse_unsafe_accidentals
from ..targets.behaviors import Behavior
from ..targets.correlations import CorrelationTensor
from ..targets.correlators import Correlators
from ..targets.counts import BellCounts
from ..targets.many_parties.shots import ManyPartyShots
from ..targets.photons import PhotonCounts
from ..targets.tensor_estimates import TensorEstimate
from ..targets.trials import BellTrials
from .behaviors import analyze_behavior
from .correlators import analyze_correlators
from .counts import counts_findings, group_findings
from .counts_options import CountsCall, CountsOptions
from .estimates import analyze_estimate
from .many_parties import analyze_many_parties
from .states import analyze_state

__all__ = ["analyze"]


@overload
def analyze(
    target: Mapping[Any, BellCounts] | Mapping[Any, BellTrials],
    declared: CountsOptions | None = None,
    *,
    parties: Sequence[Any] | PhysicalQubits | None = ...,
    alpha: float = ...,
    tolerance: float = ...,
    measurements: MeasurementSet | str = ...,
    time_limit: float | None = ...,
    progress: bool | None = ...,
    seed: int | None = ...,
) -> DeviceReport: ...


@overload
def analyze(
    target: Any,
    declared: CountsOptions | None = None,
    *,
    parties: Sequence[Any] | PhysicalQubits | None = ...,
    alpha: float = ...,
    tolerance: float = ...,
    measurements: MeasurementSet | str = ...,
    time_limit: float | None = ...,
    progress: bool | None = ...,
    seed: int | None = ...,
) -> LocalityReport: ...


def analyze(
    target: Any,
    declared: CountsOptions | None = None,
    *,
    parties: Sequence[Any] | PhysicalQubits | None = None,
    alpha: float = 0.01,
    tolerance: float = 1e-7,
    measurements: MeasurementSet | str = "projective",
    time_limit: float | None = None,
    progress: bool | None = None,
    seed: int | None = None,
) -> LocalityReport | DeviceReport:
    """Returns a report on whether a target admits a local hidden-variable model.

    Args:
        target: What to analyze. One of

            - a behavior, or an experiment for its exact behavior: it is compared with the local polytope;
            - a state of 2 to 6 qubits, or of parties with at most 64 dimensions in all, its circuit or its correlation
              tensor: all projective measurements are considered;
            - an estimate of the correlations of a state, with their errors;
            - counts or trials: they are tested statistically. A list of counts, or of trials, of the same experiment is
              analyzed as their sum, and tells whether something changed from one to the next;
            - shots of many parties, bit-packed: the declared expression is tested (``CountsOptions(expression=...)``);
              a list of them is analyzed as their sum;
            - correlators with errors: their value of an expression is compared with the local bound by normal theory,
              and the verdict is always INCONCLUSIVE;
            - coincidences of photons: as counts, with ``platform="photons"`` and fair sampling as a stated assumption;
            - a dictionary of counts by group of qubits, ``{(3, 4): counts, ...}``: all groups are tested together.

        declared: For counts, the declarations made before the counts are read, such as
            ``CountsOptions(test="game", kappa=5)``. Default: the defaults of :class:`~qiskit_lhv.CountsOptions`.
        parties: For states, the qubits of each party, such as ``[[0, 1], [2, 3]]``. Default: one party per qubit or
            subsystem.
        alpha: For counts and estimates, the largest probability of a wrong NONLOCAL. For many groups, the false
            discovery rate.
        tolerance: For behaviors, the largest difference between a given probability and the true one.
        measurements: For states, ``"projective"``; ``"povm"``: all POVMs; or of qubits those in a plane: ``"xy"``,
            ``"xz"`` or ``"yz"``.
        time_limit: Limit in seconds. Default: no limit; for states, the work is bounded instead, to about a minute on
            two cores for open questions about two or three qubits. For counts, the declared test and the test of
            no-signaling always run, and figures that are due after the limit are absent.
        progress: Whether to show a progress bar, over the proofs for a state or over many groups. Default: only on a
            terminal and in a notebook.
        seed: Seed of the searches, and of the random orders of the shots in an e-value. Declare it beforehand, or leave
            it ``None`` for fresh entropy, which the report records: to choose among seeds is to choose among p-values.

    Returns:
        The report, whose evidence ``verify()`` checks again. For many groups, a ``DeviceReport``.

    Raises:
        LHVError: If the target is of another type, or if an argument is out of range.
        CountsError: If the counts cannot be used for the declared test, or if their settings contradict the declared
            design.
        ScenarioError: If a behavior signals by more than its tolerance explains, or if its scenario is too large.

    References:
        J. S. Bell, Physics 1, 195 (1964); A. Fine, Phys. Rev. Lett. 48, 291 (1982) (behaviors); Y. Zhang, S. Glancy, E.
        Knill, Phys. Rev. A 84, 062118 (2011), arXiv:1108.2468 (counts); N. von Selzam, F. Marquardt, arXiv:2407.04673,
        arXiv:2302.04721 (states).

    Examples:
        Counts of a device, a behavior, and a state with all its projective measurements:

        >>> from qiskit_lhv import Behavior, load_bundled_counts, werner_state
        >>> print(analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1).verdict)
        NONLOCAL
        >>> print(analyze(Behavior.from_state(werner_state(0.7), "chsh")).verdict)
        LOCAL
        >>> print(analyze(werner_state(0.75), seed=1).headline)
        No local hidden-variable model explains the target.
    """
    declared = CountsOptions() if declared is None else declared
    if not isinstance(declared, CountsOptions):
        raise LHVError.bad_argument(
            "declared", expected="CountsOptions(...), such as CountsOptions(test='game')", got=repr(declared)
        )
    # Every argument is checked, also where the target leaves it without use.
    call = CountsCall.of(declared, alpha=alpha, time_limit=time_limit, progress=progress, seed=seed)
    positive_number(tolerance, "tolerance", ScenarioError)
    if isinstance(target, (*QUANTUM_STATES, CorrelationTensor)):
        return analyze_state(
            target, parties, measurements=measurements, time_limit=time_limit, progress=progress, seed=seed
        )
    qubit_set(measurements)
    if parties is not None:
        raise LHVError.bad_argument(
            "parties", expected="None for a target that is not a state, and has its own parties", got=shown(parties)
        )
    if isinstance(target, BellExperiment):
        target = target.behavior()
    if isinstance(target, Behavior):
        return analyze_behavior(target, tolerance=tolerance, time_limit=time_limit)
    if isinstance(target, TensorEstimate):
        return analyze_estimate(
            target,
            alpha=alpha,
            signaling_level=declared.signaling_level,
            measurements=measurements,
            time_limit=time_limit,
            seed=seed,
        )
    if isinstance(target, list | tuple) and target and all(isinstance(run, ManyPartyShots) for run in target):
        target = sum(target)
    if isinstance(target, ManyPartyShots):
        return analyze_many_parties(target, call)
    if isinstance(target, ManyPartyExperiment):
        raise LHVError.bad_argument(
            "target",
            expected="shots of an experiment of many parties",
            got="ManyPartyExperiment",
            remedy="Run it: analyze(experiment.run(sampler, schedule), CountsOptions(expression=expression)).",
        )
    for name in ("expression", "drawn_from", "bound"):
        given = getattr(declared, name)
        if given is not None and not (name == "expression" and isinstance(given, BellExpression)):
            raise CountsError.bad_argument(
                name,
                expected="a BellExpression for a table of counts" if name == "expression" else "None",
                got=f"{type(given).__name__}, which is for ManyPartyShots",
                remedy="Make one with BellExpression.from_correlators.",
            )
    if isinstance(target, PhotonCounts):
        refuse_unsafe_accidentals(target, call.table_expression)
        call, target = replace(call, platform="photons"), target.counts()
    if isinstance(target, Correlators):
        return analyze_correlators(target, call.table_expression, alpha=alpha)
    if isinstance(target, Mapping):
        return _analyze_groups({group: _in_one(counts) for group, counts in target.items()}, call)
    target = _in_one(target)
    _require_counts(target, "target")
    return counts_findings(target, call).report()


def _in_one(target: Any) -> Any:
    """The sum of a list of counts, or of trials; anything else as it is."""
    if isinstance(target, list | tuple) and target and all(isinstance(run, BellCounts | BellTrials) for run in target):
        if len({type(run) for run in target}) > 1:
            raise CountsError.bad_argument(
                "target",
                expected="a list of BellCounts or of BellTrials",
                got="both",
                remedy="Take trials.to_counts().",
            )
        return sum(target)
    return target


def _analyze_groups(target: Mapping[Any, Any], call: CountsCall) -> DeviceReport:
    groups = _groups(target)
    for counts in target.values():
        _require_counts(counts, "target (each group)")
    if call.test not in (None, "e-value"):
        raise CountsError.bad_argument(
            "test",
            expected="'e-value' for many groups, whose false discovery rate is controlled",
            got=repr(call.test),
        )
    call = replace(call, test="e-value")
    found, failures = group_findings(dict(zip(groups, target.values(), strict=True)), call)
    lists = group_lists([(findings.rule, findings.found) for findings in found.values()], call.alpha, len(groups))
    reports = []
    for findings, in_nonlocal, in_signaling in zip(found.values(), *lists, strict=True):
        rule = replace(findings.rule, in_nonlocal_list=in_nonlocal, in_signaling_list=in_signaling)
        reports.append(replace(findings, rule=rule).report())
    return DeviceReport(tuple(found), tuple(reports), call.alpha, failures=tuple(failures.items()))


def _groups(target: Mapping[Any, Any]) -> tuple[tuple[int, ...], ...]:
    if not target:
        raise CountsError.bad_argument("target", expected="counts of at least one group of qubits", got="none")
    if not any(isinstance(value, BellCounts | BellTrials) for value in target.values()):
        nested = all(isinstance(value, Mapping) for value in target.values())
        raise CountsError.bad_argument(
            "target",
            expected="BellCounts for each group of qubits",
            got="dictionaries" if nested else shown(target),
            remedy="Dictionaries go to BellCounts.from_counts, states to Behavior.from_state(state, settings).",
        )
    groups = tuple(whole_numbers(group, "target (groups)", CountsError, minimum=0) for group in target)
    for i, group in enumerate(groups):
        if group in groups[:i]:
            raise CountsError.bad_argument(
                "target (groups)",
                expected="each group of qubits once",
                got=f"{group} in two spellings",
                remedy="Of several runs, multiply the e-values: combine_e_values(e_values, independent=True).",
            )
    return groups


def _require_counts(target: object, argument: str) -> None:
    if not isinstance(target, BellCounts | BellTrials):
        raise LHVError.bad_argument(
            argument,
            expected="a Behavior, a state or circuit of qubits, BellCounts, BellTrials, ManyPartyShots, BellExperiment",
            got=type(target).__name__,
            remedy=(
                "For chosen settings of a state: Behavior.from_state(state, settings) or "
                "BellExperiment(circuit, settings); dictionaries go to BellCounts.from_counts, and so do lists, "
                "tables, results of Samplers and jobs; trials go to BellTrials.from_table, files to read_data, arrays "
                "to Behavior(array), Statevector(array) or DensityMatrix(array)."
            ),
        )
