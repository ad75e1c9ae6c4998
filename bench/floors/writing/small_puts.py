"""Durable puts of one trade on one open stream.

Latency (send, wait until durable) against a raw append plus fdatasync of as many bytes as the log
takes for such a put, in this process and on the same disk; for orientation also against a bare
Flight put of one row that is appended, synced and acknowledged. Then many puts under way on one
stream, per put. Then eight writers in processes of their own, each waiting for every
acknowledgement, against one.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pyarrow as pa

import flightstore as fs
from bench import inputs
from bench.figures import Figure, compared, in_ms
from bench.floors import bare_flight
from bench.floors.writing import writers
from bench.measure import Ratio, Seconds, alternating_calls, interleaved, quartiles, ratio
from bench.processes import flightstore, floor
from bench.session import Session

_BLOCK = 25
_RECORD_BYTES = 160  # a log group of one put of one trade
_STREAMED = 2_000


def run(session: Session) -> Iterator[Figure]:
    data = session.fresh("puts")
    with flightstore(data / "store") as server, floor([str(data)]) as bare:
        with server.client() as db:
            taken = _latencies(session, data, db, bare.uri)
            yield from _latency(taken)
            yield _streamed(session, data, db)
        if not session.watched_only:
            yield from _together(session, {"ours": server.uri, "bare": bare.uri})


def _latencies(session: Session, data: Path, db: fs.Client, uri: str) -> dict[str, Seconds]:
    fd = _raw_file(data)
    bare = bare_flight.BarePut(uri, "one-row")
    with db.writer("trades") as writer:
        name, rows = "bench:LATENCY/USD", _rows()
        taken = alternating_calls(
            session.pick(4_000, 1_000),
            {
                "raw": lambda: bare_flight.append(fd, bytes(_RECORD_BYTES)),
                "bare put": lambda: bare.ping(next(rows)),
                "ours": lambda: writer.write(name, next(rows)).result(),
            },
            block=_BLOCK,
        )
    bare.close()
    os.close(fd)
    return taken


def _latency(taken: dict[str, Seconds]) -> Iterator[Figure]:
    raw, bare, ours = taken["raw"], taken["bare put"], taken["ours"]
    yield compared(
        "latency of a put, of a raw append and fdatasync's",
        ratio(ours, raw, block=_BLOCK),
        at_most=3,
        note=in_ms(raw=raw, ours=ours),
        watched="less",
    )
    yield compared(
        "latency of a put, of a bare Flight put's",
        ratio(ours, bare, block=_BLOCK),
        note=in_ms(bare=bare),
        watched="less",
    )


def _streamed(session: Session, data: Path, db: fs.Client) -> Figure:
    fd = _raw_file(data)
    rows = _rows()

    def raw() -> None:
        for _ in range(_STREAMED):
            bare_flight.append(fd, bytes(_RECORD_BYTES))

    def ours() -> None:
        with db.writer("trades") as writer:
            for _ in range(_STREAMED):
                writer.write("bench:STREAMED/USD", next(rows))

    taken = interleaved(session.pick(9, 7), {"raw": raw, "ours": ours})
    os.close(fd)
    each = {name: [t / _STREAMED for t in times] for name, times in taken.items()}
    return compared(
        "time per put of many under way on one stream, of a raw append and fdatasync's",
        ratio(each["ours"], each["raw"]),
        at_most=3,
        note=in_ms(**each),
        watched="less",
    )


def _together(session: Session, uris: dict[str, str]) -> Iterator[Figure]:
    puts = session.pick(1_000, 400)
    taken: dict[str, list[list[float]]] = {kind: [] for kind in uris}
    for _ in range(session.pick(7, 3)):
        for kind, uri in uris.items():
            taken[kind].append(writers.rates(kind, uri, (1, 8), puts))
    yield _crowd("rate of 8 writers together, of one's", taken["ours"], at_least=2.5)
    yield _crowd("the same of a bare Flight put server", taken["bare"])


def _crowd(what: str, pairs: list[list[float]], *, at_least: float | None = None) -> Figure:
    low, paired, high = quartiles([eight / one for one, eight in pairs])
    one, eight = (statistics.median(rates) for rates in zip(*pairs, strict=True))
    note = f"one {one:,.0f}/s, eight {eight:,.0f}/s"
    return compared(what, Ratio(eight / one, low, paired, high), at_least=at_least, note=note)


def _raw_file(data: Path) -> int:
    return os.open(data / "raw", os.O_CREAT | bare_flight.APPEND)


def _rows() -> Iterator[pa.RecordBatch]:
    """Single trades, each later than the one before; made before they are needed."""
    made = inputs.trades(100_000)
    return (made.slice(number % 100_000, 1) for number in count())
