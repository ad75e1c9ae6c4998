"""`python -m bench [name ...] [--quick] [--write]`: measure, and show what was found as tables."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import (
    aggregates,
    asof,
    bulk_puts,
    cold,
    flight_sql,
    ingest_backfill,
    ingest_live,
    latest,
    live,
    machine,
    memory,
    mixed,
    read_history,
    read_many,
    read_tail,
    recovery,
    replica,
    resample,
    same_host,
    small_puts,
    sql,
    start,
    stuck,
    training,
    workers,
    written_bytes,
)
from bench.figures import Figure, table, write
from bench.session import Session

MEASUREMENTS: dict[str, Callable[[Session], Iterator[Figure]]] = {
    "read_history": read_history.run,
    "read_many": read_many.run,
    "read_tail": read_tail.run,
    "small_puts": small_puts.run,
    "bulk_puts": bulk_puts.run,
    "written_bytes": written_bytes.run,
    "start": start.run,
    "recovery": recovery.run,
    "memory": memory.run,
    "cold": cold.run,
    "ingest_backfill": ingest_backfill.run,
    "ingest_live": ingest_live.run,
    "aggregates": aggregates.run,
    "asof": asof.run,
    "latest": latest.run,
    "live": live.run,
    "stuck": stuck.run,
    "mixed": mixed.run,
    "replica": replica.run,
    "workers": workers.run,
    "resample": resample.run,
    "sql": sql.run,
    "flight_sql": flight_sql.run,
    "training": training.run,
    "same_host": same_host.run,
}
_RESULTS = Path(__file__).parent / "RESULTS.md"


def main(argv: list[str]) -> int:
    options = _options(argv)
    folder = Path(tempfile.mkdtemp(prefix="flightstore-bench-", dir=options.dir))
    try:
        _check_disk(folder)
        described = machine.describe(folder)
        print(described, flush=True)
        sections = _run(options.names or list(MEASUREMENTS), folder, quick=options.quick)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.write:
        write(_RESULTS, described, f"python -m bench {' '.join(argv)}", sections)
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(MEASUREMENTS))
    parser.add_argument("--quick", action="store_true", help="fewer rounds: under three minutes")
    parser.add_argument("--write", action="store_true", help=f"write {_RESULTS.name}")
    parser.add_argument("--dir", help="where the data go for the time of the run; a real disk")
    options = parser.parse_args(argv)
    unknown = [name for name in options.names if name not in MEASUREMENTS]
    if unknown:
        parser.error(f"there is no measurement {unknown[0]!r}; there are {', '.join(MEASUREMENTS)}")
    return options


def _check_disk(folder: Path) -> None:
    kind, _ = machine.mount_of(folder)
    if kind in ("tmpfs", "ramfs"):
        raise SystemExit(f"{folder} is in memory ({kind}); give a folder on a disk with --dir.")


def _run(names: list[str], folder: Path, *, quick: bool) -> dict[str, list[Figure]]:
    sections = {}
    for name in names:
        begun = time.monotonic()
        place = folder / name
        sections[name] = list(MEASUREMENTS[name](Session(place, quick)))
        shutil.rmtree(place, ignore_errors=True)
        load, seconds = os.getloadavg()[0], time.monotonic() - begun
        print(f"\n{name} ({seconds:.0f} s, load {load:.1f} at its end)", flush=True)
        print(table(sections[name]), flush=True)
    return sections


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
