"""What holds counts: dictionaries, lists, results of Samplers and backends, and jobs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from ..._support.validation import shown
from ...exceptions import CountsError
from .bit_choices import Registers
from .runtime_json import decode_runtime, is_runtime_json

__all__ = ["SOURCES_EXAMPLE", "Source", "source_of", "with_registers"]

SOURCES_EXAMPLE = (
    'For example {(0, 0): {"00": 50, "11": 45}, (0, 1): ...}, a list of such counts in row-major order, or the result '
    "of a Sampler."
)
"""What counts may look like."""


@dataclass(frozen=True)
class Source:
    """The counts of each setting combination, with what is known about them."""

    tables: tuple[Any, ...]
    """One dictionary of counts for each setting combination."""
    keys: tuple[Any, ...] | None
    """The settings of each of them; ``None``: they are in row-major order."""
    registers: Registers | None = None
    """The classical registers of the result, the one with bit 0 first."""
    grid: tuple[int, ...] | None = None
    """The shape of the parameters of the PUB, if the counts come from one."""


def source_of(counts: Any, settings: Sequence[Any] | None = None) -> Source:
    """Returns the dictionaries that hold the counts.

    Args:
        counts: Counts in any form.
        settings: The settings of each entry of a list.

    Raises:
        CountsError: If the counts have another form.
    """
    if isinstance(counts, Source):
        # Counts of many groups are unpacked once.
        return counts
    counts = _unpacked(counts)
    if isinstance(counts, Mapping) and not _is_data_bin(counts):
        if settings is not None:
            raise CountsError.bad_argument(
                "settings", expected="None where the counts name their settings", got=shown(settings)
            )
        if not counts:
            raise _no_counts(counts)
        if all(isinstance(key, str) and isinstance(value, Real) for key, value in counts.items()):
            raise CountsError.bad_argument(
                "counts",
                expected="the counts of each setting combination",
                got=f"those of one circuit, {shown(dict(counts))}",
                remedy=SOURCES_EXAMPLE,
            )
        values = [_single(value, key) for key, value in counts.items()]
        return Source(tuple(table for table, _ in values), tuple(counts), _common([own for _, own in values]))
    if isinstance(counts, list | tuple):
        if not counts or not all(_holds_counts(entry) for entry in counts):
            raise _no_counts(counts)
        values = [_single(value, i) for i, value in enumerate(counts)]
        tables, registers, grid = tuple(table for table, _ in values), _common([own for _, own in values]), None
    elif _holds_counts(counts):
        tables, registers, grid = _grid(counts)
    else:
        raise _no_counts(counts)
    if settings is None:
        return Source(tables, None, registers, grid)
    listed = list(settings) if isinstance(settings, Sequence) and not isinstance(settings, str) else []
    if len(listed) != len(tables):
        raise CountsError.bad_argument(
            "settings",
            expected=f"{len(tables)} settings, one for each entry of the counts",
            got=shown(settings),
            remedy='For example settings=["ZZ", "ZX", "XZ", "XX"].',
        )
    return Source(tables, tuple(listed), registers, None)


def with_registers(source: Source, names: Any) -> Registers | None:
    """Returns the registers of a source, with names that the caller gives.

    Args:
        source: The source.
        names: The names of the registers as they are printed, from left to right, for keys with spaces.

    Raises:
        CountsError: If there are other registers than these.
    """
    if names is None:
        return source.registers
    listed = list(names) if isinstance(names, list | tuple) else []
    parts = [tuple(map(len, key.split())) for table in source.tables for key in table if isinstance(key, str)]
    sizes = set(parts)
    if source.registers is not None or len(sizes) != 1 or len(next(iter(sizes))) != len(listed):
        shape = " and ".join(f"{list(own)} bits" for own in sorted(sizes)[:3]) or "none"
        raise CountsError.bad_argument(
            "registers",
            expected="the names of the registers in keys with spaces, such as '01 10', from left to right",
            got=f"{shown(names)} for registers of {shape}",
        )
    return tuple(zip(map(str, reversed(listed)), reversed(next(iter(sizes))), strict=True))


def _no_counts(counts: Any) -> CountsError:
    if _has_expectations(counts):
        return CountsError.bad_argument(
            "counts",
            expected="counts, from a Sampler",
            got="expectation values of an Estimator",
            remedy="Expectation values have no table of outcomes, and go to Correlators.from_estimator(result, pub).",
        )
    numbers = isinstance(counts, np.ndarray) or (
        isinstance(counts, list) and bool(counts) and isinstance(counts[0], list)
    )
    return CountsError.bad_argument(
        "counts",
        expected="a dictionary {(x_1, ..., x_N): {outcome: count}}",
        got=shown(counts),
        remedy=f"{SOURCES_EXAMPLE} A table of numbers goes to BellCounts(array)." if numbers else SOURCES_EXAMPLE,
    )


def _has_expectations(counts: Any) -> bool:
    if isinstance(counts, list | tuple):
        return any(map(_has_expectations, counts[:3]))
    return hasattr(getattr(counts, "data", counts), "evs") or (
        hasattr(counts, "values") and hasattr(counts, "experiments")
    )


def _unpacked(counts: Any) -> Any:
    """The result of a job, the entries of results with several parts, and the objects that JSON stands for."""
    if is_runtime_json(counts):
        counts = decode_runtime(counts)
    if callable(getattr(counts, "result", None)) and not isinstance(counts, Mapping):
        counts = counts.result()
    if isinstance(counts, Mapping) and isinstance(counts.get("results"), list):
        counts = _legacy_result(counts)
    if _is_legacy_result(counts):
        found = _counts_of_legacy(counts)
        # Of one experiment it is a dictionary, which is the only entry of a list here.
        return [found] if isinstance(found, Mapping) else list(found)
    if not isinstance(counts, Mapping | list | tuple | np.ndarray) and hasattr(counts, "_pub_results"):
        pubs = list(counts)
        return pubs[0] if len(pubs) == 1 else pubs
    return counts


def _legacy_result(data: Mapping[Any, Any]) -> Any:
    from qiskit.result import Result

    try:
        filled = {"backend_name": "", "backend_version": "", "qobj_id": "", "job_id": "", "success": True, **data}
        return Result.from_dict(filled)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise CountsError.bad_argument(
            "counts", expected="the dictionary of a Result of Qiskit", got=f"damaged entries ({exc})"
        ) from exc


def _counts_of_legacy(result: Any) -> Any:
    from qiskit.exceptions import QiskitError

    try:
        return result.get_counts()
    except (AttributeError, KeyError, QiskitError, TypeError, ValueError) as exc:
        # Of a run that failed, and gave no reason, Qiskit joins the texts of an error that are none.
        failed = getattr(result, "success", True) is not True
        raise CountsError.bad_argument(
            "counts",
            expected="a Result of Qiskit with the counts of every experiment",
            got=f"one of a run that failed (status {result.status!r})" if failed else f"an error ({exc})",
            remedy="Measure every circuit, and take the result of a run that ended well.",
        ) from exc


def _is_legacy_result(counts: Any) -> bool:
    return hasattr(counts, "get_counts") and hasattr(counts, "results")


def _is_data_bin(counts: Any) -> bool:
    return type(counts).__name__ == "DataBin"


def _is_bit_array(counts: Any) -> bool:
    return hasattr(counts, "get_counts") and hasattr(counts, "num_bits") and hasattr(counts, "num_shots")


def _holds_counts(value: Any) -> bool:
    if isinstance(value, Mapping) and not _is_data_bin(value):
        # Also a dictionary with a key too many or too few is one; what is wrong with it is told later.
        return True
    return bool(_bit_arrays(value)) or _is_legacy_result(value) or is_runtime_json(value)


def _bit_arrays(value: Any) -> dict[str, Any]:
    """The bits of each register of a result, in the circuit's order."""
    if _is_bit_array(value):
        return {"": value}
    data = getattr(value, "data", value)
    if not _is_data_bin(data):
        return {}
    return {name: register for name, register in data.items() if _is_bit_array(register)}


