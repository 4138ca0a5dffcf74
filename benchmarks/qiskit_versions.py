"""The tests of the boundary to Qiskit with the lowest and the newest versions that the package allows.

Each run has a virtual environment of its own, which is deleted at the end.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("qiskit", "qiskit-aer", "qiskit-ibm-runtime")


def lowest_versions():
    """The lower limits of the package's own requirements."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = project["dependencies"] + [one for extra in project["optional-dependencies"].values() for one in extra]
    found = {}
    for requirement in listed:
        match = re.match(r"([\w-]+)>=([\d.]+)", requirement)
        if match and match[1] in PACKAGES:
            # The limit itself, not its latest patch: 2.0 means 2.0.0.
            found[match[1]] = ".".join([*match[2].split("."), "0", "0"][:3])
    return [f"{name}=={found[name]}" for name in PACKAGES]


def run(name, pins, tests, quiet):
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, f"{ROOT}[ibm]", "pytest>=8.2", "pytest-xdist>=3.6", "hypothesis", *pins], check=True)
        listed = f"import importlib.metadata as m; print(*(p + ' ' + m.version(p) for p in {PACKAGES}), sep=', ')"
        versions = subprocess.run([python, "-c", listed], check=True, capture_output=True, text=True).stdout.strip()
        done = subprocess.run([python, "-m", "pytest", "-q", *tests], cwd=ROOT, capture_output=True, text=True)
        lines = done.stdout.strip().splitlines() or [done.stderr.strip()]
        if done.returncode and not quiet:
            print("\n".join(lines[-40:]))
        print(f"{name:<8}{versions}: {lines[-1].strip('= ')}", flush=True)
        return done.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["lowest", "newest"])
    parser.add_argument("--quiet", action="store_true", help="do not show what fails")
    parser.add_argument("tests", nargs="*", default=["tests/quantum", "tests/targets/test_expectation_values.py"])
    options = parser.parse_args()
    kinds = {"lowest": lowest_versions(), "newest": ["--upgrade", *PACKAGES]}
    failed = [
        run(name, pins, options.tests, options.quiet) for name, pins in kinds.items() if options.only in (None, name)
    ]
    sys.exit(max(failed))


if __name__ == "__main__":
    main()
