"""Observables as texts: sums such as ``"(Z+X)/sqrt(2)"``, and angles with their unit, such as ``"45 deg"``."""

from __future__ import annotations

import ast
import math
import re
from typing import Any

from qiskit.quantum_info import SparsePauliOp

from ..exceptions import MeasurementError

__all__ = ["ANGLES_EXAMPLE", "direction_of_angle", "is_sum", "name_of_vector", "operator_of_text"]

ANGLES_EXAMPLE = (
    'An angle has its unit: "45 deg" or "0.785 rad" from Z towards X on the Bloch sphere, or "22.5 deg polarizer" for '
    "half of it, as polarizers turn."
)
"""How angles are written."""

_ANGLE = re.compile(
    r"(?P<number>[^°a-z]*(pi)?[^°a-z]*?)\s*(?P<unit>°|deg(rees?)?|rad(ians?)?)\s*(?P<half>pol(arizer)?\.?)?",
    re.IGNORECASE,
)
_PAULI = re.compile("[IXYZ]+")
_LONGEST = 500
_EQUAL = 1e-9


def is_sum(text: str) -> bool:
    """Whether a text is a sum or a multiple of Pauli labels, and not a label alone."""
    return bool(re.search(r"[+*/()√]|\d|[IXYZ]\s*-", text)) and bool(re.search("[IXYZ]", text))


def direction_of_angle(text: str) -> tuple[float, float, float] | None:
    """The Bloch vector at an angle with its unit, ``None`` if the text is no such angle.

    The angle is taken from Z towards X on the Bloch sphere, so that 90 degrees are X. Polarizers turn half as far.

    Raises:
        MeasurementError: If the number of the angle cannot be read.

    Examples:
        >>> [round(entry, 3) for entry in direction_of_angle("45 deg")]
        [0.707, 0.0, 0.707]
        >>> direction_of_angle("22.5° polarizer") == direction_of_angle("45°")
        True
    """
    match = _ANGLE.fullmatch(text.strip())
    if match is None:
        return None
    angle = _number(match["number"].strip(), text)
    if match["unit"].lower().startswith("rad"):
        angle = math.degrees(angle)
    angle = math.radians(2 * angle if match["half"] else angle)
    return math.sin(angle), 0.0, math.cos(angle)


def operator_of_text(text: str) -> SparsePauliOp:
    """The operator that a sum of Pauli labels stands for.

    Args:
        text: Pauli labels, numbers, ``sqrt``, ``pi``, ``+``, ``-``, ``*``, ``/`` and brackets, such as
            ``"(Z+X)/sqrt(2)"``.

    Raises:
        MeasurementError: If the text is anything else.
    """
    value = _value(text, text)
    if not isinstance(value, SparsePauliOp):
        raise _error(text)
    return value


def name_of_vector(vector: tuple[float, float, float]) -> str:
    """The short name of a unit vector: ``"Z"``, ``"Z-X"`` for directions between the axes, or its entries."""
    entries = dict(zip("XYZ", vector, strict=True))
    named = {letter: entries[letter] for letter in "ZXY" if abs(entries[letter]) > _EQUAL}
    largest = max(map(abs, named.values()))
    if any(abs(abs(entry) - largest) > _EQUAL for entry in named.values()):
        return f"({', '.join(f'{entry:.3g}' for entry in vector)})"
    letters = sorted(named, key=lambda letter: named[letter] < 0)
    name = "".join(f"{'-' if named[letter] < 0 else '+'}{letter}" for letter in letters)
    return name.removeprefix("+")


def _number(text: str, whole: str) -> float:
    value = _value(text, whole)
    if isinstance(value, SparsePauliOp) or not math.isfinite(value):
        raise _error(whole)
    return value


def _value(text: str, whole: str) -> Any:
    """The value of an expression, of which nothing but arithmetic is carried out."""
    cleaned = re.sub(r"√\s*(\d+)", r"sqrt(\1)", text).replace("√", "sqrt").replace("\u2212", "-").replace("·", "*")
    if len(cleaned) > _LONGEST:
        raise _error(whole)
    # A number before a label or a bracket is a factor.
    cleaned = re.sub(r"(?<![A-Za-z_])(\d+\.?\d*)\s*(?=[IXYZ(])", r"\1*", cleaned)
    try:
        return _of_node(ast.parse(cleaned.strip(), mode="eval").body)
    except (ArithmeticError, MemoryError, RecursionError, SyntaxError, TypeError, ValueError) as exc:
        raise _error(whole) from exc


def _of_node(node: ast.expr) -> Any:
    value = _unchecked(node)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("not finite")
    return value


def _unchecked(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node, ast.Name) and node.id == "pi":
        return math.pi
    if isinstance(node, ast.Name) and _PAULI.fullmatch(node.id):
        return SparsePauliOp(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _of_node(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "sqrt"
        and len(node.args) == 1
    ):
        return math.sqrt(_of_node(node.args[0]))
    if isinstance(node, ast.BinOp):
        left, right = _of_node(node.left), _of_node(node.right)
        operators = [isinstance(side, SparsePauliOp) for side in (left, right)]
        if isinstance(node.op, ast.Add | ast.Sub) and operators[0] == operators[1]:
            if all(operators) and left.num_qubits != right.num_qubits:
                raise ValueError("labels of unequal length")
            return left + right if isinstance(node.op, ast.Add) else left - right
        if isinstance(node.op, ast.Mult) and not all(operators):
            return right * left if operators[1] else left * right
        if isinstance(node.op, ast.Div) and not operators[1]:
            return left * (1 / right) if operators[0] else left / right
    raise ValueError("not arithmetic")


def _error(text: str) -> MeasurementError:
    return MeasurementError.bad_argument(
        "spec",
        expected="a sum of Pauli labels, such as 'Z+X' or '(Z-X)/sqrt(2)', or an angle",
        got=repr(text[:80]),
        remedy=ANGLES_EXAMPLE,
    )
