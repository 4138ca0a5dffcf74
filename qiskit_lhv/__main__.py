"""Runs the command line: ``python -m qiskit_lhv``."""

from .cli.commands import main

if __name__ == "__main__":
    raise SystemExit(main())
