"""Live trades from the websocket into the store: 2,000 a second over 50 series, none lost.

A simulated Binance on loopback, the service, and the store are three processes. The time from wire
to store is from a trade's own time, which is when the exchange sends it, to the store's
acknowledgement of its put; the exchange's own few milliseconds are in it as well.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator

from bench.figures import Figure
from bench.processes import PeakMemory, flightstore, simulated
from bench.session import Session

_RATE = 2_000
_SERIES = 50


def run(session: Session) -> Iterator[Figure]:
    rows = _RATE * session.pick(60, 10)
    with (
        simulated(["live", str(_SERIES), str(_RATE), str(rows // _RATE)]) as exchange,
        flightstore(session.fresh("live") / "store") as server,
        server.client() as db,
    ):
        seen, peak = _follow(server.uri, exchange.uri, rows)
        lost = rows - int(db.series("binance:*", dataset="trades")["rows"].sum())
    yield Figure("live trades lost, of 2,000 a second over 50 series", lost, "rows", at_most=0)
    yield _lag([value * 1e3 for value in seen["lags"]])
    yield Figure(
        "memory of the ingestion at its peak",
        peak / 2**20,
        "MiB",
        at_most=400,
        note="after each third " + ", ".join(f"{size / 2**20:.0f}" for size in seen["memory"]),
    )


def _follow(store: str, exchange: str, rows: int) -> tuple[dict[str, list[float]], int]:
    program = [sys.executable, "-m", "bench.floors.ingestion.ingesting"]
    command = [*program, store, exchange, str(_SERIES), str(rows)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with PeakMemory(process.pid) as peak:
        said, _ = process.communicate()
    if process.returncode:
        raise SystemExit("The ingestion failed; its message is above.")
    return json.loads(said), peak.bytes


def _lag(lags: list[float]) -> Figure:
    low, _, high = statistics.quantiles(lags, n=4)
    middle = statistics.median(lags)
    return Figure(
        "median time from the exchange's clock to the acknowledgement",
        middle,
        "ms",
        at_most=100,
        spread=(low, middle, high),
        note=f"99 of 100 within {statistics.quantiles(lags, n=100)[98]:.0f} ms",
    )
