"""Checks that every measured figure in the docs stands in what a command printed; runs none of them.

``python benchmarks/check_figures.py`` compares the pages with ``figures.toml`` and ``printed/``; the exit code is 1 if
anything is amiss. ``--write`` brings the table in ``README.md`` of this folder and the listed blocks of the pages up to
date first. ``figures.toml`` has four kinds of entries:

- ``[commands]``: the command line behind each printed file; ``print_figures.py`` runs them.
- ``[[figure]]``: a ``page`` quotes numbers, which stand in ``<`` ``>`` within ``quote``. The file ``printed`` shows
  them as ``prints``, one text with one number in ``<`` ``>`` for each. Both agree to the digits quoted, after a
  ``factor`` such as 100 for percentages. With ``at_most``, ``quote`` has words instead, such as "in seconds", and no
  number of ``prints`` exceeds it.
- ``[[block]]``: a ``text`` block whose first line matches ``begins`` (a regular expression). Its lines are those of the
  file ``printed`` from the line that matches, to the next empty line or so many as ``lines``.
- ``[[allowed]]``: a ``text`` that looks measured and is not, with the ``reason``; without ``page``, on every page.

A page is named by its path or by the end of it, such as the name of the file alone.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from print_figures import header

_BEGIN, _END = "<!-- figures: written by check_figures.py -->", "<!-- end of figures -->"
_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_WORD = r"(?:half an?|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty)"
_MEASURED = re.compile(
    rf"(?<![\w.]){_NUMBER}\s*(?:ms|µs|s|seconds?|minutes?|hours?|core hours|[kMGT]i?B)\b"
    rf"|\b{_WORD} (?:seconds?|minutes?|hours?|milliseconds?)\b"
    rf"|(?<![\w.]){_NUMBER} times (?:faster|slower|as|more|less|fewer)\b"
    r"|(?<![\w.])\d+(?:\.\d+)?e-\d+|(?<![\w.])[1-9](?:\.\d+)? ?\\(?:cdot|times) ?10\^\{-\d+\}"
    rf"|(?<![\w.]){_NUMBER} ?(?:\\?%|percent\b)"
)
_MARKED = re.compile(r"<([^<>\s][^<>]*)>")
_FENCE = re.compile(r"^(?P<mark>```+)(?P<kind>[^\n`]*)\n(?P<body>.*?)^(?P=mark)[ ]*$", re.MULTILINE | re.DOTALL)
# Outputs below these are run again by docs/check_examples.py.
_RUN = ("python", "console")


@dataclass
class Page:
    """Text of a page; spans of its prose that are covered by a listed figure."""

    path: Path
    text: str
    covered: list[tuple[int, int]] = field(default_factory=list)

    @property
    def prose(self) -> str:
        """The text with everything blanked that is no prose: code, links, options."""
        return re.sub(r"\]\([^)]*\)|https?://\S+|`[^`\n]*`", _blank, _FENCE.sub(_blank, self.text))

    def unexplained_blocks(self) -> Iterator[tuple[int, str]]:
        """Line and body of the blocks of output that no example of the page prints."""
        kind, end = "", 0
        for match in _FENCE.finditer(self.text):
            between = self.text[end : match.start()].strip()
            if match["kind"].strip() == "text" and (between or kind not in _RUN):
                yield self.text.count("\n", 0, match.start()) + 1, match["body"]
            kind, end = match["kind"].strip(), match.end()


class Check:
    """The listed figures of a repository beside its pages and printed files.

    Args:
        root: The folder of the repository.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.errors: list[str] = []
        self.listed: dict[str, Any] = tomllib.loads((root / "benchmarks" / "figures.toml").read_text())
        folder = root / "benchmarks" / "printed"
        self.printed = {path.stem: path.read_text() for path in sorted(folder.glob("*.txt"))}
        found = [root / "README.md"]
        for name in ("docs", "tutorials"):
            found += sorted((root / name).rglob("*.md")) + sorted((root / name).rglob("*.ipynb"))
        # The docs copy the tutorials when they are built.
        found = [path for path in found if path.exists() and not {"_build", ".ipynb_checkpoints"} & set(path.parts)]
        found = [path for path in found if path.suffix == ".md" or path.parent == root / "tutorials"]
        self.pages = [Page(path, _read(path)) for path in found]

    def page(self, name: str) -> Page | None:
        """The page of a path or a file name."""
        exact = [page for page in self.pages if page.path == self.root / name]
        found = exact or [page for page in self.pages if page.path.match(name)]
        if len(found) != 1:
            self.errors.append(f"{name}: {len(found)} pages have this name")
        return found[0] if len(found) == 1 else None

    def run(self) -> list[str]:
        """Everything that is amiss, a sentence each."""
        self._commands()
        for entry in self.listed.get("figure", []):
            self._figure(entry)
        for entry in self.listed.get("block", []):
            self._block(entry)
        self._allowed()
        self._uncovered()
        readme = self.root / "benchmarks" / "README.md"
        if self.with_table(readme.read_text()) != readme.read_text():
            self.errors.append("benchmarks/README.md: the table of figures is out of date: run with --write")
        return self.errors

    def write(self) -> None:
        """Bring the table of figures and the listed blocks up to date."""
        for entry in self.listed.get("block", []):
            page, lines = self.page(entry["page"]), self._lines(entry)
            if page is None or lines is None:
                continue
            old = self._body(page, entry)
            if old is not None and page.path.suffix == ".md":
                page.text = page.text.replace(old, "\n".join(lines) + "\n", 1)
                page.path.write_text(page.text)
        readme = self.root / "benchmarks" / "README.md"
        readme.write_text(self.with_table(readme.read_text()))
        self.errors.clear()

    def with_table(self, text: str) -> str:
        """The text with the table of all figures between its marks."""
        rows = ["| page | figure | printed by | on |", "|---|---|---|---|"]
        for entry in self.listed.get("figure", []) + self.listed.get("block", []):
            shown = _MARKED.sub(r"\1", entry["quote"]) if "quote" in entry else f"table: {entry['title']}"
            name, page = entry["printed"], entry["page"]
            head = header(self.printed.get(name, ""))
            shown = " ".join(shown.replace("|", " ").split())
            where = [one.path.relative_to(self.root) for one in self.pages if one.path.match(page)] or [page]
            command, date = head.get("command", "?"), head.get("date", "never")
            rows.append(f"| {where[0]} | {shown} | `{command}` | {date} |")
        before, _, rest = text.partition(_BEGIN)
        return before + "\n".join([_BEGIN, "", *rows, "", _END]) + rest.partition(_END)[2]

    def _commands(self) -> None:
        for name, command in self.listed["commands"].items():
            if not (self.root / command.split()[0]).exists():
                self.errors.append(f"{name}: there is no {command.split()[0]}")
        for name, text in self.printed.items():
            head = header(text)
            try:
                datetime.date.fromisoformat(head.get("date", ""))
            except ValueError:
                self.errors.append(f"printed/{name}.txt: the date is {head.get('date')!r}")
            expected = "python " + self.listed["commands"].get(name, "?").replace("{files}/", "")
            if head.get("command") != expected:
                self.errors.append(f"printed/{name}.txt: printed by another command than {expected!r}")

    def _log(self, entry: dict[str, Any]) -> str | None:
        name = entry["printed"]
        if name not in self.printed:
            self.errors.append(f"{entry['page']}: printed/{name}.txt is missing")
        return self.printed.get(name)

    def _figure(self, entry: dict[str, Any]) -> None:
        page, log = self.page(entry["page"]), self._log(entry)
        if page is None or log is None:
            return
        numbers = _MARKED.findall(entry["quote"])
        # Every other piece is a number, and becomes a group.
        pieces = _MARKED.split(entry["quote"])
        pattern = "".join(f"({re.escape(p)})" if k % 2 else _flexible(p) for k, p in enumerate(pieces))
        places = list(re.finditer(pattern, page.text))
        if not places:
            self.errors.append(f"{entry['page']}: the page does not say {_MARKED.sub(chr(92) + '1', entry['quote'])!r}")
            return
        for place in places:
            page.covered += [place.span(k + 1) for k in range(len(numbers))] or [place.span()]
        prints = entry["prints"] if isinstance(entry["prints"], list) else [entry["prints"]]
        printed = []
        for text in prints:
            if not re.search(_flexible(_MARKED.sub(r"\1", text)), log):
                self.errors.append(f"printed/{entry['printed']}.txt does not say {text!r}")
            printed.append(_value(_MARKED.findall(text)[0]))
        if "at_most" in entry:
            self.errors += [
                f"{entry['page']}: {v} is above {entry['at_most']}" for v in printed if v > entry["at_most"]
            ]
            return
        if len(printed) != len(numbers):
            self.errors.append(f"{entry['page']}: {len(numbers)} numbers quoted, {len(printed)} printed: {numbers}")
        for number, value in zip(numbers, printed, strict=False):
            if abs(_value(number) - value * entry.get("factor", 1)) > 0.501 * _last_digit(number):
                self.errors.append(
                    f"{entry['page']}: quotes {number}, but {value * entry.get('factor', 1):g} was printed"
                )

    def _lines(self, entry: dict[str, Any]) -> list[str] | None:
        lines = (self._log(entry) or "").splitlines()
        starts = [k for k, line in enumerate(lines) if re.match(entry["begins"], line)]
        if not starts:
            self.errors.append(f"printed/{entry['printed']}.txt: no line begins with {entry['begins']!r}")
            return None
        rest = lines[starts[0] :]
        return rest[: entry.get("lines", rest.index("") if "" in rest else len(rest))]

    def _body(self, page: Page, entry: dict[str, Any]) -> str | None:
        found = [body for _, body in page.unexplained_blocks() if re.match(entry["begins"], body)]
        if len(found) != 1:
            self.errors.append(f"{entry['page']}: {len(found)} blocks begin with {entry['begins']!r}")
        return found[0] if len(found) == 1 else None

    def _block(self, entry: dict[str, Any]) -> None:
        page, lines = self.page(entry["page"]), self._lines(entry)
        if page is None or lines is None:
            return
        body = self._body(page, entry)
        if body is not None and [line.rstrip() for line in body.splitlines()] != lines:
            self.errors.append(
                f"{entry['page']}: the block {entry['begins']!r} is not what was printed: run with --write"
            )

    def _allowed(self) -> None:
        for entry in self.listed.get("allowed", []):
            pages = [self.page(entry["page"])] if "page" in entry else self.pages
            found = [
                (page, place) for page in pages if page for place in re.finditer(_flexible(entry["text"]), page.text)
            ]
            if not found and "page" in entry:
                self.errors.append(f"{entry['page']}: no longer says {entry['text']!r}, which was allowed")
            if not entry.get("reason"):
                self.errors.append(f"{entry['text']!r} is allowed without a reason")
            for page, place in found:
                page.covered.append(place.span())

    def _uncovered(self) -> None:
        begins: dict[Path, list[str]] = defaultdict(list)
        for entry in self.listed.get("block", []):
            if page := self.page(entry["page"]):
                begins[page.path].append(entry["begins"])
        for page in self.pages:
            name = page.path.relative_to(self.root)
            for line, body in page.unexplained_blocks():
                if not any(re.match(pattern, body) for pattern in begins[page.path]):
                    self.errors.append(f"{name}:{line}: a block of output that no example prints is not listed")
            for match in _MEASURED.finditer(page.prose):
                # Percentages in a tutorial are the inputs and outputs of its own cells.
                if page.path.suffix == ".ipynb" and match[0].endswith(("%", "percent")):
                    continue
                if not any(a < match.end() and match.start() < b for a, b in page.covered):
                    line = page.text.count("\n", 0, match.start()) + 1
                    shown = " ".join(page.text[max(0, match.start() - 40) : match.end() + 30].split())
                    self.errors.append(f"{name}:{line}: {match[0]!r} is not listed: ... {shown} ...")


