"""The files that a command writes beside its text."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["check_outputs", "write_outputs"]

_PICTURES = (".svg", ".png", ".pdf")
_SUFFIXES: dict[str, tuple[str, ...]] = {"json": (".json", ".npz"), "html": (".html", ".htm"), "plot": _PICTURES}


def check_outputs(options: argparse.Namespace) -> None:
    """Checks, before any work, that the files can be written, are different ones, and can be drawn.

    Args:
        options: The arguments of the command.

    Raises:
        CertificateError: If a file cannot be written.
        LHVError: If a picture is asked for and matplotlib is missing.
    """
    from .._support.files import writable_file
    from ..exceptions import CertificateError

    given = [options.target.resolve()] if getattr(options, "target", None) is not None else []
    for name, suffixes in _SUFFIXES.items():
        path = getattr(options, name, None)
        if path is None:
            continue
        # Reports may go to what is no plain file, such as /dev/null.
        writable_file(path, f"--{name}", suffixes if path.is_file() or not path.exists() else ())
        if path.is_file() or not path.exists():
            if path.resolve() in given:
                raise CertificateError.bad_argument(f"--{name}", expected="a file of its own", got=str(path))
            given.append(path.resolve())
    if getattr(options, "plot", None) is not None:
        _require_matplotlib()


def write_outputs(options: argparse.Namespace, answer: Any) -> None:
    """Writes an answer to the files that were asked for.

    Args:
        options: The arguments of the command.
        answer: A report or another record.
    """
    if options.json is not None:
        if options.json.suffix == ".npz" or not hasattr(answer, "to_json"):
            answer.save(options.json)
        else:
            options.json.write_text(answer.to_json(), encoding="utf-8")
    if getattr(options, "html", None) is not None:
        options.html.write_text(answer.to_html(), encoding="utf-8")
    if getattr(options, "plot", None) is not None:
        figure = answer.plot()
        getattr(figure, "figure", figure).savefig(options.plot)


def _require_matplotlib() -> None:
    import importlib.util

    from ..exceptions import LHVError

    if importlib.util.find_spec("matplotlib") is None:
        raise LHVError.bad_argument(
            "--plot", expected="matplotlib", got="none", remedy="Install it: pip install 'qiskit-lhv[plot]'."
        )
