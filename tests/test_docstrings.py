"""Walks all public names: what they take, return and raise is written down, with sources and an example that runs."""

import ast
import importlib
import inspect
import re
import textwrap

import pytest

from public_names import NAMES

SECTION = re.compile(r"^([A-Z][a-z]+):\n((?:[ ]+.*\n|\n)*)", re.MULTILINE)

# Names behind which stands no publication: containers, files, options, pictures and plain tools. Every other name has
# a section "References".
NO_SOURCE: dict[str, set[str]] = {
    "analysis": {"CountsOptions"},
    "datasets": {"read_counts", "read_data"},
    "exceptions": {
        "CertificateError",
        "CountsError",
        "LHVError",
        "MeasurementError",
        "ScenarioError",
        "SolverError",
        "SweepError",
    },
    "experiments": {"BellSweep", "RegisterPreparation", "coupled_groups"},
    "measurements": {
        "EffectSet",
        "ListedMeasurements",
        "ListedProjective",
        "Measurement",
        "MeasurementSet",
        "icosahedral_sizes",
        "measurement",
        "measurement_set",
        "measurement_sets",
        "octahedral_sizes",
    },
    "models": set(),
    "optimize": {"Devices", "SearchStatus", "TermSampling"},
    "plotting": {
        "plot_correlators",
        "plot_device_report",
        "plot_difference",
        "plot_intervals",
        "plot_report",
        "plot_violation_reach",
    },
    "polytope": {"KnownBounds", "ManyPartyExpression", "MeasuredExpression", "SparseExpression"},
    "projective": {"ProofSearch", "SettingsSearch"},
    "quantum": {"PhysicalQubits", "mix_with_noise"},
    "reports": {"Figure", "Question"},
    "spin_chains": {"nearest_neighbor_chain", "random_chain", "reduced_state"},
    "statistics": set(),
    "sweeps": {"FailedTask", "StoredValue", "UnfinishedTask", "load_sweep", "sweep"},
    "targets": {
        "EstimatedValue",
        "TermMeans",
        "TermValues",
        "counts_of_groups",
        "pauli_labels",
        "pauli_observables",
        "random_terms",
        "term_means",
    },
    "verification": {"Verification", "VerificationStatus"},
}


def value_of(room, name):
    """Returns the class or function of a name, that below the cache if its results are kept."""
    return inspect.unwrap(getattr(importlib.import_module(f"qiskit_lhv.{room}"), name))


VALUES = [(room, name, value_of(room, name)) for room, name in NAMES]
each_name = pytest.mark.parametrize(
    ("room", "name", "value"), [pytest.param(*one, id=".".join(one[:2])) for one in VALUES]
)


def sections(value):
    """Returns the sections of a docstring by title, and its summary under ``""``."""
    text = inspect.cleandoc(value.__doc__ or "") + "\n"
    found = {title: textwrap.dedent(body) for title, body in SECTION.findall(text)}
    return {"": text.split("\n", 1)[0], **found}


def functions(value):
    """Yields a function itself, or the public methods that a class defines, with those of properties left out."""
    if inspect.isfunction(value):
        yield value.__name__, value
        return
    for name, member in vars(value).items():
        function = getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(function) and not is_generated(function):
            yield name, inspect.unwrap(function)


def is_generated(function):
    return function.__code__.co_filename == "<string>"


def parameters(function):
    names = [name for name in inspect.signature(function).parameters if not name.startswith("_")]
    return [name for name in names if name not in {"self", "cls"}]


def documented(body):
    """Returns the names that a section describes, one per entry: ``name: ...`` or ``first, second: ...``."""
    heads = re.findall(r"^(\*{0,2}\w+(?:\.\w+)?(?:, \*{0,2}\w+)*)(?: \([^)]*\))?:(?:\s|$)", body, re.MULTILINE)
    return [word.strip().lstrip("*").rsplit(".", 1)[-1] for head in heads for word in head.split(",")]


def syntax(value):
    return ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]


def raised(function):
    """Returns the names of the errors that the function itself raises, as far as they are the package's or built in."""
    found = set()
    for node in ast.walk(syntax(function)):
        if isinstance(node, ast.Raise) and node.exc is not None:
            words = re.findall(r"\b\w+Error\b", ast.unparse(node.exc))
            found.update(words[:1])
    return found


@each_name
def test_arguments_are_described(room, name, value):
    for method, function in functions(value):
        missing = set(parameters(function)) - set(documented(sections(function).get("Args", "")))
        assert not missing, f"{method} does not describe {sorted(missing)}"


@each_name
def test_what_comes_back_is_described(room, name, value):
    for method, function in functions(value):
        returned = inspect.signature(function).return_annotation
        if returned in {None, "None", "NoReturn"}:
            continue
        found = sections(function)
        said = {"Returns", "Yields"} & set(found)
        # A method may say it in its first sentence; a function has a section.
        assert said or (inspect.isclass(value) and found[""]), f"{method} does not say what it returns"


@each_name
def test_errors_are_described(room, name, value):
    for method, function in functions(value):
        missing = raised(function) - set(documented(sections(function).get("Raises", "")))
        assert not missing, f"{method} does not describe {sorted(missing)}"
    if inspect.isclass(value):
        makers = [vars(value)[maker] for maker in ("__init__", "__post_init__") if maker in vars(value)]
        errors = {
            error
            for maker in makers
            if inspect.isfunction(maker) and not is_generated(maker)
            for error in raised(maker)
        }
        missing = errors - set(documented(sections(value).get("Raises", "")))
        assert not missing, f"{name} does not describe {sorted(missing)}"


@each_name
def test_fields_are_described(room, name, value):
    if not inspect.isclass(value):
        return
    body = syntax(value).body
    for node, follower in zip(body, [*body[1:], None], strict=True):
        if (
            isinstance(node, ast.AnnAssign)
            and not node.target.id.startswith("_")
            and "ClassVar" not in ast.unparse(node.annotation)
        ):
            text = follower.value if isinstance(follower, ast.Expr) else None
            assert isinstance(text, ast.Constant), f"{node.target.id} is not described"
            assert isinstance(text.value, str), f"{node.target.id} is not described"


@each_name
def test_there_is_an_example(room, name, value):
    assert ">>> " in sections(value).get("Examples", "")


@each_name
def test_sources_are_named(room, name, value):
    text = sections(value).get("References", "")
    if name in NO_SOURCE.get(room, set()):
        assert not text, "has a source after all"
    else:
        assert re.search(r"arXiv:\d|doi:|\d{4}", text)
