"""A bare `pyarrow.flight` server: what somebody has after an afternoon with Arrow's documentation.

It is the server of Arrow's own example (python/examples/flight/server.py, and "Arrow Flight RPC" in
PyArrow's documentation): `do_put` keeps what it reads in a dict, `do_get` answers with a
`RecordBatchStream` of it. Nothing is tuned: a table that came out of a pandas frame has one batch.
Two things are added that any first user adds: puts append, and a ticket can name a range.
"""

from __future__ import annotations

from typing import ClassVar

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.flight as fl

from bench.peers import inputs
from bench.peers.contestant import Contestant, way
from bench.peers.contestants.bare_flight_server import Range
from bench.peers.contestants.child import Child

_BATCH_ROWS = 65_536


class BareFlight(Contestant):
    durable: ClassVar[str] = "nothing: rows are in memory"

    def open(self) -> None:
        self.title = f"bare pyarrow.flight server, pyarrow {pa.__version__}"
        self._server = Child("bench.peers.contestants.bare_flight_server")
        self._client = fl.FlightClient(f"grpc://127.0.0.1:{self._server.port}")

    def close(self) -> None:
        self._client.close()
        self._server.close()

    def processes(self) -> list[int]:
        return [self._server.pid]

    def load_history(self) -> None:
        self._load("history")
        self._put("history in batches", inputs.table(self.inputs, "history"), _BATCH_ROWS)

    def load_wide(self) -> None:
        self._load("wide")

    def load_years(self) -> None:
        self._load("years")

    def _load(self, name: str) -> None:
        self._put(name, inputs.table(self.inputs, name).combine_chunks())

    def _put(self, name: str, rows: pa.Table, batch: int | None = None) -> None:
        writer, _ = self._client.do_put(fl.FlightDescriptor.for_path(name), rows.schema)
        with writer:
            writer.write_table(rows, max_chunksize=batch)

    def _get(self, name: str, **asked: int) -> pa.Table:
        ticket = fl.Ticket(Range(name, **asked).ticket())
        return self._client.do_get(ticket).read_all()

    def history_polars(self) -> pl.DataFrame:
        return pl.DataFrame(self._get("history"))

    @way("history_polars", "batches of 64 Ki rows")
    def history_polars_batches(self) -> pl.DataFrame:
        return pl.DataFrame(self._get("history in batches"))

    def history_pandas(self) -> pd.DataFrame:
        return self._get("history").to_pandas()

    @way("history_pandas", "batches of 64 Ki rows")
    def history_pandas_batches(self) -> pd.DataFrame:
        return self._get("history in batches").to_pandas()

    def wide_frame(self) -> pl.DataFrame:
        return pl.DataFrame(self._get("wide"))

    def wide_frames(self) -> dict[str, pd.DataFrame]:
        return dict(tuple(self._get("wide").to_pandas().groupby("symbol", sort=False)))

    def new_trades(self) -> None:
        """A first put makes the table."""

    def write_main(self) -> None:
        self._append("main")

    def write_late(self) -> None:
        self._append("late")

    def _append(self, name: str) -> None:
        """All batches in one stream; its end is acknowledged when the server has them all."""
        batches = inputs.batches(self.inputs, name)
        writer, _ = self._client.do_put(fl.FlightDescriptor.for_path("trades"), batches[0].schema)
        with writer:
            for batch in batches:
                writer.write_batch(batch)

    def trades(self) -> pl.DataFrame:
        return pl.DataFrame(self._get("trades"))

    def tail(self) -> pl.DataFrame:
        return pl.DataFrame(self._get("years", tail=100))

    def day(self) -> pl.DataFrame:
        start = inputs.DAY_START_NS
        return pl.DataFrame(self._get("years", start_ns=start, end_ns=start + inputs.DAY_NS))
