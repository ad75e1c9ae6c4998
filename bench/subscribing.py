"""Subscribers in a process of their own: `python -m bench.subscribing uri how many name`.

`read` follows trades whose time is that of their put, says `ready` once all streams are open, and
at the end of its standard input prints, as JSON, the milliseconds of each row from its put until it
was here, and how many rows each stream got. `ignore` opens streams and never reads from them.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from itertools import chain
from typing import Any

import pyarrow.flight as fl

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.timeframe import SECOND_NS


def main(uri: str, how: str, many: int, name: str) -> None:
    """Open the streams, wait for the end of standard input, and say what was seen."""
    if how == "ignore":
        opened = [_ignored(uri, name) for _ in range(many)]
        print("ready", flush=True)
        sys.stdin.read()
        print(json.dumps({"streams": len(opened)}))
        sys.stdout.flush()
        raise SystemExit
    with fs.connect(uri) as db:
        streams = [db.live(name, dataset="trades") for _ in range(many)]
        lags: list[list[float]] = [[] for _ in streams]
        pairs = zip(streams, lags, strict=True)
        threads = [threading.Thread(target=_follow, args=pair, daemon=True) for pair in pairs]
        for thread in threads:
            thread.start()
        print("ready", flush=True)
        sys.stdin.read()
        for stream in streams:
            stream.close()
        for thread in threads:
            thread.join()
    print(json.dumps({"lags": list(chain(*lags)), "rows": [len(seen) for seen in lags]}))


def _follow(stream: fs.Live, lags: list[float]) -> None:
    for batch in stream:
        now = time.time_ns()
        put_at = batch.rows.column("ts").cast("int64").to_pylist()
        lags.extend((now - ts) / SECOND_NS * 1e3 for ts in put_at)


def _ignored(uri: str, name: str) -> tuple[Any, Any]:
    ticket = pb.Ticket()
    ticket.subscribe.dataset = "trades"
    ticket.subscribe.instruments.append(name)
    client = fl.connect(uri)
    return client, client.do_get(fl.Ticket(ticket.SerializeToString()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
