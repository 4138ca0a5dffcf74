"""The check of measured figures in the docs: what it finds in a small repository."""

from __future__ import annotations

from pathlib import Path

import pytest

PAGE = """# A page

A search takes 2.4 s, and comes to $1.2 \\cdot 10^{-7}$.
Mixed with 30% of noise.

```text
states  seconds
     1     0.50
```
"""
LOG = """# command: python benchmarks/speed.py
# date: 2026-11-27

search: 2.38 s, KL 1.21e-07
states  seconds
     1     0.50
"""
LISTED = """
[commands]
speed = "benchmarks/speed.py"

[[figure]]
page = "page.md"
quote = 'takes <2.4> s, and comes to $<1.2 \\cdot 10^{-7}>$'
printed = "speed"
prints = ["search: <2.38> s", "KL <1.21e-07>"]

[[block]]
page = "page.md"
printed = "speed"
title = "seconds by state"
begins = "states  seconds"

[[allowed]]
page = "page.md"
text = "30% of noise"
reason = "an input"
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one page, one command and what it printed; nothing is amiss."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    files = {
        "README.md": "No figures.",
        "docs/guide/page.md": PAGE,
        "benchmarks/speed.py": "",
        "benchmarks/README.md": "# Benchmarks\n",
        "benchmarks/figures.toml": LISTED,
        "benchmarks/printed/speed.txt": LOG,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    from check_figures import Check

    Check(tmp_path).write()
    return tmp_path


def errors_after(root: Path, name: str, old: str, new: str) -> list[str]:
    """What is amiss after a replacement in one file."""
    from check_figures import Check

    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new))
    return Check(root).run()


def test_nothing_is_amiss_where_pages_say_what_was_printed(repository: Path) -> None:
    assert errors_after(repository, "README.md", "No", "Still no") == []
    table = (repository / "benchmarks" / "README.md").read_text()
    assert "| docs/guide/page.md | takes 2.4 s, and comes to" in table
    assert "| `python benchmarks/speed.py` | 2026-11-27 |" in table


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("docs/guide/page.md", "2.4 s", "2.6 s", "the page does not say"),
        ("benchmarks/printed/speed.txt", "2.38 s", "2.61 s", "does not say"),
        ("benchmarks/figures.toml", "<2.38>", "<2.3>", "does not say"),
        ("docs/guide/page.md", "Mixed", "Twice as good in 3 minutes. Mixed", "'3 minutes' is not listed"),
        ("docs/guide/page.md", "Mixed", "A loss of 3e-9. Mixed", "'3e-9' is not listed"),
        ("docs/guide/page.md", "     1     0.50", "     1     0.40", "is not what was printed"),
        ("docs/guide/page.md", "states  seconds", "cases  seconds", "no example prints"),
        ("docs/guide/page.md", "Mixed with 30% of", "Without", "no longer says"),
        ("benchmarks/printed/speed.txt", "2026-11-27", "yesterday", "the date"),
        ("benchmarks/printed/speed.txt", "2026-11-27", "2026-11-28", "out of date"),
        ("benchmarks/figures.toml", "benchmarks/speed.py", "benchmarks/gone.py", "there is no"),
    ],
)
def test_what_does_not_agree_is_found(repository: Path, name: str, old: str, new: str, message: str) -> None:
    assert any(message in error for error in errors_after(repository, name, old, new))


def test_a_rounded_number_must_round_to_what_is_quoted(repository: Path) -> None:
    log = (repository / "benchmarks/printed/speed.txt").read_text().replace("2.38", "2.47")
    (repository / "benchmarks/printed/speed.txt").write_text(log)
    found = errors_after(repository, "benchmarks/figures.toml", "<2.38>", "<2.47>")
    assert any("quotes 2.4, but 2.47 was printed" in error for error in found)
