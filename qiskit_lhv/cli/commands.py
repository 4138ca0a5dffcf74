"""The command-line program ``qiskit-lhv``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .arguments import parser

__all__ = ["BAD_INPUT", "NO_ANSWER", "main"]

BAD_INPUT = 2
"""The exit code if the input cannot be used."""
NO_ANSWER = 3
"""The exit code if a search or a check ended without an answer."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit code: 0 if it has answered, 2 for bad input, 3 if there is no answer.

    Args:
        arguments: The command-line arguments. Default: those of the process.
    """
    options = parser().parse_args(arguments)
    # Help and errors of arguments need none of what a command needs.
    from ..exceptions import LHVError, SolverError
    from . import actions

    try:
        answered: bool = getattr(actions, options.action)(options)
        sys.stdout.flush()
    except SolverError as exc:
        return _ended(exc, NO_ANSWER)
    except BrokenPipeError:
        # The reader of the output has seen enough, as "head" has; without this, the interpreter complains when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_ANSWER
    except (LHVError, OSError) as exc:
        return _ended(exc, BAD_INPUT)
    except KeyboardInterrupt:
        return _ended("interrupted", NO_ANSWER)
    return 0 if answered else NO_ANSWER


def _ended(reason: object, code: int) -> int:
    print(f"qiskit-lhv: {' '.join(str(reason).split())}", file=sys.stderr)
    return code
