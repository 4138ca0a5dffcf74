"""Runs every example of the documentation and compares what it prints with what the page shows.

``python docs/check_examples.py`` checks all pages, ``python docs/check_examples.py statistics`` those whose
name contains the word. The exit code is 1 if anything differs. On a page

- the ``python`` blocks run in order, in one namespace; a ``text`` block right below is the expected output;
  those right below the comment ``<!-- not run -->`` do not run;
- the commands after ``$ qiskit-lhv`` in ``console`` blocks run, and the lines below are the expected output;
- a ``{code-block}`` with a caption is written to a file of that name, for later blocks to read.

In expected output ``...`` stands for anything, and the amount of white space does not matter.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

_FENCE = re.compile(
    r"^```(?P<kind>[^\n]*)\n(?:(?P<options>(?::\w+:[^\n]*\n)+)\n?)?(?P<body>.*?)^```[ ]*$", re.MULTILINE | re.DOTALL
)
_NOT_RUN = "<!-- not run -->"
_CAPTION = re.compile(r"^:caption:\s*(\S+)\s*$", re.MULTILINE)
_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    kind: str
    """What stands after the fence, such as ``python``."""
    caption: str | None
    """Its caption, if it has one."""
    body: str
    """Its text."""
    line: int
    """Line of the page on which the text starts."""
    expected: str
    """Text of the ``text`` block right below; empty if there is none."""


def read_blocks(page: Path) -> Iterator[Block]:
    """Yields the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    matches = list(_FENCE.finditer(text))
    for i, match in enumerate(matches):
        follower = matches[i + 1] if i + 1 < len(matches) else None
        adjacent = follower is not None and not text[match.end() : follower.start()].strip()
        expected = follower["body"] if follower and adjacent and follower["kind"].strip() == "text" else ""
        caption = _CAPTION.search(match["options"] or "")
        line = text.count("\n", 0, match.start("body")) + 1
        if text[: match.start()].rstrip().endswith(_NOT_RUN):
            continue
        yield Block(match["kind"].strip(), caption and caption[1], match["body"], line, expected)


def compare(expected: str, printed: str) -> str:
    """Returns the difference between expected and printed output; empty if there is none."""
    # Trailing spaces and blank lines at the end are no part of what a page shows.
    wanted, got = (
        "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n" for text in (expected, printed)
    )
    checker = doctest.OutputChecker()
    if checker.check_output(wanted, got, _OPTIONS):
        return ""
    return checker.output_difference(doctest.Example("", wanted), got, _OPTIONS)


def run_python(page: Path, block: Block, namespace: dict[str, object]) -> str:
    """Runs a ``python`` block; returns what is wrong, or nothing."""
    printed = io.StringIO()
    try:
        code = compile("\n" * (block.line - 1) + block.body, str(page), "exec")
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            # A warning that names the user's own line is an example that should not be shown.
            warnings.filterwarnings("error", module="__main__")
            exec(code, namespace)
    except Exception:
        return traceback.format_exc()
    if not block.expected and page.name == "README.md":
        # The README says in comments what is printed; that it runs is what counts.
        return ""
    return compare(block.expected, printed.getvalue())


def run_console(block: Block) -> str:
    """Runs the commands of a ``console`` block that call the package; returns what is wrong, or nothing."""
    for part in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
        command, _, expected = part.replace("\\\n", "").partition("\n")
        words = shlex.split(command)
        if words[0] != "qiskit-lhv":
            continue
        finished = subprocess.run(
            [sys.executable, "-m", "qiskit_lhv", *words[1:]], capture_output=True, text=True, check=False
        )
        difference = compare(expected, finished.stdout + finished.stderr)
        if difference:
            return f"$ {command} (exit code {finished.returncode})\n{difference}"
    return ""


def check_page(page: Path) -> list[str]:
    """Runs the examples of a page; returns what is wrong, with line numbers."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    problems = []
    for block in read_blocks(page):
        problem = ""
        if block.kind == "python":
            problem = run_python(page, block, namespace)
        elif block.kind == "console":
            problem = run_console(block)
        elif block.caption is not None:
            Path(block.caption).write_text(block.body, encoding="utf-8")
        if problem:
            problems.append(f"{page.relative_to(HERE.parent)}, line {block.line}:\n{problem}")
    return problems


def main(words: list[str]) -> int:
    """Checks all pages whose name contains one of the words, or all; returns the exit code."""
    root = HERE.parent
    pages = [root / "README.md", root / "CONTRIBUTING.md", HERE / "index.md", *sorted((HERE / "guide").rglob("*.md"))]
    failed = False
    for page in pages:
        if words and not any(word in page.name for word in words):
            continue
        start, home = time.monotonic(), Path.cwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                problems = check_page(page)
            finally:
                os.chdir(home)
        failed |= bool(problems)
        state = "FAILED" if problems else "ok"
        print(f"{page.relative_to(HERE.parent)!s:<44}{state:<8}{time.monotonic() - start:.1f} s", flush=True)
        print("\n".join(problems), end="\n" if problems else "")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
