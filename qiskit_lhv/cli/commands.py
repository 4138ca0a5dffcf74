"""The command-line program ``qiskit-lhv``."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from ..exceptions import LHVError

__all__ = ["PICTURES", "main"]

PICTURES = (".svg", ".png", ".pdf")
"""The suffixes of files for pictures."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit code, which is 0, or 2 for bad input.

    Args:
        arguments: The command-line arguments. Default: those of the process.
    """
    options = _parser().parse_args(arguments)
    try:
        command: int = options.command(options)
    except (LHVError, OSError) as exc:
        print(f"qiskit-lhv: {' '.join(str(exc).split())}", file=sys.stderr)
        return 2
    return command


def _parser() -> argparse.ArgumentParser:
    import qiskit_lhv

    parser = argparse.ArgumentParser(
        prog="qiskit-lhv", description="Do these quantum correlations admit a local hidden-variable model?"
    )
    parser.add_argument("--version", action="version", version=f"qiskit-lhv {qiskit_lhv.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="device tables, a noisy simulator and a search for a local model")
    demo.add_argument(
        "--picture",
        type=Path,
        default=Path("qiskit_lhv_demo.svg"),
        help="picture to write (needs matplotlib)",
    )
    demo.add_argument("--seed", type=int, default=7, help="seed of everything random (default: %(default)s)")
    demo.set_defaults(command=_demo)

    analyze = commands.add_parser("analyze", help="a verdict on the counts in a JSON file")
    analyze.add_argument("counts", type=Path, help='JSON file: {"counts": {"0,0": {"00": 17, ...}, ...}}')
    analyze.add_argument("--alpha", type=float, default=0.01, help="error probability (default: %(default)s)")
    analyze.add_argument(
        "--test",
        choices=("combined", "e-value", "game"),
        default=None,
        help="the test that decides (default: combined for CHSH, e-value elsewhere)",
    )
    analyze.add_argument(
        "--minus",
        type=int,
        nargs=2,
        metavar=("X", "Y"),
        default=None,
        help="settings of the correlator with the minus sign in the CHSH game (default: 1 1)",
    )
    analyze.add_argument(
        "--kappa",
        type=float,
        default=None,
        help="largest ratio of hidden influences to what marginals show that NONLOCAL must exclude (default: none "
        "declared; 5 where signaling is detected)",
    )
    analyze.add_argument(
        "--signaling-level",
        type=float,
        default=0.01,
        help="level at which signaling counts as detected (default: %(default)s)",
    )
    analyze.add_argument(
        "--predictability",
        type=float,
        default=0.0,
        help="how far a party's random setting may be from the probability given (default: %(default)s)",
    )
    analyze.add_argument(
        "--fair-sampling", action="store_true", help="state that post-selected shots are a fair sample of all"
    )
    analyze.add_argument("--time-limit", type=float, default=None, help="seconds for figures (default: no limit)")
    analyze.add_argument("--seed", type=int, default=None, help="seed of the e-value's random orders")
    analyze.add_argument("--json", type=Path, default=None, help="also write the whole report to this file")
    analyze.add_argument("--picture", type=Path, default=None, help="also write a picture (.svg, .png or .pdf)")
    analyze.set_defaults(command=_analyze)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from .demo import run_demo

    run_demo(options.picture, seed=options.seed)
    return 0


def _files_to_write(options: argparse.Namespace) -> None:
    """Checks, before the analysis starts, that the output files can be written."""
    from .._support.files import writable_file
    from ..exceptions import CertificateError

    if options.picture is not None and importlib.util.find_spec("matplotlib") is None:
        raise CertificateError.bad_argument(
            "--picture", expected="matplotlib, which draws it", got="none", remedy="pip install 'qiskit-lhv[plot]'"
        )
    given = [options.counts.resolve()]
    for name, path, suffixes in (
        ("--json", options.json, ()),
        ("--picture", options.picture, PICTURES),
    ):
        if path is None:
            continue
        writable_file(path, name, suffixes)
        if path.is_file() or not path.exists():
            if path.resolve() in given:
                raise CertificateError.bad_argument(name, expected="a file of its own", got=str(path))
            given.append(path.resolve())


def _analyze(options: argparse.Namespace) -> int:
    from ..analysis.counts_options import CountsOptions
    from ..analysis.dispatch import analyze
    from ..datasets import read_counts
    from ..polytope.expressions.families import chsh

    _files_to_write(options)
    counts = read_counts(options.counts)
    report = analyze(
        counts,
        CountsOptions(
            test=options.test,
            expression=None if options.minus is None else chsh(options.minus),
            kappa=options.kappa,
            signaling_level=options.signaling_level,
            predictability=options.predictability,
            fair_sampling=options.fair_sampling,
        ),
        alpha=options.alpha,
        time_limit=options.time_limit,
        seed=options.seed,
    )
    print(report)
    if options.json is not None:
        options.json.write_text(report.to_json(), encoding="utf-8")
    if options.picture is not None:
        report.plot().savefig(options.picture)
    return 0
