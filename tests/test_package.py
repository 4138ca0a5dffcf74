import ast
import functools
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest
import qiskit_lhv
from qiskit_lhv._support.records import Record
from qiskit_lhv.verification.evidence import Evidence

from public_names import MODULES, NAMES, ROOMS

PACKAGE = Path(qiskit_lhv.__file__).parent
# The tests run from a checkout, also where the package is installed elsewhere.
CHECKOUT = Path(__file__).parents[1]
DOCS = CHECKOUT / "docs"
HEAVY = ("jax", "optax", "qiskit_aer", "matplotlib", "highspy", "scipy.optimize", "scipy.stats", "sympy", "tqdm")
TOP_LEVEL = [name for name in dir(qiskit_lhv) if name not in ROOMS]

needs_docs = pytest.mark.skipif(not DOCS.exists(), reason="needs the documentation")


def stub_of(folder):
    """Module and name of each line of a stub."""
    tree = ast.parse((folder / "__init__.pyi").read_text(encoding="utf-8"))
    lines = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert all(alias.asname == alias.name for node in lines for alias in node.names)
    return [(node.module, alias.name) for node in lines for alias in node.names]


# What an import loads


def test_import_loads_nothing_heavy():
    code = f"import sys, qiskit_lhv; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_analysis_of_counts_loads_neither_jax_nor_aer_nor_matplotlib():
    code = (
        "import sys, qiskit_lhv as q; q.analyze(q.load_bundled_counts('delft_2015').counts, seed=1);"
        "print([m for m in ('jax', 'qiskit_aer', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# From a process that has loaded what the package builds on, and nothing of the package. A module is imported where only
# that one of the modules which it imports itself is loaded which loads most of the others: so nothing is loaded that it
# would not load alone, and little is loaded twice.
IMPORT_ALONE = """
import importlib, json, os, sys
import jax, lazy_loader, numpy, optax, qiskit, qiskit.quantum_info, qiskit.transpiler

after = json.load(sys.stdin)
own = lambda: {name for name in sys.modules if name.startswith("qiskit_lhv")}
assert not own()

def visit(name):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        importlib.import_module(name)
        print(json.dumps([name, sorted(own())]), flush=True)
        for other in after.get(name, ()):
            visit(other)
    finally:
        os._exit(0)

for name in after[""]:
    visit(name)
"""


def imports_of(name):
    """The modules of the package that a module imports when it is loaded itself."""
    path = PACKAGE.joinpath(*name.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
            home = ".".join(package[: len(package) - node.level + 1] + ([node.module] if node.module else []))
            found |= {f"{home}.{alias.name}" if f"{home}.{alias.name}" in MODULES else home for alias in node.names}
    return found


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_every_module_imports_alone():
    imported = {name: imports_of(name) for name in MODULES}

    @functools.cache
    def loaded(name):
        folders = {name.rsplit(".", level)[0] for level in range(1, name.count(".") + 1)}
        return frozenset({name} | folders).union(*(loaded(other) for other in imported.get(name, ())))

    after = {}
    for name in MODULES:
        first = max(imported[name], key=lambda other: (len(loaded(other)), other), default="")
        after.setdefault(first, []).append(name)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT_ALONE],
        input=json.dumps(after),
        capture_output=True,
        text=True,
        check=True,
    )
    seen = dict(map(json.loads, done.stdout.splitlines()))
    assert seen == {name: sorted(loaded(name)) for name in MODULES}, done.stderr


def test_no_module_takes_names_from_the_package_itself():
    # The package loads its names lazily from any room, so that the contracts of the rooms would not see such an import.
    taken = set()
    for name in MODULES:
        path = PACKAGE.joinpath(*name.split(".")[1:])
        level = name.count(".") + path.is_dir()
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                taken |= {name for alias in node.names if alias.name.split(".")[0] == "qiskit_lhv"}
            elif isinstance(node, ast.ImportFrom):
                absolute = node.module is not None and node.module.split(".")[0] == "qiskit_lhv"
                if (absolute and not node.level) or (node.module is None and node.level == level):
                    taken.add(name)
    # The command line asks for the version.
    assert taken == {"qiskit_lhv.cli.arguments"}


def test_every_module_says_what_it_is():
    assert [name for name in MODULES if not importlib.import_module(name).__doc__] == []


# Names


def test_rooms_are_those_of_the_map():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}
    # The ground and the command line have no names for users.
    assert set(ROOMS) == (folders | modules) - {"_support", "cli"}


def test_names_at_top_level_are_few_and_also_in_their_rooms():
    assert len(TOP_LEVEL) <= 35
    for name in TOP_LEVEL:
        homes = [room for room, other in NAMES if other == name]
        assert len(homes) == 1, name
        assert getattr(qiskit_lhv, name) is getattr(importlib.import_module(f"qiskit_lhv.{homes[0]}"), name)


