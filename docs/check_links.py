"""Checks that what the pages link to is there: files of the repository, and headings of Markdown pages.

``python docs/check_links.py`` reads the Markdown files of the root and of ``docs``, ``benchmarks`` and ``.github``, and
the notebooks of ``tutorials``. The exit code is 1 if a link leads nowhere. Addresses on the web are left alone, and
roles such as ``{doc}`` are for Sphinx to check.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_CODE = re.compile(r"^(```|~~~).*?^\1[ ]*$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|<(?:img|a)\b[^>]*\b(?:src|href)=\"([^\"]+)\"")
_HEADING = re.compile(r"^#{1,6}[ ]+(.+?)[ ]*#*$", re.MULTILINE)


def text_of(page: Path) -> str:
    """The Markdown of a page, or of all Markdown cells of a notebook."""
    text = page.read_text(encoding="utf-8")
    if page.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def anchors_of(page: Path) -> set[str]:
    """The anchors that headings of a page have, as GitHub and MyST write them."""
    # Spans of code keep their text in anchors, blocks of code have no headings.
    text = re.sub(r"^(```|~~~).*?^\1[ ]*$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    found = set(re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE))
    for heading in _HEADING.findall(text):
        plain = re.sub(r"[^\w\s-]", "", heading.lower()).strip()
        anchor = re.sub(r"\s", "-", plain)
        found |= {anchor, anchor.replace("_", "-"), heading.replace(" ", "-")}
    return found


def labels() -> set[str]:
    """The labels that pages of the documentation give to places, ``(label)=``; MyST links to them by name."""
    texts = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md")]
    return {label for text in texts for label in re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE)}


def problems_of(page: Path, known: set[str]) -> list[str]:
    """The links of a page that lead nowhere; labels that are known to Sphinx lead somewhere."""
    found = []
    for match in _LINK.finditer(_CODE.sub("", text_of(page))):
        link = urllib.parse.unquote(match[1] or match[2])
        if link in known or re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        name, _, anchor = link.partition("#")
        # Sphinx takes a slash at the beginning for the folder of the documentation.
        base = ROOT / "docs" if name.startswith("/") else page.parent
        target = (base / name.lstrip("/")).resolve() if name else page
        if not target.is_relative_to(ROOT):
            found.append(f"{link}: outside the repository")
        elif not target.exists():
            found.append(f"{link}: no such file")
        elif anchor and target.suffix in {".md", ".ipynb"} and anchor not in anchors_of(target):
            found.append(f"{link}: no such heading")
    return found


def main() -> int:
    """Checks all pages; returns the exit code."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "tutorials").glob("*.ipynb")]
    for folder in ("docs", "benchmarks", ".github"):
        pages += [page for page in (ROOT / folder).rglob("*.md") if "_build" not in page.parts]
    known, docs = labels(), ROOT / "docs"
    problems = [
        f"{page.relative_to(ROOT)}: {one}"
        for page in sorted(pages)
        for one in problems_of(page, known if page.is_relative_to(docs) else set())
    ]
    print("\n".join(problems) or f"links of {len(pages)} pages: ok")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
