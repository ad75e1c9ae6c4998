"""As-of joins: each of 5 M trades with the minute bar in force at its time, of 1 M.

The join itself, batch by batch from segments as the server does it, against polars' `join_asof` of
the same frames in memory. And the result as it comes over the wire, against a bare Flight server
that sends the same columns out of memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow.flight as fl

import flightstore as fs
from bench import inputs
from bench.figures import Figure, compared, in_ms
from bench.floors import bare_flight
from bench.measure import interleaved, ratio
from bench.processes import flightstore, floor
from bench.session import Session
from flightstore_server.engine.asof import AsOf, Joined
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.queries import Query
from flightstore_server.engine.store import Store, open_store

_NAME = "bench:TRADED/USD"
_TRADES, _BARS = fs.Rows("trades", _NAME), fs.Rows("candles", _NAME, "1m")


def run(session: Session) -> Iterator[Figure]:
    data, share = session.fresh("asof") / "store", session.pick(1, 5)
    with flightstore(data) as server, server.client() as db:
        _write(db, share)
        with floor([str(session.folder), f"joined/{share}"]) as bare:
            yield from _over_the_wire(session, db, bare.uri, share)
    yield from _itself(session, data, share)


def _write(db: fs.Client, share: int) -> None:
    trades, bars = inputs.joining(share)
    step = 500_000
    for first in range(0, trades.num_rows, step):
        db.write(_NAME, trades.slice(first, step), dataset="trades")
    db.write(_NAME, bars, timeframe="1m")
    db.flush()


def _over_the_wire(session: Session, db: fs.Client, uri: str, share: int) -> Iterator[Figure]:
    with fl.FlightClient(uri) as client:
        taken = interleaved(
            session.pick(12, 11),
            {
                "bare": lambda: bare_flight.read(client, f"joined/{share}"),
                "ours": lambda: db.asof(_TRADES, _BARS, output="arrow"),
            },
        )
    yield compared(
        f"{5 / share:g} M trades, each with its minute bar, over the wire, of a bare server's "
        "sending of the same columns",
        ratio(taken["ours"], taken["bare"]),
        at_most=1.3,
        note=in_ms(**taken),
        watched="less",
    )


def _itself(session: Session, data: Path, share: int) -> Iterator[Figure]:
    left, right = (pl.DataFrame(table) for table in inputs.joining(share))
    store = open_store(data, Limits())
    taken = interleaved(
        session.pick(12, 11),
        {
            "polars": lambda: left.join_asof(right, on="ts", strategy="backward"),
            "ours": lambda: _joined(store),
        },
    )
    store.close()
    yield compared(
        "the join itself, from segments, of polars' join_asof of the same frames in memory",
        ratio(taken["ours"], taken["polars"]),
        at_most=1.3,
        note=in_ms(**taken),
        watched="less",
    )


def _joined(store: Store) -> int:
    """How many rows there are; each batch is let go before the next, as if it had been sent."""
    wanted = AsOf(Query("trades", [_NAME]), Query("candles", [_NAME], "1m"))
    joined = Joined(store.reader, wanted)
    return sum(len(batch) for batch in joined.rows(joined.views[0]))
