import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
import qiskit_lhv

HEAVY = ("jax", "optax", "qiskit_aer", "matplotlib", "highspy", "scipy.optimize", "scipy.stats", "sympy", "tqdm")


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


@pytest.mark.parametrize("name", qiskit_lhv.__all__)
def test_public_name_loads_and_is_documented(name):
    value = getattr(qiskit_lhv, name)
    assert value.__doc__
    assert value.__name__ == name


def test_static_names_agree_with_lazy_ones():
    source = Path(qiskit_lhv.__file__).read_text()
    block = source.split("if TYPE_CHECKING:")[1].split("_HOME = {")[0]
    namespace = {}
    for statement in block.replace("(\n", "(").split("    from .")[1:]:
        module, names = statement.split(" import ")
        for name in names.strip(" ()\n").replace("\n", " ").split(","):
            if name.strip():
                namespace[name.strip()] = module
    assert namespace == qiskit_lhv._MODULE_OF
    assert sorted(namespace) == sorted(qiskit_lhv.__all__)


def test_every_public_name_is_in_the_reference():
    reference = (Path(__file__).parent.parent / "docs" / "api.rst").read_text(encoding="utf-8")
    listed = re.findall(r"^\.\. auto(?:function|class|exception):: (\w+)$", reference, re.MULTILINE)
    assert sorted(listed) == sorted(qiskit_lhv.__all__)


def test_no_submodule_shares_a_name_with_a_public_function():
    modules = {name.split(".")[-1] for _, name, _ in pkgutil.walk_packages(qiskit_lhv.__path__, "qiskit_lhv.")}
    assert not modules & set(qiskit_lhv.__all__)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = qiskit_lhv.nonsense


def test_version_and_dir():
    assert qiskit_lhv.__version__.count(".") == 2
    assert set(qiskit_lhv.__all__) <= set(dir(qiskit_lhv))


def test_errors_share_a_root():
    from qiskit.exceptions import QiskitError

    for name in ("ScenarioError", "MeasurementError", "CountsError"):
        error = getattr(qiskit_lhv, name)
        assert issubclass(error, qiskit_lhv.LHVError)
        assert issubclass(error, ValueError)
    assert issubclass(qiskit_lhv.exceptions.SolverError, RuntimeError)
    assert issubclass(qiskit_lhv.LHVError, QiskitError)
    assert str(qiskit_lhv.LHVError("one sentence")) == "one sentence"


def test_rooms_import_in_one_direction():
    # DESIGN: analysis -> {statistics, polytope, optimize} -> models -> targets -> quantum.measurements.
    level = {"analysis": 3, "statistics": 2, "polytope": 2, "optimize": 2, "models": 1, "targets": 0}
    root = Path(qiskit_lhv.__file__).parent
    for room, rank in level.items():
        for path in [root / f"{room}.py"] if room == "analysis" else (root / room).glob("*.py"):
            for other, other_rank in level.items():
                if other_rank > rank:
                    assert f"from ..{other}" not in path.read_text(), f"{path.name} imports {other}"


def test_every_module_imports_alone():
    for _, name, _ in pkgutil.walk_packages(qiskit_lhv.__path__, "qiskit_lhv."):
        if name.rsplit(".", 1)[-1] != "__main__":
            assert importlib.import_module(name).__doc__
