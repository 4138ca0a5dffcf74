"""Configuration of the documentation: ``sphinx-build -W --keep-going -b html docs docs/_build/html``."""

from __future__ import annotations

import re
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent

project = "qiskit_lhv"
author = "The qiskit_lhv developers"
copyright = author
release = installed_version("qiskit-lhv")
# Without the commit that a version between two releases names.
version = release.split("+")[0]
language = "en"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    # Brings MathJax with it, so that equations appear without a network too.
    "sphinx-mathjax-offline",
    "sphinx.ext.viewcode",
    "myst_nb",
    "qiskit_sphinx_theme",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]

html_theme = "qiskit-ecosystem"
html_title = f"qiskit_lhv {version}"

# The docstrings' "Args:" stay as they are written; types stand in the signatures.
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
autodoc_type_aliases = {name: name for name in ("ArrayLike", "ComplexArray", "FloatArray", "IntArray")}
napoleon_numpy_docstring = False
# The tables of names link to entries that are written out below them.
autosummary_generate = False
# Functions, methods and modules that docstrings mention must be found; types in signatures need not.
nitpicky = True
nitpick_ignore_regex = [("py:(class|obj|data)", ".*")]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# The notebooks hold what they show; docs/check_tutorials.py runs them and compares.
nb_execution_mode = "off"


def _copy_tutorials() -> None:
    """Copies the notebooks to where Sphinx finds them; those that are gone disappear here too."""
    source, target = HERE.parent / "tutorials", HERE / "tutorials"
    names = {path.name for path in source.glob("*.ipynb")}
    for old in target.glob("*.ipynb"):
        if old.name not in names:
            old.unlink()
    for name in sorted(names):
        # Notebooks link to pages of the guide as they lie in the repository, so that links work there, too.
        text = (source / name).read_text(encoding="utf-8").replace("](../docs/guide/", "](../guide/")
        # What has not changed stays as it is, so that Sphinx need not read it again.
        if not (target / name).exists() or (target / name).read_text(encoding="utf-8") != text:
            (target / name).write_text(text, encoding="utf-8")


# Stands for a colon while napoleon reads a docstring.
_COLON = "\N{RATIO}\N{WORD JOINER}"


def _hide_colon(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Hides colons in the first line of an attribute's docstring, where napoleon takes what precedes for a type."""
    if what in {"attribute", "property"} and lines:
        lines[0] = lines[0].replace(": ", f"{_COLON} ")


def _finish(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Brings the colons back, and escapes what reStructuredText takes for markup: bars of kets, initials of names."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            line = re.sub(r"^(\s*[A-Z])\. ", r"\1\\. ", line)
            parts = line.replace(_COLON, ":").split("``")
            lines[i] = "``".join(part if j % 2 else part.replace("|", r"\|") for j, part in enumerate(parts))


def _name_aliases(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Shows the names of type aliases where Sphinx shows their representation."""
    shorten = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")
    return signature and shorten.sub(r"\1", signature), returns and shorten.sub(r"\1", returns)


def setup(app: Sphinx) -> None:
    """Connects the hooks above; those on docstrings run before and after napoleon's (priority 500)."""
    app.connect("autodoc-process-docstring", _hide_colon, priority=100)
    app.connect("autodoc-process-docstring", _finish, priority=900)
    app.connect("autodoc-process-signature", _name_aliases)


_copy_tutorials()
