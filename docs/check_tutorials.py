"""Runs the tutorials and compares what they show with what is stored in them.

``python docs/check_tutorials.py`` runs all notebooks, ``python docs/check_tutorials.py 03 chain`` those whose name
contains one of the words; ``--write`` stores what they show now. The exit code is 1 if a notebook fails or shows
something else than it stores. A notebook that takes more than 20 seconds of processor time is pointed out.

Texts must agree up to white space and up to 2 percent in their numbers, or 0.002 for small ones: machines and
versions round differently. Pictures must be there and look alike. A cell whose output depends on the machine, such
as a time, has the tag ``varies``: it must show something of the same kind.
"""

from __future__ import annotations

import argparse
import base64
import copy
import io
import os
import re
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TUTORIALS = ROOT / "tutorials"
MAX_SECONDS = 20.0

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


def run(notebook: Any, folder: Path) -> None:
    """Runs all cells of a notebook in place; progress bars and warnings on stderr are not kept."""
    from nbclient import NotebookClient

    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    # A kernel runs in its own folder, so that what a tutorial saves stays out of the source.
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            cell.outputs = _joined([_kept(o) for o in cell.outputs if o.get("name") != "stderr"])


def _kept(output: Any) -> Any:
    """Returns an output without what no reader sees: its metadata."""
    if "data" in output:
        output["metadata"] = {}
    return output


def _joined(outputs: list[Any]) -> list[Any]:
    """Joins pieces of one stream, which arrive cut at random places."""
    joined: list[Any] = []
    for output in outputs:
        if output.output_type == "stream" and joined and joined[-1].output_type == "stream":
            joined[-1]["text"] += output["text"]
        else:
            joined.append(output)
    return joined


def pieces(cell: Any) -> list[tuple[str, str]]:
    """Returns what a cell shows as pairs of a kind (``text`` or ``image``) and its contents."""
    found = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if output["output_type"] == "error":
            found.append(("text", f"{output['ename']}: {output['evalue']}"))
        elif output["output_type"] == "stream":
            found.append(("text", output["text"]))
        elif "image/png" in data:
            found.append(("image", data["image/png"]))
        elif "text/html" in data:
            found.append(("text", re.sub(r"<svg.*?</svg>", "<svg>", data["text/html"], flags=re.DOTALL)))
        elif "text/plain" in data:
            found.append(("text", data["text/plain"]))
    return found


def same_text(stored: str, shown: str) -> bool:
    """Whether two texts agree up to white space, addresses and the rounding of numbers."""
    stored, shown = (_ADDRESS.sub("0x", " ".join(text.split())) for text in (stored, shown))
    if " ".join(_NUMBER.sub("#", stored).split()) != " ".join(_NUMBER.sub("#", shown).split()):
        return False
    pairs = zip(_NUMBER.findall(stored), _NUMBER.findall(shown), strict=True)
    return all(_same_number(first, second) for first, second in pairs)


def _same_number(first: str, second: str) -> bool:
    a, b = float(first), float(second)
    return abs(a - b) <= max(0.002, 0.02 * max(abs(a), abs(b)))


def same_image(stored: str, shown: str) -> bool:
    """Whether two pictures have about the same size and about the same grays."""
    import numpy as np
    from matplotlib import image

    first, second = (
        image.imread(io.BytesIO(base64.b64decode(text)), format="png")[..., :3].mean(axis=-1)
        for text in (stored, shown)
    )
    if any(abs(m - n) > 0.1 * m for m, n in zip(first.shape, second.shape, strict=True)):
        return False
    height, width = (min(m, n) for m, n in zip(first.shape, second.shape, strict=True))
    coarse = [_means(picture[:height, :width]) for picture in (first, second)]
    return bool(np.mean(np.abs(coarse[0] - coarse[1])) < 0.05)


def _means(picture: Any, size: int = 16) -> Any:
    """Returns means over squares of pixels, which do not see that letters moved by a pixel."""
    height, width = (n - n % size for n in picture.shape)
    return picture[:height, :width].reshape(height // size, size, width // size, size).mean(axis=(1, 3))


def differences(stored: Any, shown: Any) -> list[str]:
    """Returns a line for every cell that shows something else than what is stored."""
    found = []
    for number, (old, new) in enumerate(zip(stored.cells, shown.cells, strict=True)):
        before, after = pieces(old), pieces(new)
        if [kind for kind, _ in before] != [kind for kind, _ in after]:
            found.append(f"cell {number}: shows other kinds of output than are stored")
            continue
        if "varies" in old.metadata.get("tags", []):
            continue
        for (kind, first), (_, second) in zip(before, after, strict=True):
            if kind == "text" and not same_text(first, second):
                found.append(f"cell {number}: stored\n{first}\nbut shows\n{second}")
            elif kind == "image" and not same_image(first, second):
                found.append(f"cell {number}: the picture is another one")
    return found


def check(path: Path, write: bool) -> tuple[list[str], float]:
    """Runs a notebook; returns what is wrong with it, and its seconds of processor time."""
    import nbformat
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.read(path, as_version=4)
    stored = copy.deepcopy(notebook)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        try:
            run(notebook, Path(folder))
        except CellExecutionError as error:
            return [str(error)], 0.0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    problems = [] if write else differences(stored, notebook)
    if write:
        nbformat.write(notebook, path)
    return problems, seconds


def main() -> int:
    """Checks or writes the notebooks; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="parts of the names of notebooks; all notebooks if there is none")
    parser.add_argument("--write", action="store_true", help="store what the notebooks show now")
    options = parser.parse_args()
    failed = False
    for path in sorted(TUTORIALS.glob("*.ipynb")):
        if options.words and not any(word in path.name for word in options.words):
            continue
        start = time.monotonic()
        problems, seconds = check(path, options.write)
        failed |= bool(problems)
        state = "FAILED" if problems else "ok"
        wall = time.monotonic() - start
        note = f", more than {MAX_SECONDS:.0f}" if seconds > MAX_SECONDS else ""
        print(f"{path.name:<40}{state:<8}{seconds:.1f} s of processor time{note}, {wall:.1f} s", flush=True)
        print("\n".join(problems), end="\n" if problems else "")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