def test_every_name_is_in_one_room():
    assert [name for name, number in Counter(name for _, name in NAMES).items() if number > 1] == []


@pytest.mark.parametrize(("room", "name"), NAMES)
def test_public_name_loads_and_is_documented(room, name):
    value = getattr(importlib.import_module(f"qiskit_lhv.{room}"), name)
    assert value.__doc__
    assert value.__name__ == name
    assert value.__module__.startswith(f"qiskit_lhv.{room}")


@pytest.mark.parametrize("room", [".", *ROOMS])
def test_stubs_are_what_loads(room):
    folder = PACKAGE / room
    if not (folder / "__init__.pyi").exists():
        module = importlib.import_module(f"qiskit_lhv.{room}")
        assert dir(module) == sorted(module.__all__)
        return
    module = importlib.import_module("qiskit_lhv" if room == "." else f"qiskit_lhv.{room}")
    lines = stub_of(folder)
    assert lines == sorted(lines, key=lambda line: (line[0] is not None, *(part or "" for part in line)))
    assert sorted(name for _, name in lines) == sorted(module.__all__) == sorted(dir(module))
    for home, name in lines:
        if home is not None:
            assert getattr(module, name).__module__ == f"{module.__name__}.{home}"


@pytest.mark.parametrize("room", ["", *(f".{room}" for room in ROOMS)])
def test_unknown_name_is_an_attribute_error(room):
    with pytest.raises(AttributeError, match="nonsense"):
        _ = importlib.import_module(f"qiskit_lhv{room}").nonsense


def test_no_module_shares_a_name_with_a_public_function():
    modules = {name.split(".")[-1] for name in MODULES}
    assert not modules & {name for _, name in NAMES}


def test_version_is_that_of_the_installation_and_loads_when_asked():
    assert qiskit_lhv.__version__ == version("qiskit-lhv")
    assert "__version__" not in vars(qiskit_lhv)
    assert re.match(r"\d+\.\d+\.\d+", qiskit_lhv.__version__)


def test_stubs_and_the_marker_of_types_are_installed():
    assert (PACKAGE / "py.typed").exists()
    stubs = {path.parent.name for path in PACKAGE.glob("*/__init__.pyi")}
    assert stubs == {room for room in ROOMS if (PACKAGE / room).is_dir()}


# Classes


def classes():
    """The classes that the package defines."""
    modules = [importlib.import_module(name) for name in MODULES]
    return [
        one
        for module in modules
        for _, one in inspect.getmembers(module, inspect.isclass)
        if one.__module__ == module.__name__
    ]


def test_what_can_be_checked_never_raises():
    assert [one for one in classes() if "verify" in vars(one) and not issubclass(one, Evidence)] == []


def test_record_classes_have_names_of_their_own():
    names = Counter(one.__name__ for one in classes() if issubclass(one, Record))
    assert [name for name, number in names.items() if number > 1] == []


def test_errors_share_a_root():
    from qiskit.exceptions import QiskitError

    errors = qiskit_lhv.exceptions
    for name in ("ScenarioError", "MeasurementError", "CountsError", "CertificateError"):
        assert issubclass(getattr(errors, name), errors.LHVError)
        assert issubclass(getattr(errors, name), ValueError)
    assert issubclass(errors.SolverError, errors.LHVError)
    assert issubclass(errors.SolverError, RuntimeError)
    assert issubclass(errors.LHVError, QiskitError)
    assert str(errors.LHVError("one sentence")) == "one sentence"


# Documentation


@needs_docs
@pytest.mark.parametrize("room", ROOMS)
def test_the_reference_has_every_name_of_a_room_in_its_table_and_below(room):
    page = (DOCS / "api" / f"{room}.rst").read_text(encoding="utf-8")
    entries = re.findall(r"^\.\. auto(?:function|class|exception):: (\w+)$", page, re.MULTILINE)
    rows = re.findall(r"^   (\w+)$", page, re.MULTILINE)
    assert f".. currentmodule:: qiskit_lhv.{room}\n" in page
    assert sorted(entries) == sorted(rows) == sorted(name for home, name in NAMES if home == room)


@needs_docs
def test_the_reference_lists_the_names_of_the_package_and_its_rooms():
    page = (DOCS / "api" / "index.rst").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^   ~\w+\.(\w+)$", page, re.MULTILINE)) == sorted(TOP_LEVEL)
    assert sorted(re.findall(r"^   (\w+)$", page, re.MULTILINE)) == sorted(ROOMS)


@needs_docs
def test_every_name_occurs_in_a_guide_or_a_tutorial():
    pages = [CHECKOUT / "README.md", DOCS / "index.md", *(DOCS / "guide").rglob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    for notebook in (CHECKOUT / "tutorials").glob("*.ipynb"):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        text += "\n".join("".join(cell["source"]) for cell in cells)
    words = set(re.findall(r"\w+", text))
    assert [name for _, name in NAMES if name not in words] == []
