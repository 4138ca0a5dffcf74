"""The arguments of the command-line program."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["parser"]

_TARGET = (
    "counts or trials (.json, .csv), a circuit (.qpy), a state, behavior or table of counts as an array (.npy), or "
    "what save() wrote (.json, .npz)"
)
_SETTINGS = (
    "measurements of each party for a circuit or state: chsh, mermin, or such as 'Z,X;Z+X,Z-X' (default: all "
    "projective measurements)"
)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Prints the error, and ends the program."""
        self.exit(2, f"qiskit-lhv: {' '.join(message.split())}. See {self.prog} --help.\n")


class _Version(argparse.Action):
    """Prints the version, which takes an import of the package."""

    def __init__(self, option_strings: Any, dest: str, **_: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, given: argparse.ArgumentParser, *_: Any) -> NoReturn:
        import qiskit_lhv

        print(f"qiskit-lhv {qiskit_lhv.__version__}")
        given.exit()


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; the attribute ``action`` of what it returns names a function of ``actions``."""
    main = _Parser(
        prog="qiskit-lhv",
        description="Do these quantum correlations admit a local hidden-variable model?",
        epilog="Exit codes: 0 answered, 2 bad input, 3 no answer. Progress is shown on standard error.",
    )
    main.add_argument("--version", action=_Version)
    commands = main.add_subparsers(required=True, metavar="COMMAND")
    _demo(commands.add_parser("demo", help="device tables, a noisy simulator and a search for a local model"))
    _analyze(commands.add_parser("analyze", help="a verdict on counts, trials, a behavior, a circuit or a state"))
    _threshold(
        commands.add_parser("threshold", help="how much noise a behavior, state or device stands before it is local")
    )
    _certify(commands.add_parser("certify", help="prove a state local for all projective measurements, or all POVMs"))
    _verify(commands.add_parser("verify", help="check the evidence in a saved report, certificate or bound again"))
    _plan(commands.add_parser("plan", help="how many shots a test needs"))
    return main


def _demo(own: argparse.ArgumentParser) -> None:
    own.set_defaults(action="demo")
    own.add_argument("--plot", type=Path, default=Path("qiskit_lhv_demo.svg"), metavar="FILE", help="picture to write")
    _seed(own, "seed of everything random", default=7)


def _analyze(own: argparse.ArgumentParser) -> None:
    own.set_defaults(action="analyze")
    _target(own)
    _reading(own)
    _state(own)
    tests = own.add_argument_group("tests of counts")
    tests.add_argument("--alpha", type=float, default=0.01, help="error probability (default: %(default)s)")
    tests.add_argument(
        "--test",
        choices=("combined", "e-value", "game"),
        help="the test that decides (default: combined for CHSH, e-value elsewhere)",
    )
    tests.add_argument(
        "--expression",
        metavar="NAME",
        help="the Bell expression of the game: chsh, mermin, chained, elegant, i3322, cglmp, or a saved one (default: "
        "chsh)",
    )
    tests.add_argument(
        "--minus",
        type=int,
        nargs=2,
        metavar=("X", "Y"),
        help="settings of the correlator with the minus sign in the CHSH game (default: 1 1)",
    )
    tests.add_argument(
        "--kappa",
        type=float,
        help="largest ratio of hidden influences to what marginals show that NONLOCAL must exclude (default: none "
        "declared; 5 where signaling is detected)",
    )
    tests.add_argument(
        "--signaling-level",
        type=float,
        default=0.01,
        help="level at which signaling counts as detected (default: %(default)s)",
    )
    tests.add_argument(
        "--predictability",
        type=float,
        default=0.0,
        help="how far a party's random setting may be from the probability given (default: %(default)s)",
    )
    tests.add_argument(
        "--fair-sampling", action="store_true", help="state that post-selected shots are a fair sample of all"
    )
    own.add_argument(
        "--tolerance",
        type=float,
        default=1e-7,
        help="largest error of a behavior's probabilities (default: %(default)s)",
    )
    _limits(own, "for searches and figures")
    _outputs(own, html=True, plot=True)


def _threshold(own: argparse.ArgumentParser) -> None:
    own.set_defaults(action="threshold")
    _target(own)
    _reading(own)
    _state(own)
    own.add_argument(
        "--alpha",
        type=float,
        default=0.05,
        help="for counts, probability with which the interval may miss (default: %(default)s)",
    )
    own.add_argument(
        "--max-visibility", type=float, default=1.0, help="largest visibility for a behavior (default: %(default)s)"
    )
    _limits(own, "for the search")
    _outputs(own, plot=True)


def _certify(own: argparse.ArgumentParser) -> None:
    own.set_defaults(action="certify")
    _target(own, "a circuit (.qpy) or a state (.npy)")
    _state(own, settings=False)
    own.add_argument("--directions", type=int, help="number of axes of the polyhedron (default: by number of qubits)")
    _limits(own, "for the search")
    _outputs(own)


def _verify(own: argparse.ArgumentParser) -> None:
    own.set_defaults(action="verify")
    own.add_argument("target", type=Path, metavar="FILE", help="what --json or save() wrote")
    own.add_argument("--prove-bound", action="store_true", help="prove local bounds again, however long it takes")


def _plan(own: argparse.ArgumentParser) -> None:
    own.set_defaults(action="plan")
    _target(own, "a circuit (.qpy) or a state (.npy) with --settings, a behavior (.npy), or counts of a pilot run")
    _reading(own)
    _state(own)
    own.add_argument("--p-value", type=float, default=0.01, help="the p-value to reach (default: %(default)s)")
    own.add_argument("--power", type=float, default=0.9, help="with which probability (default: %(default)s)")
    _limits(own, None)
    _outputs(own)


def _target(own: argparse.ArgumentParser, kinds: str = _TARGET) -> None:
    own.add_argument("target", type=Path, metavar="FILE", help=kinds)


def _reading(own: argparse.ArgumentParser) -> None:
    group = own.add_argument_group("reading of counts")
    group.add_argument("--design", choices=("blocks", "random"), help="how the settings were chosen (default: blocks)")
    group.add_argument(
        "--setting-probabilities",
        metavar="JSON",
        help="probability of each setting combination for the random design, such as '[[0.25, 0.25], [0.25, 0.25]]'",
    )
    group.add_argument(
        "--read",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help='how to read the file, such as \'bits={"A": 0, "B": [3, 4]}\' (any argument of BellCounts.from_counts; '
        "may be repeated)",
    )


def _state(own: argparse.ArgumentParser, *, settings: bool = True) -> None:
    group = own.add_argument_group("circuits and states")
    if settings:
        group.add_argument("--settings", help=_SETTINGS)
    group.add_argument("--parties", help="qubits of each party, such as '0;3' or '0,1;2,3' (default: one qubit each)")
    group.add_argument("--circuit", type=int, metavar="NUMBER", help="which circuit of a QPY file with several, from 0")
    group.add_argument(
        "--dimensions", metavar="D,D", help="dimension of each party's space, for a state of an array (default: qubits)"
    )
    group.add_argument(
        "--measurements",
        default="projective",
        help="projective, povm, or of qubits those in a plane: xy, xz, yz (default: %(default)s)",
    )


def _limits(own: argparse.ArgumentParser, limited: str | None) -> None:
    if limited is not None:
        own.add_argument("--time-limit", type=float, metavar="SECONDS", help=f"seconds {limited} (default: no limit)")
    _seed(own, "seed of everything random; without it, a seed is drawn")


def _seed(own: argparse.ArgumentParser, words: str, default: int | None = None) -> None:
    own.add_argument(
        "--seed", type=int, default=default, help=words if default is None else f"{words} (default: {default})"
    )


def _outputs(own: argparse.ArgumentParser, *, html: bool = False, plot: bool = False) -> None:
    group = own.add_argument_group("output")
    group.add_argument("--json", type=Path, metavar="FILE", help="also write the whole answer, which verify reads")
    if html:
        group.add_argument("--html", type=Path, metavar="FILE", help="also write a page")
    if plot:
        group.add_argument("--plot", type=Path, metavar="FILE", help="also write a picture (.svg, .png or .pdf)")