def _joined(value: Any) -> tuple[Any, Registers | None]:
    """One array with the bits of all registers, the first of them with bit 0, as in Qiskit's dictionaries."""
    found = _bit_arrays(value)
    arrays = list(found.values())
    registers = None if "" in found else tuple((name, int(array.num_bits)) for name, array in found.items())
    if len(arrays) == 1:
        return arrays[0], registers
    return type(arrays[0]).concatenate_bits(arrays), registers


def _single(value: Any, key: Any) -> tuple[Any, Registers | None]:
    """The dictionary of counts of one setting combination."""
    value = _unpacked(value)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, Mapping) and not _is_data_bin(value):
        return value, None
    if not _bit_arrays(value):
        # What it is instead is told where the dictionary is read.
        return value, None
    bits, registers = _joined(value)
    if math.prod(bits.shape) != 1:
        raise CountsError.bad_argument(
            f"counts[{shown(key)}]",
            expected="the counts of one setting combination",
            got=f"bits of shape {bits.shape}, which are {math.prod(bits.shape)}",
            remedy="Pass the result alone: its axes are then the settings of the parties.",
        )
    return bits.get_counts(), registers


def _grid(value: Any) -> tuple[tuple[Any, ...], Registers | None, tuple[int, ...] | None]:
    """The dictionaries of a result whose axes are the settings of the parties."""
    if isinstance(value, Mapping) and not _is_data_bin(value):
        return (value,), None, None
    bits, registers = _joined(value)
    tables = tuple(bits.get_counts(position) for position in np.ndindex(bits.shape))
    return tables, registers, tuple(bits.shape)


def _common(registers: Sequence[Registers | None]) -> Registers | None:
    """The registers of several results if they are the same in all of them."""
    first = registers[0]
    if first is not None and any(own != first for own in registers):
        if len({tuple(size for _, size in own or ()) for own in registers}) > 1:
            raise CountsError.bad_argument(
                "counts", expected="the same classical registers in every result", got=shown([*registers][:3])
            )
        return None
    return first
