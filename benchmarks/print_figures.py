"""Runs the commands behind the figures of the docs, one after the other, and keeps what they print.

``python benchmarks/print_figures.py device_tables tensors`` runs two of the commands that ``figures.toml`` lists,
``--all`` all of them, ``--older-than 2026-11-01`` those that were last printed before that day, or never. What each
prints goes to ``printed/NAME.txt``, below a header with the command, the day, the versions and the time that it took.
Nothing else should run beside it. ``check_figures.py`` compares the files with the pages.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import platform
import resource
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PRINTED = HERE / "printed"
_PACKAGES = ("qiskit", "qiskit-aer", "numpy", "scipy", "jax")
# Lines that say nothing about the figures and differ from run to run.
_NOISE = ("it/s]", "s/it]", "UserWarning", "warnings.warn", "DeprecationWarning")


def commands() -> dict[str, str]:
    """The command lines by name, without the interpreter."""
    listed: dict[str, str] = tomllib.loads((HERE / "figures.toml").read_text())["commands"]
    return listed


def last_printed(name: str) -> datetime.date | None:
    """The day on which a command was last printed, or None."""
    path = PRINTED / f"{name}.txt"
    return datetime.date.fromisoformat(header(path.read_text())["date"]) if path.exists() else None


def header(text: str) -> dict[str, str]:
    """The header of a printed file, by key."""
    lines = [line[2:] for line in text.splitlines() if line.startswith("# ")]
    return dict(line.split(": ", 1) for line in lines)


def versions() -> str:
    """Python and the packages that decide about time and figures."""
    found = [f"Python {platform.python_version()}"]
    found += [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    return ", ".join(found)


def processor() -> str:
    """The model of the processor as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    model = names[0].split(":", 1)[1].strip() if names else platform.machine()
    return f"{model}, {len(os.sched_getaffinity(0))} core(s)"


def scrub(text: str) -> str:
    """The text without paths and names of this machine."""
    for private, public in ((str(ROOT), "."), (tempfile.gettempdir(), "TMP"), (str(Path.home()), "~")):
        text = text.replace(private, public)
    text = text.replace(socket.gethostname(), "HOST")
    return "\n".join(line.rstrip() for line in text.splitlines() if not any(word in line for word in _NOISE)) + "\n"


def print_figures(name: str, command: str, files: Path) -> bool:
    """Run one command and keep what it prints; whether it succeeded."""
    words = [word.replace("{files}", str(files)) for word in shlex.split(command)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - start
    processor_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode:
        print(f"{name}: failed\n{done.stderr[-2000:]}", file=sys.stderr)
        return False
    head = {
        "command": f"python {command.replace('{files}/', '')}",
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "versions": versions(),
        "seconds": f"{seconds:.0f} ({processor_seconds:.0f} of processor time)",
    }
    lines = [f"# {key}: {value}" for key, value in head.items()]
    PRINTED.mkdir(exist_ok=True)
    (PRINTED / f"{name}.txt").write_text("\n".join(lines) + "\n\n" + scrub(done.stdout.replace(f"{files}/", "")))
    print(f"{name}: {head['seconds']}", flush=True)
    return True


def main() -> int:
    """Run the commands that the arguments choose."""
    listed = commands()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(listed)}")
    parser.add_argument("--all", action="store_true", help="all commands")
    parser.add_argument(
        "--older-than", type=datetime.date.fromisoformat, metavar="DATE", help="printed before that day"
    )
    parser.add_argument("--files", type=Path, default=Path(), help="folder of the files that commands name by {files}")
    options = parser.parse_args()
    chosen = list(listed) if options.all else options.names
    if unknown := [name for name in chosen if name not in listed]:
        parser.error(f"figures.toml has no command {unknown[0]!r}")
    if options.older_than is not None:
        chosen += [n for n in listed if n not in chosen and (last_printed(n) or datetime.date.min) < options.older_than]
    return int(not all([print_figures(name, listed[name], options.files.resolve()) for name in chosen]))


if __name__ == "__main__":
    sys.exit(main())
