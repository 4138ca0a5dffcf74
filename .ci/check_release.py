"""Checks that a tag, the changelog, the citation and the built archives name the same version.

``python .ci/check_release.py v0.2.0 dist`` looks at the files of the repository and at the archives in ``dist``;
without a folder, at the files alone. The exit code is 1 if anything differs.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def problems(tag: str, folder: Path | None) -> list[str]:
    """What stands in the way of a release with this tag."""
    match = re.fullmatch(r"v(\d+\.\d+\.\d+(?:rc\d+)?)", tag)
    if match is None:
        return [f"{tag}: a tag of a release is such as v0.2.0 or v0.2.0rc1"]
    version, found = match[1], []
    if "rc" not in version:
        changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        heading = re.search(r"^## (\d\S*) \((\d{4}-\d\d-\d\d)\)$", changelog, re.MULTILINE)
        citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
        stated = dict(re.findall(r"^(version|date-released): [\"']?([\w.-]+)", citation, re.MULTILINE))
        if heading is None or heading[1] != version:
            found.append(f"CHANGELOG.md: the newest heading is not '## {version} (YYYY-MM-DD)'")
        elif stated.get("date-released") != heading[2]:
            found.append(f"CITATION.cff: date-released is not {heading[2]}, the date in CHANGELOG.md")
        if stated.get("version") != version:
            found.append(f"CITATION.cff: version is not {version}")
    if folder is not None:
        names = {path.name for path in folder.iterdir()}
        wanted = {f"qiskit_lhv-{version}.tar.gz", f"qiskit_lhv-{version}-py3-none-any.whl"}
        if names != wanted:
            found.append(f"{folder}: expected {', '.join(sorted(wanted))}, got {', '.join(sorted(names))}")
    return found


def main(words: list[str]) -> int:
    """Checks one tag; returns the exit code."""
    found = problems(words[0], Path(words[1]) if len(words) > 1 else None)
    print("\n".join(found) or f"{words[0]}: ok")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
