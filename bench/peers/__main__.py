"""`python -m bench.peers [W1 ...] [--only NAME ...] [--quick] [--write]`: side by side."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import machine
from bench.peers import report, results
from bench.peers.contest import Contest
from bench.peers.contestants import CONTESTANTS
from bench.peers.results import Result, Run
from bench.peers.workloads import history, writes

WORKLOADS: dict[str, Callable[[Contest], Iterator[Result]]] = {
    "W1": history.run,
    "W3": writes.run,
}
_FOLDER = Path(__file__).parent
RESULTS = _FOLDER / "results.json"


def main(argv: list[str]) -> int:
    options = _options(argv)
    folder = Path(tempfile.mkdtemp(prefix="flightstore-peers-", dir=options.dir))
    folder.chmod(0o755)  # PostgreSQL's server is another user
    contest = Contest(folder, options.only or CONTESTANTS, quick=options.quick)
    described = machine.describe(folder)
    print(described, flush=True)
    try:
        for name in options.workloads or WORKLOADS:
            run = _run(name, contest, f"python -m bench.peers {' '.join(argv)}", described)
            print(report.run_table(run), flush=True)
            if options.write:
                results.save(RESULTS, [run])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.write:
        report.write(results.load(RESULTS))
    return 0


def _run(name: str, contest: Contest, command: str, described: str) -> Run:
    begun = time.monotonic()
    found = list(WORKLOADS[name](contest))
    print(f"\n{name} ({time.monotonic() - begun:.0f} s)", flush=True)
    return Run(name, command, described, contest.titles, contest.durable, contest.missing, found)


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="W", help=", ".join(WORKLOADS))
    parser.add_argument("--only", nargs="+", metavar="NAME", help=", ".join(CONTESTANTS))
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, fewer rounds")
    parser.add_argument("--write", action="store_true", help="keep and show the results")
    parser.add_argument("--dir", help="where the data go for the time of the run; a real disk")
    options = parser.parse_args(argv)
    for given, known in ((options.workloads, WORKLOADS), (options.only or [], CONTESTANTS)):
        unknown = [name for name in given if name not in known]
        if unknown:
            parser.error(f"there is no {unknown[0]!r}; there are {', '.join(known)}")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
