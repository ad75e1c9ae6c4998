"""`python -m bench.peers [W1 ...] [--only NAME ...] [--quick] [--write] [--list]`: side by side."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import machine
from bench.peers import report, results
from bench.peers.contest import Contest, Failed
from bench.peers.contestants import CONTESTANTS
from bench.peers.results import Result, Run
from bench.peers.workloads import (
    aggregates,
    asof,
    candles,
    growth,
    history,
    live,
    resources,
    small_reads,
    wide,
    writes,
)

WORKLOADS: dict[str, Callable[[Contest], Iterator[Result]]] = {
    "W1": history.run,
    "W2": wide.run,
    "W3": writes.run,
    "W4": candles.run,
    "W5": small_reads.run,
    "W6": asof.run,
    "W7": aggregates.run,
    "W8": live.run,
    "W9": growth.run,
    "W10": resources.run,
}
_FOLDER = Path(__file__).parent
RESULTS = _FOLDER / "results.json"


def main(argv: list[str]) -> int:
    options = _options(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # servers and data go
    folder = Path(tempfile.mkdtemp(prefix="flightstore-peers-", dir=options.dir))
    folder.chmod(0o755)  # PostgreSQL's server is another user
    contest = Contest(folder, options.only or CONTESTANTS, quick=options.quick)
    described = machine.describe(folder)
    print(described, flush=True)
    try:
        if options.list:
            _list(contest)
            return 0
        for name in options.workloads or WORKLOADS:
            run = _run(name, contest, f"python -m bench.peers {' '.join(argv)}", described)
            print(report.run_table(run), flush=True)
            if options.write:
                results.save(RESULTS, [run])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.write:
        for problem in report.write(results.load(RESULTS)):
            print(problem, file=sys.stderr)
    return 0


def _list(contest: Contest) -> None:
    for name in contest.names:
        with contest.driver(name) as driver:
            can = f"missing: {driver.missing}" if driver.missing else driver.title
            print(f"{name:<12} {' '.join(can.split())}", flush=True)


def _run(name: str, contest: Contest, command: str, described: str) -> Run:
    begun = time.monotonic()
    found: list[Result] = []
    try:
        found.extend(WORKLOADS[name](contest))
    except Failed as error:  # what came before it stays, and other workloads are to come
        found.append(Result(name, "the rest", "nobody", failed=str(error)))
    print(f"\n{name} ({time.monotonic() - begun:.0f} s)", flush=True)
    return Run(name, command, described, contest.titles, contest.durable, contest.missing, found)


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="W", help=", ".join(WORKLOADS))
    parser.add_argument("--only", nargs="+", metavar="NAME", help=", ".join(CONTESTANTS))
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, fewer rounds")
    parser.add_argument("--write", action="store_true", help="keep and show the results")
    parser.add_argument("--list", action="store_true", help="who can take part here, and who not")
    parser.add_argument("--dir", help="where the data go for the time of the run; a real disk")
    options = parser.parse_args(argv)
    for given, known in ((options.workloads, WORKLOADS), (options.only or [], CONTESTANTS)):
        unknown = [name for name in given if name not in known]
        if unknown:
            parser.error(f"there is no {unknown[0]!r}; there are {', '.join(known)}")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
