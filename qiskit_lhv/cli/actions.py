"""What the commands do. Each takes the parsed arguments and returns whether it has an answer."""

from __future__ import annotations

import argparse
import inspect
from typing import Any

from .inputs import expression_of, parties_of, read_target, saved_record
from .outputs import check_outputs, write_outputs

__all__ = ["analyze", "certify", "demo", "plan", "threshold", "verify"]


def demo(options: argparse.Namespace) -> bool:
    """Runs the demonstration.

    Args:
        options: The arguments.
    """
    from .demo import run_demo

    run_demo(options.plot, seed=options.seed)
    return True


def analyze(options: argparse.Namespace) -> bool:
    """Prints a report on what a file holds. Every verdict is an answer.

    Args:
        options: The arguments.
    """
    from ..analysis.counts_options import CountsOptions
    from ..analysis.dispatch import analyze as report_on
    from ..quantum.parties import QUANTUM_STATES

    check_outputs(options)
    target = read_target(options)
    declared = CountsOptions(
        test=options.test,
        expression=expression_of(options.expression, options.minus, target),
        kappa=options.kappa,
        signaling_level=options.signaling_level,
        predictability=options.predictability,
        fair_sampling=options.fair_sampling,
    )
    is_state = isinstance(target, QUANTUM_STATES)
    report: Any = report_on(
        target,
        declared,
        parties=parties_of(options.parties) if is_state else None,
        alpha=options.alpha,
        tolerance=options.tolerance,
        measurements=options.measurements,
        time_limit=options.time_limit,
        seed=options.seed,
    )
    print(report)
    write_outputs(options, report)
    return True


def threshold(options: argparse.Namespace) -> bool:
    """Prints the visibility up to which a behavior, a state or a device's behavior is local.

    Args:
        options: The arguments.
    """
    from ..exceptions import LHVError
    from ..quantum.parties import QUANTUM_STATES
    from ..targets.behaviors import Behavior
    from ..targets.correlations import CorrelationTensor
    from ..targets.counts import BellCounts
    from ..targets.trials import BellTrials

    check_outputs(options)
    target = read_target(options)
    is_state = isinstance(target, (*QUANTUM_STATES, CorrelationTensor))
    if options.plot is not None and not is_state:
        raise LHVError.bad_argument(
            "--plot", expected="a circuit or state without --settings", got=type(target).__name__
        )
    found: Any
    if is_state:
        from ..analysis.critical_visibilities import critical_visibility

        found = critical_visibility(
            target,
            parties_of(options.parties),
            measurements=options.measurements,
            time_limit=options.time_limit,
            seed=options.seed,
        )
    elif isinstance(target, Behavior):
        from ..polytope.thresholds.visibility import nonlocality_threshold

        found = nonlocality_threshold(
            target, max_visibility=options.max_visibility, time_limit=options.time_limit, seed=options.seed
        )
    elif isinstance(target, BellCounts | BellTrials):
        from ..statistics.intervals.threshold_estimates import estimate_threshold

        counts = target.to_counts() if isinstance(target, BellTrials) else target
        found = estimate_threshold(counts, alpha=options.alpha, seed=options.seed)
    else:
        raise LHVError.bad_argument(
            "FILE", expected="a circuit, a state, a behavior or counts of one experiment", got=type(target).__name__
        )
    print(found)
    write_outputs(options, found)
    return True


def certify(options: argparse.Namespace) -> bool:
    """Prints up to which visibility a state is proven local. There is no answer if this is 0.

    Args:
        options: The arguments.
    """
    from ..projective.certificates.certify import certify_all_projective
    from ..quantum.parties import QUANTUM_STATES
    from ..targets.correlations import CorrelationTensor
    from ..targets.qubits import tensor_of_parties

    check_outputs(options)
    target = read_target(options)
    _require_state(target, (*QUANTUM_STATES, CorrelationTensor))
    certificate = certify_all_projective(
        tensor_of_parties(target, parties_of(options.parties)),
        directions=options.directions,
        measurements=options.measurements,
        time_limit=options.time_limit,
        seed=options.seed,
    )
    check = certificate.verify()
    print(certificate)
    proven = bool(check) and certificate.visibility >= 1
    print(f"the state itself, of visibility 1, is {'proven local' if proven else 'not proven local'}; {check}")
    write_outputs(options, certificate)
    return bool(check) and certificate.visibility > 0


def verify(options: argparse.Namespace) -> bool:
    """Prints whether the evidence in a file is proven. There is no answer if a part was not proven again.

    Args:
        options: The arguments.

    Raises:
        CertificateError: If the file holds no evidence, or the evidence fails a check.
    """
    from ..exceptions import CertificateError

    if not options.target.exists():
        raise CertificateError.bad_argument("FILE", expected="a file that exists", got=str(options.target))
    record: Any = saved_record(options.target)
    if record is None or not hasattr(record, "verify"):
        raise CertificateError.bad_argument(
            options.target.name,
            expected="a saved report, certificate, bound or model",
            got="something else" if record is None else f"a saved {type(record).__name__}, which claims nothing",
        )
    parameters = inspect.signature(record.verify).parameters
    needed = [name for name, own in parameters.items() if own.default is own.empty and own.kind is not own.VAR_KEYWORD]
    if needed:
        raise CertificateError.bad_argument(
            options.target.name,
            expected="a record that holds all that it is about",
            got=f"a saved {type(record).__name__}",
            remedy=f"Check it in Python: record.verify({', '.join(needed)}).",
        )
    check = record.verify(prove_bound=True) if options.prove_bound and "prove_bound" in parameters else record.verify()
    if check.refuted:
        raise CertificateError.bad_argument(options.target.name, expected="evidence that holds", got=check.reason)
    print(f"{type(record).__name__}: {check.status.sentence} {check.reason}")
    return bool(check)


def plan(options: argparse.Namespace) -> bool:
    """Prints how many shots reach a p-value.

    Args:
        options: The arguments.
    """
    from ..exceptions import MeasurementError
    from ..quantum.parties import QUANTUM_STATES
    from ..statistics.planning.evidence_rates import evidence_rate
    from ..statistics.planning.shot_plans import shots_needed
    from ..targets.counts import BellCounts
    from ..targets.trials import BellTrials

    check_outputs(options)
    target = read_target(options)
    if isinstance(target, BellTrials):
        target = target.to_counts()
    if isinstance(target, QUANTUM_STATES):
        raise MeasurementError.bad_argument(
            "--settings",
            expected="the settings of each party, for a circuit or state",
            got="none",
            remedy="Such as --settings chsh.",
        )
    if isinstance(target, BellCounts):
        rate = evidence_rate(target, seed=options.seed)
        shots = rate.shots(options.p_value, options.power)
        print(rate)
        print(
            f"{shots} shots in all, in the shares of the pilot run, for p = {options.p_value:g} with probability "
            f"{options.power:g}"
        )
        write_outputs(options, rate)
        return True
    found = shots_needed(target, options.p_value, power=options.power, seed=options.seed)
    print(found)
    print(f"shots of each setting combination: {found.shots.tolist()}")
    write_outputs(options, found)
    return True


def _require_state(target: Any, kinds: tuple[type, ...]) -> None:
    from ..exceptions import MeasurementError

    if not isinstance(target, kinds):
        raise MeasurementError.bad_argument("FILE", expected="a circuit or a state", got=type(target).__name__)
