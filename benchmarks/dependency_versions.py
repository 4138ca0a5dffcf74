"""The tests with the lowest and with the newest versions of all dependencies, and with several versions of Python.

``lowest`` installs the lower limits that ``pyproject.toml`` declares for the package, its extras and its tests. Each
run has a virtual environment of its own, which is deleted at the end. Interpreters are given by name or by path; those
that are not there are left out and named.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHOWN = ("qiskit", "qiskit-aer", "qiskit-ibm-runtime", "numpy", "scipy", "jax")
TESTS = ["package.py", "datasets.py", "first_tries.py"]
ROOMS = ["analysis", "cli", "experiments", "optimize", "quantum", "reports", "statistics", "targets"]
# Extras whose tools work on the sources: no user runs into their versions.
TOOLS = ("dev", "docs")


def lowest_versions():
    """The lower limits of all requirements, as constraints for pip."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [lines for name, lines in project["optional-dependencies"].items() if name not in TOOLS]
    listed = [line for lines in (project["dependencies"], *extras) for line in lines]
    limits = {}
    for requirement in listed:
        if match := re.match(r"([\w.-]+)>=([\w.]+)", requirement):
            limits.setdefault(match[1], set()).add(match[2])
        elif not requirement.startswith("qiskit-lhv["):
            raise ValueError(f"{requirement} has no lower limit")
    if differing := [name for name, found in limits.items() if len(found) > 1]:
        raise ValueError(f"several lower limits of {', '.join(differing)}")
    return [f"{name}=={version}" for name, (version,) in limits.items()]


def run(python, kind, tests, quiet):
    """Runs the tests and the demo in a fresh environment; returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        own = str(Path(folder) / "bin" / "python")
        limits = Path(folder) / "limits.txt"
        limits.write_text("\n".join(lowest_versions() if kind == "lowest" else []), encoding="utf-8")
        install = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", str(limits)]
        installed = subprocess.run([*install, f"{ROOT}[all,test]"])
        if installed.returncode:
            print(f"{kind}, {python}: cannot be installed", flush=True)
            return installed.returncode
        code = (
            "import importlib.metadata as m, platform;"
            f"print('Python', platform.python_version(), *(p + ' ' + m.version(p) for p in {SHOWN}), sep=', ')"
        )
        versions = subprocess.run([own, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
        done = subprocess.run([own, "-m", "pytest", "-q", *tests], cwd=ROOT, capture_output=True, text=True)
        demo = subprocess.run([own, "-m", "qiskit_lhv", "demo"], cwd=folder, capture_output=True, text=True)
        lines = done.stdout.strip().splitlines() or [done.stderr.strip()]
        if done.returncode and not quiet:
            print("\n".join(lines[-40:]))
        if demo.returncode and not quiet:
            print(demo.stderr)
        outcome = "demo ok" if demo.returncode == 0 else f"demo failed ({demo.returncode})"
        print(f"{kind}: {versions}: {lines[-1].strip('= ')}; {outcome}", flush=True)
        return done.returncode or demo.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["lowest", "newest"])
    parser.add_argument(
        "--python", nargs="+", default=["python3.11", "python3.12", "python3.13"], help="interpreters, by name or path"
    )
    parser.add_argument("--quiet", action="store_true", help="do not show what fails")
    parser.add_argument("--tests", nargs="+", help="files or folders of tests (default: most rooms); 'tests' is all")
    options = parser.parse_args()
    tests = options.tests or [f"tests/test_{name}" for name in TESTS] + [f"tests/{room}" for room in ROOMS]
    found = []
    for python in options.python:
        # A name may be there without an interpreter behind it, as with pyenv.
        works = shutil.which(python) and subprocess.run([python, "-c", ""], capture_output=True).returncode == 0
        if not works:
            print(f"{python}: not found", flush=True)
        else:
            kinds = [kind for kind in ("lowest", "newest") if options.only in (None, kind)]
            found += [run(python, kind, tests, options.quiet) for kind in kinds]
    sys.exit(max(found, default=1))


if __name__ == "__main__":
    main()
