"""The part of the client that gives lazy frames: polars asks for what a query needs of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from flightstore._batches import Batches
from flightstore._connection import Connection
from flightstore._frames import to_polars
from flightstore._predicates import Needed, needed
from flightstore._reading import identity
from flightstore._requests import Instruments, is_single, message, names, resampling, window
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.timerange import TS_MAX, TS_MIN


class Scans:
    """Lazy reads; part of Client."""

    _connection: Connection

    def scan(
        self,
        instruments: Instruments,
        timeframe: str = "",
        start: Any = None,
        end: Any = None,
        *,
        dataset: str = "candles",
        snapshot: str | None = None,
    ) -> pl.LazyFrame:
        """The rows of `read` as a polars LazyFrame, of which only what a query needs is read.

            bars = db.scan("binance:*/USDT", "1h")
            bars.filter(pl.col("ts") >= since, pl.col("symbol") == "BTC/USDT").collect()

        The server does the columns, comparisons of `ts` with a value (also `is_between`), those of
        `exchange` and `symbol` (`==`, `is_in`), and `head`; everything else is filtered here, batch
        by batch, so that `collect(engine="streaming")` and `sink_parquet` need little memory. Each
        `collect` reads anew. Arguments as in `read`.
        """
        runs = not is_single(instruments)
        request = message(
            pb.ReadRequest,
            dataset=dataset,
            instruments=names(instruments),
            timeframe=timeframe or "",
            range=window(start, end),
            snapshot=snapshot or "",
            resample=resampling(None, None, None, always=dataset == "candles"),
            identity=pb.ReadRequest.IDENTITY_RUNS if runs else pb.ReadRequest.IDENTITY_AUTO,
        )
        source = _Source(self._connection, request, runs)
        return register_io_source(source.frames, schema=source.schema())


@dataclass(frozen=True, slots=True)
class _Source:
    """What a lazy frame stands for; `runs`: of several instruments."""

    connection: Connection
    request: pb.ReadRequest
    runs: bool

    def schema(self) -> pl.Schema:
        """The columns, as the server has them now."""
        with self._batches(_nothing_of(self.request)) as batches:
            return to_polars(batches.schema.empty_table()).schema

    def frames(
        self,
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        """What polars asks for: of the first `n_rows` those that fit `predicate`."""
        # Which rows are the first must not depend on which of them fit.
        request = self._narrowed(needed(predicate if n_rows is None else None))
        if request is None or n_rows == 0:
            return
        request.columns.extend(_stored(with_columns, predicate))
        request.limit = n_rows or 0
        with self._batches(request) as batches:
            yield from _shaped(batches, with_columns, predicate, n_rows)

    def _narrowed(self, rows: Needed) -> pb.ReadRequest | None:
        """The request without what is not needed; None: nothing is."""
        request, span = pb.ReadRequest(), self.request.range
        request.CopyFrom(self.request)
        low = max(span.start if span.HasField("start") else TS_MIN, rows.low)
        high = min(span.end - 1 if span.HasField("end") else TS_MAX, rows.high)
        if low > high:
            return None
        request.range.start = low
        if high < TS_MAX:
            request.range.end = high + 1
        if rows.names_any:
            request.instruments[:] = [name for name in self._instruments() if rows.fits(name)]
        return request if request.instruments else None

    def _instruments(self) -> Sequence[str]:
        """The instruments there are now."""
        stream = self.connection.open_read(_ticket(_nothing_of(self.request)))
        stream.cancel()
        runs, _ = identity(stream.schema)
        return runs.instruments

    def _batches(self, request: pb.ReadRequest) -> Batches:
        return Batches(self.connection, _ticket(request), runs=self.runs)


def _shaped(
    batches: Batches,
    with_columns: list[str] | None,
    predicate: pl.Expr | None,
    n_rows: int | None,
) -> Iterator[pl.DataFrame]:
    for batch in batches:
        frame = to_polars(pa.Table.from_batches([batch]))
        if n_rows is not None:
            frame = frame.head(n_rows)
            n_rows -= frame.height
        if predicate is not None:
            frame = frame.filter(predicate)
        yield frame if with_columns is None else frame.select(with_columns)
        if n_rows == 0:
            return


def _stored(with_columns: list[str] | None, predicate: pl.Expr | None) -> list[str]:
    """The columns to ask the server for; none: all."""
    if with_columns is None:
        return []
    wanted = [*with_columns, *([] if predicate is None else predicate.meta.root_names())]
    return ["ts", *(name for name in wanted if name not in ("ts", "exchange", "symbol"))]


def _nothing_of(request: pb.ReadRequest) -> pb.ReadRequest:
    """The same request for no time at all: its answer says which columns and series there are."""
    nothing = pb.ReadRequest()
    nothing.CopyFrom(request)
    nothing.range.start = nothing.range.end = 0
    return nothing


def _ticket(request: pb.ReadRequest) -> bytes:
    ticket: bytes = pb.Ticket(read=request).SerializeToString()
    return ticket