def _read(path: Path) -> str:
    text = path.read_text()
    if path.suffix != ".ipynb":
        return text
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")


def _blank(match: re.Match[str]) -> str:
    """White space of the same length and lines."""
    return re.sub(r"\S", " ", match[0])


def _flexible(text: str) -> str:
    """A regular expression for the text with any white space, line breaks included."""
    return r"\s+".join(re.escape(word) for word in re.split(r"\s+", text))


def _plain(number: str) -> str:
    """A number as Python writes it."""
    return re.sub(r" ?\\(?:cdot|times) ?10\^\{?(-?\d+)\}?", r"e\1", number.replace(",", ""))


def _value(number: str) -> float:
    return float(_plain(number))


def _last_digit(number: str) -> float:
    """The size of one unit in the last digit of a number."""
    mantissa, _, exponent = _plain(number).partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def main() -> int:
    """Check the repository that this file is in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="bring the table and the listed blocks up to date first")
    root = Path(__file__).resolve().parents[1]
    if parser.parse_args().write:
        Check(root).write()
    check = Check(root)
    for error in check.run():
        print(error)
    count = len(check.listed.get("figure", [])) + len(check.listed.get("block", []))
    print(f"{count} figures and tables of {len(check.printed)} commands; {len(check.errors)} errors")
    return int(bool(check.errors))


if __name__ == "__main__":
    sys.exit(main())
