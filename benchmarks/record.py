"""How far the Werner state can be proven local for all projective measurements, in a run of an hour or less.

``python benchmarks/record.py run 961 --minutes 55`` searches and writes the certificate;
``python benchmarks/record.py verify werner_961.npz`` re-checks one in exact arithmetic.
The bound to beat is 0.6875 of arXiv:2302.04721.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from qiskit_lhv import certify_all_projective, werner_state
from qiskit_lhv.projective import AllProjectiveCertificate


def run(num_settings: int, minutes: float, path: Path, checkpoint: Path | None) -> None:
    begin = time.perf_counter()
    certificate = certify_all_projective(
        werner_state(1),
        directions=num_settings,
        time_limit=60 * minutes,
        seed=0,
        checkpoint=checkpoint,
        progress=True,
    )
    print(f"{certificate} after {time.perf_counter() - begin:.0f} s")
    certificate.save(path)
    print(f"{path.name}: {os.path.getsize(path) / 2**20:.2f} MiB")
    verify(path)


def verify(path: Path) -> None:
    begin = time.perf_counter()
    certificate = AllProjectiveCertificate.load(path)
    print(f"{certificate.verify(werner_state(1))} ({time.perf_counter() - begin:.1f} s)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run")
    runs.add_argument("num_settings", type=int)
    runs.add_argument("--minutes", type=float, default=55)
    runs.add_argument("--path", type=Path)
    runs.add_argument("--checkpoint", type=Path)
    checks = commands.add_parser("verify")
    checks.add_argument("path", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "verify":
        verify(arguments.path)
    else:
        path = arguments.path or Path(f"werner_{arguments.num_settings}.npz")
        run(arguments.num_settings, arguments.minutes, path, arguments.checkpoint)


if __name__ == "__main__":
    main()
