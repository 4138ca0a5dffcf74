"""What the files on the command line hold: counts, trials, circuits, states, behaviors and saved records."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._support.files import parse_json, read_text
from .._support.records import Record
from .._support.validation import shown
from ..exceptions import CertificateError, CountsError, LHVError, MeasurementError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from ..polytope.expressions.expression import BellExpression

__all__ = ["expression_of", "parties_of", "read_target", "saved_record", "settings_of"]

_RECORDS = (".json", ".npz")
_EXPRESSIONS = ("chsh", "mermin", "chained", "elegant", "i3322", "cglmp")


def read_target(options: argparse.Namespace) -> Any:
    """Returns what a file holds, as ``analyze`` takes it; circuits and states with settings become experiments.

    Args:
        options: The arguments of the command.

    Raises:
        LHVError: If the file cannot be read or used.
    """
    path: Path = options.target
    if not path.exists():
        raise CountsError.bad_argument("FILE", expected="a file that exists", got=str(path))
    if path.suffix == ".qpy":
        target: Any = _circuit(path, options.circuit)
    elif path.suffix == ".npy":
        target = _array(path, options.dimensions)
    else:
        target = _record_or_counts(path, options)
    settings = getattr(options, "settings", None)
    if settings is None:
        return target
    return _with_settings(target, settings_of(settings), parties_of(options.parties))


def _with_settings(target: Any, settings: Any, parties: Any) -> Any:
    from ..experiments.bell_experiment import BellExperiment
    from ..quantum.parties import QUANTUM_STATES
    from ..targets.behaviors import Behavior

    if not isinstance(target, QUANTUM_STATES):
        raise LHVError.bad_argument(
            "--settings", expected="a circuit or a state to measure", got=f"{type(target).__name__}"
        )
    from qiskit import QuantumCircuit

    if isinstance(target, QuantumCircuit):
        return BellExperiment(target, settings, parties).behavior()
    return Behavior.from_state(target, settings, parties)


# Circuits and arrays


def _circuit(path: Path, number: int | None) -> QuantumCircuit:
    from qiskit import qpy

    try:
        with path.open("rb") as stream:
            circuits = qpy.load(stream)
    except OSError:
        raise
    except Exception as exc:  # a damaged file can fail anywhere in Qiskit's reader
        raise MeasurementError.bad_argument(
            path.name, expected="circuits as qpy.dump writes them", got=f"an error ({exc})"
        ) from exc
    if number is None and len(circuits) == 1:
        number = 0
    if number is None or not 0 <= number < len(circuits):
        raise MeasurementError.bad_argument(
            "--circuit",
            expected=f"the number of one of the {len(circuits)} circuits in {path.name}, from 0",
            got=shown(number),
        )
    return circuits[number]


def _array(path: Path, dimensions: str | None) -> Any:
    import numpy as np

    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as exc:
        raise MeasurementError.bad_argument(
            path.name, expected="an array of numbers as numpy.save writes it", got=f"an error ({exc})"
        ) from exc
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iufc":
        raise MeasurementError.bad_argument(path.name, expected="an array of numbers", got="another file")
    if array.ndim <= 2:
        return _state_of(array, path.name, None if dimensions is None else _numbers(dimensions, "--dimensions"))
    if array.dtype.kind in "iu":
        from ..targets.counts import BellCounts

        return BellCounts(array)
    from ..targets.behaviors import Behavior

    return Behavior(np.real_if_close(array).astype(float))


def _state_of(array: Any, name: str, dimensions: list[int] | None) -> Any:
    from qiskit.exceptions import QiskitError
    from qiskit.quantum_info import DensityMatrix, Statevector

    # Qiskit names subsystem 0 last.
    dims = None if dimensions is None else tuple(dimensions)
    try:
        return Statevector(array, dims) if array.ndim == 1 else DensityMatrix(array, dims)
    except (QiskitError, TypeError, ValueError) as exc:
        raise MeasurementError.bad_argument(
            name, expected="amplitudes or a density matrix", got=f"shape {array.shape} ({exc})"
        ) from exc


# Files of records and counts


def saved_record(path: Path) -> Record | None:
    """Returns the object that ``save`` wrote to a file, or ``None`` if the file holds something else.

    Args:
        path: The file.

    Raises:
        CertificateError: If a saved object is damaged.
    """
    if path.suffix not in _RECORDS:
        return None
    if path.suffix == ".json":
        try:
            content = parse_json(read_text(path))
        except ValueError:
            return None
        if not isinstance(content, dict) or "class" not in content:
            return None
    return Record.load(path)


def _record_or_counts(path: Path, options: argparse.Namespace) -> Any:
    from ..datasets import read_data
    from ..targets.counts_files import option_of_text

    how = dict(option_of_text(text) for text in getattr(options, "read", []))
    if getattr(options, "design", None) is not None:
        how["design"] = options.design
    if getattr(options, "setting_probabilities", None) is not None:
        how["setting_probabilities"] = _json(options.setting_probabilities, "--setting-probabilities")
    if not how:
        try:
            found = saved_record(path)
        except CertificateError as exc:
            raise CountsError(exc.message) from exc
        if found is not None:
            return found
    return read_data(path, **how)


# Arguments that are lists


def settings_of(text: str) -> Any:
    """Returns settings as Python takes them: a name, or a list for each party.

    Args:
        text: A name, JSON, or settings with commas between them and semicolons between parties.
    """
    if text.lstrip().startswith("["):
        return _json(text, "--settings")
    if ";" not in text and "," not in text:
        return text
    return [[setting.strip() for setting in party.split(",")] for party in text.split(";")]


def parties_of(text: str | None) -> list[list[int]] | None:
    """Returns the qubits of each party.

    Args:
        text: Numbers with commas between them and semicolons between parties, or ``None``.

    Raises:
        LHVError: If it is anything else.
    """
    return None if text is None else [_numbers(party, "--parties") for party in text.split(";")]


def expression_of(name: str | None, minus: Sequence[int] | None, target: Any) -> BellExpression | None:
    """Returns the declared expression.

    Args:
        name: The name of an expression, or a file that holds one.
        minus: Settings of the minus sign of a CHSH expression.
        target: The counts, whose scenario gives the number of parties, settings or outcomes.

    Raises:
        LHVError: If there is no such expression.
    """
    from ..polytope.expressions import families
    from ..polytope.expressions.expression import BellExpression

    if minus is not None:
        if name not in (None, "chsh"):
            raise CountsError.bad_argument("--minus", expected="the expression chsh", got=shown(name))
        return families.chsh(minus)
    if name is None:
        return None
    if name in ("chsh", "elegant", "i3322"):
        found: BellExpression = getattr(families, name)()
        return found
    if name in _EXPRESSIONS:
        scenario = getattr(target, "scenario", None)
        if scenario is None:
            raise CountsError.bad_argument("--expression", expected="counts of one scenario", got=type(target).__name__)
        size = {
            "mermin": scenario.num_parties,
            "chained": scenario.num_settings[0],
            "cglmp": scenario.shape[scenario.num_parties],
        }
        found = getattr(families, name)(size[name])
        return found
    path = Path(name)
    if path.suffix in _RECORDS and path.exists():
        return BellExpression.load(path)
    raise CountsError.bad_argument(
        "--expression", expected=f"{', '.join(_EXPRESSIONS)}, or a file of BellExpression.save", got=shown(name)
    )


def _json(text: str, name: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as exc:
        raise LHVError.bad_argument(name, expected="JSON", got=f"{shown(text)} ({exc})") from exc


def _numbers(text: str, name: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and len(part) < 10 for part in parts):
        raise LHVError.bad_argument(name, expected="whole numbers such as 0,1", got=shown(text))
    return [int(part) for part in parts]
