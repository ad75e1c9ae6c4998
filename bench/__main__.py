"""Measure, and show what was found as tables.

python -m bench [name ...]               measure; --quick: fewer rounds; --write: into FLOORS.md
python -m bench --check [name ...]       quickly, against recorded.json: 1 if a figure got worse
python -m bench --record N [name ...]    measure N times quickly and write recorded.json
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from bench import guard, machine
from bench.figures import Figure, table, write
from bench.floors.measurements import GUARDED, MEASUREMENTS
from bench.session import Session

_RESULTS = Path(__file__).parent / "FLOORS.md"


def main(argv: list[str]) -> int:
    options = _options(argv)
    folder = Path(tempfile.mkdtemp(prefix="flightstore-bench-", dir=options.dir))
    try:
        _check_disk(folder)
        described = machine.describe(folder)
        print(described, flush=True)
        return _run(options, folder, described, f"python -m bench {' '.join(argv)}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(options: argparse.Namespace, folder: Path, described: str, command: str) -> int:
    def quickly(name: str) -> list[Figure]:
        return _measured(name, Session(folder / name, quick=True, watched_only=True))

    if options.check:
        return guard.check(options.names or GUARDED, quickly, described)
    if options.record:
        return guard.take_record(options.names or GUARDED, quickly, options.record, described)
    sections = _shown(options.names or MEASUREMENTS, folder, quick=options.quick)
    if options.write:
        write(_RESULTS, described, command, sections)
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(MEASUREMENTS))
    parser.add_argument("--quick", action="store_true", help="fewer rounds and fewer rows")
    parser.add_argument("--dir", help="where the data go for the time of the run; a real disk")
    purpose = parser.add_mutually_exclusive_group()
    purpose.add_argument("--write", action="store_true", help=f"write {_RESULTS.name}")
    purpose.add_argument("--check", action="store_true", help="compare a quick run with the record")
    purpose.add_argument("--record", type=int, metavar="N", help="write the record of N quick runs")
    options = parser.parse_args(argv)
    known = GUARDED if options.check or options.record else MEASUREMENTS
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"there is no measurement {unknown[0]!r}; there are {', '.join(known)}")
    if options.record is not None and options.record < guard.RUNS_MIN:
        parser.error(f"a record needs at least {guard.RUNS_MIN} runs to know how they spread")
    return options


def _check_disk(folder: Path) -> None:
    kind, _ = machine.mount_of(folder)
    if kind in ("tmpfs", "ramfs"):
        raise SystemExit(f"{folder} is in memory ({kind}); give a folder on a disk with --dir.")


def _shown(names: Iterable[str], folder: Path, *, quick: bool) -> dict[str, list[Figure]]:
    sections = {}
    for name in names:
        sections[name] = _measured(name, Session(folder / name, quick))
        print(table(sections[name]), flush=True)
    return sections


def _measured(name: str, session: Session) -> list[Figure]:
    begun = time.monotonic()
    try:
        figures = list(MEASUREMENTS[name](session))
    finally:
        shutil.rmtree(session.folder, ignore_errors=True)
    load, seconds = os.getloadavg()[0], time.monotonic() - begun
    print(f"\n{name} ({seconds:.0f} s, load {load:.1f} at its end)", flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
