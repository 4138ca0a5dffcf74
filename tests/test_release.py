"""What a release is made of agrees: versions, extras, and what other projects ask for."""

import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

CHECKOUT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not (CHECKOUT / ".ci").exists(), reason="needs the repository")


@pytest.fixture(scope="module")
def metadata():
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))


def released():
    """The versions of the changelog with their dates, the newest first."""
    text = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[0] == "Unreleased"
    found = [re.fullmatch(r"(\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)", heading) for heading in headings[1:]]
    assert all(found)
    return [match.groups() for match in found]


def test_the_citation_names_the_newest_release():
    text = (CHECKOUT / "CITATION.cff").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^(version|date-released): [\"']?([\w.-]+)", text, re.MULTILINE))
    newest = released()[:1]
    assert stated == {
        name: value for one in newest for name, value in zip(("version", "date-released"), one, strict=True)
    }


def test_a_tree_without_tags_is_on_the_way_to_a_release_that_is_not_yet_there(metadata):
    fallback = Version(metadata["tool"]["hatch"]["version"]["fallback-version"])
    assert fallback.is_devrelease
    assert all(fallback > Version(version) for version, _ in released())


def extra(metadata, name):
    """The requirements of an extra, without those that it takes from other extras; and the names of these."""
    lines = [Requirement(line) for line in metadata["project"]["optional-dependencies"][name]]
    own = {str(one) for one in lines if one.name != "qiskit-lhv"}
    return own, set().union(*(one.extras for one in lines if one.name == "qiskit-lhv"))


def test_the_extra_all_holds_every_extra_for_users(metadata):
    names = set(metadata["project"]["optional-dependencies"])
    _, included = extra(metadata, "all")
    assert included == names - {"all", "test", "docs", "dev"}


def test_the_extra_all_opens_the_tutorials(metadata):
    assert {Requirement(line).name for line in extra(metadata, "all")[0]} >= {"ipykernel", "jupyterlab", "pandas"}


def test_every_requirement_has_one_lower_limit(metadata):
    project = metadata["project"]
    limits = {}
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for line in itertools.chain.from_iterable(groups):
        one = Requirement(line)
        if one.name != "qiskit-lhv":
            lower = [part.version for part in one.specifier if part.operator in {">=", "~="}]
            assert len(lower) == 1, line
            limits.setdefault(one.name, set()).update(lower)
    assert {name: found for name, found in limits.items() if len(found) > 1} == {}


def test_what_the_ecosystem_asks_for(metadata):
    entry = tomllib.loads((CHECKOUT / ".github" / "qiskit-ecosystem.toml").read_text(encoding="utf-8"))
    project = metadata["project"]
    assert len(entry["description"]) <= 135
    assert len(entry["labels"]) <= 5
    assert entry["license"] == project["license"]
    (qiskit,) = (one for one in map(Requirement, project["dependencies"]) if one.name == "qiskit")
    # The next major version is not declared compatible before it is there.
    assert qiskit.specifier.contains("2.0.0")
    assert not qiskit.specifier.contains("3.0.0")


@pytest.mark.parametrize("tag", ["v99.0.0", "0.2.0", "v0.2", "v0.2.0.dev1"])
def test_a_tag_that_the_files_do_not_name_is_refused(tag):
    script = CHECKOUT / ".ci" / "check_release.py"
    done = subprocess.run([sys.executable, script, tag], capture_output=True, text=True)
    assert done.returncode == 1
    assert tag in done.stdout or tag[1:] in done.stdout
