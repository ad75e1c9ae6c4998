"""Subscribers in a process of their own.

`python -m bench.floors.live.subscribing uri how many name`

They follow trades whose time is that of their put, say `ready` once all streams are open, and when
standard input ends print, as JSON, the milliseconds of each row from its put until it was here, and
how many rows each stream got. `client` follows as a user does, `bare` with nothing but Flight, so
that many of them leave the processor to the server; `ignore` opens streams and never reads them.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.timeframe import SECOND_NS

Batches = Iterator[pa.RecordBatch]


def main(uri: str, how: str, many: int, name: str) -> None:
    """Open the streams, wait for the end of standard input, and say what was seen."""
    opened = [_OPEN[how](uri, name) for _ in range(many)]
    lags: list[list[float]] = [[] for _ in opened]
    if how != "ignore":
        for (batches, _), seen in zip(opened, lags, strict=True):
            threading.Thread(target=_follow, args=(batches, seen), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    print(json.dumps({"lags": list(chain(*lags)), "rows": [len(seen) for seen in lags]}))
    for _, close in opened:
        close()


def _follow(batches: Batches, lags: list[float]) -> None:
    try:
        for batch in batches:
            now = time.time_ns()
            put_at = batch.column(0).cast(pa.int64()).to_pylist()
            lags.extend((now - ts) / SECOND_NS * 1e3 for ts in put_at)
    except fl.FlightCancelledError:
        return


def _client(uri: str, name: str) -> tuple[Batches, Callable[[], None]]:
    live = fs.connect(uri).live(name, dataset="trades")
    return (batch.rows for batch in live), live.close


def _bare(uri: str, name: str) -> tuple[Batches, Callable[[], None]]:
    reader = _reader(uri, name)
    reader.read_chunk()  # the first message says that the stream is live
    return (chunk.data for chunk in iter(reader.read_chunk, None)), reader.cancel


def _ignore(uri: str, name: str) -> tuple[Batches, Callable[[], None]]:
    return iter(()), _reader(uri, name).cancel


def _reader(uri: str, name: str) -> Any:
    """A stream on a connection of its own: threads that share one wait for each other."""
    ticket = pb.Ticket()
    ticket.subscribe.dataset = "trades"
    ticket.subscribe.instruments.append(name)
    client = fl.connect(uri, generic_options=[("grpc.use_local_subchannel_pool", 1)])
    return client.do_get(fl.Ticket(ticket.SerializeToString()))


_OPEN = {"client": _client, "bare": _bare, "ignore": _ignore}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
