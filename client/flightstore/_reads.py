"""The part of the client that reads rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict, Unpack, overload

import polars as pl

from flightstore._batches import Batches
from flightstore._connection import Connection
from flightstore._frames import OUTPUTS, Frame, in_zone
from flightstore._layouts import LAYOUTS, Frames, laid_out
from flightstore._reading import Fetched, fetch
from flightstore._requests import (
    Instruments,
    TicketOptions,
    choice,
    is_single,
    read_ticket,
    resampling,
)
from flightstore_proto import flightstore_pb2 as pb


class ReadOptions(TypedDict, total=False):
    """Keywords that every read of rows takes; `Reads.read` says what they mean."""

    columns: str | Sequence[str] | None
    limit: int | None
    tail: int | None
    tz: str | None
    strict: bool
    snapshot: str | None


class BarOptions(ReadOptions, total=False):
    """Keywords that reads of bars take as well."""

    closed: bool
    resample_from: str | None
    timezone: str | None
    offset: str | None
    fill: str | None
    label: str


class Reads:
    """Reads of rows; part of Client."""

    _connection: Connection

    def _warn(self, fetched: Fetched) -> None:
        fetched.warn()

    @overload
    def read(
        self,
        dataset: str,
        instruments: Instruments,
        timeframe: str = ...,
        start: Any = ...,
        end: Any = ...,
        *,
        output: Literal["polars"] = ...,
        layout: Literal["long", "wide"] = ...,
        **options: Unpack[BarOptions],
    ) -> pl.DataFrame: ...
    @overload
    def read(
        self,
        dataset: str,
        instruments: Instruments,
        timeframe: str = ...,
        start: Any = ...,
        end: Any = ...,
        *,
        output: Literal["polars"] = ...,
        layout: Literal["dict"],
        **options: Unpack[BarOptions],
    ) -> Frames[pl.DataFrame]: ...
    @overload
    def read(
        self,
        dataset: str,
        instruments: Instruments,
        timeframe: str = ...,
        start: Any = ...,
        end: Any = ...,
        *,
        output: str,
        layout: str = ...,
        **options: Unpack[BarOptions],
    ) -> Frame: ...
    def read(
        self,
        dataset: str,
        instruments: Instruments,
        timeframe: str = "",
        start: Any = None,
        end: Any = None,
        *,
        columns: str | Sequence[str] | None = None,
        limit: int | None = None,
        tail: int | None = None,
        tz: str | None = None,
        strict: bool = False,
        closed: bool = False,
        resample_from: str | None = None,
        timezone: str | None = None,
        offset: str | None = None,
        fill: str | None = None,
        label: str = "open",
        snapshot: str | None = None,
        output: str = "polars",
        layout: str = "long",
    ) -> Frame:
        """Rows of `dataset` ordered by (instrument, ts), as one frame.

        instruments  one name, a pattern (`*` any run of characters, `?` one), or a list of both
        timeframe    ccxt's spelling: 1s 1m 5m 1h 1d 1w 1M; empty for datasets that have none
        start, end   the half-open range [start, end): ISO text, date, datetime, pandas and polars
                     values, int milliseconds, `now`, `-30d`; naive times are UTC; None: unbounded
        columns      names to return; `ts` (timestamp[ns, UTC]) always comes first. None: all
        limit, tail  at most so many rows of each series, from the start or from the end
        tz           time zone to show times in; what is read stays the same
        strict       raise unless the range is known complete and every name is stored
        closed       leave out bars that are not over yet: whose end no later row and no range
                     that is known complete has reached
        resample_from, timezone, offset
                     also read candles that are not stored but made of others; see `candles`
        fill         add a row for every time of the grid that has none, from the series' first
                     row to its last or to where it is known complete:
                     "null"   with nulls
                     "ffill"  with the values of the row before, even if that is before `start`;
                              candles stay at its close, with no volume
        label        what `ts` of a bar says, its "open" or its "close"; `start` and `end` always
                     speak of open times
        snapshot     read the data as pinned by this snapshot
        output       "polars"; "pandas", with `ts` as index; "arrow"
        layout       for a list or a pattern:
                     "long"  one frame with `exchange` and `symbol` (categories) in front;
                             without them for one exact name
                     "wide"  one row per ts, one column per instrument (`instrument|column`
                             where several columns are read), null where there is no row
                     "dict"  a mapping of instrument to frame, cut when looked up

        If some of several instruments cannot be served, the others are and a PartialReadWarning
        names them; `problems` and a look-up in the layout "dict" have their errors. A single one
        raises its error: UnknownInstrument with near names, BadRange, Corrupt, ...
        """
        return self._read(
            dataset,
            instruments,
            timeframe,
            start,
            end,
            resampling(resample_from, timezone, offset, always=False),
            tz=tz,
            output=output,
            layout=layout,
            columns=columns,
            limit=limit,
            tail=tail,
            snapshot=snapshot,
            strict=strict,
            closed=closed,
            fill=fill,
            label=label,
        )

    def _read(
        self,
        dataset: str,
        instruments: Instruments,
        timeframe: str,
        start: Any,
        end: Any,
        resample: pb.Resample | None,
        *,
        tz: str | None,
        output: str,
        layout: str,
        **options: Unpack[TicketOptions],
    ) -> Frame:
        choice("output", output, OUTPUTS)
        runs = choice("layout", layout, LAYOUTS) != "long" or not is_single(instruments)
        ticket = read_ticket(
            dataset, instruments, timeframe, start, end, resample, runs=runs, **options
        )
        fetched = fetch(self._connection, ticket, runs=runs)
        fetched.table = in_zone(fetched.table, tz)
        self._warn(fetched)
        return laid_out(fetched, output, layout)

    @overload
    def candles(
        self,
        instruments: Instruments,
        timeframe: str,
        start: Any = ...,
        end: Any = ...,
        *,
        output: Literal["polars"] = ...,
        layout: Literal["long", "wide"] = ...,
        **options: Unpack[BarOptions],
    ) -> pl.DataFrame: ...
    @overload
    def candles(
        self,
        instruments: Instruments,
        timeframe: str,
        start: Any = ...,
        end: Any = ...,
        *,
        output: Literal["polars"] = ...,
        layout: Literal["dict"],
        **options: Unpack[BarOptions],
    ) -> Frames[pl.DataFrame]: ...
    @overload
    def candles(
        self,
        instruments: Instruments,
        timeframe: str,
        start: Any = ...,
        end: Any = ...,
        *,
        output: str,
        layout: str = ...,
        **options: Unpack[BarOptions],
    ) -> Frame: ...
    def candles(
        self,
        instruments: Instruments,
        timeframe: str,
        start: Any = None,
        end: Any = None,
        *,
        columns: str | Sequence[str] | None = None,
        limit: int | None = None,
        tail: int | None = None,
        tz: str | None = None,
        strict: bool = False,
        closed: bool = False,
        resample_from: str | None = None,
        timezone: str | None = None,
        offset: str | None = None,
        fill: str | None = None,
        label: str = "open",
        snapshot: str | None = None,
        output: str = "polars",
        layout: str = "long",
    ) -> Frame:
        """Bars: ts (open time), open, high, low, close, volume (float64).

        Any timeframe can be read: where no series of it is stored, the server makes its bars of
        the longest stored candles that fit, or else of the trades. So can bars by count, such as
        1000tick, 50volume and 100000dollar, of the trades.

        resample_from  make the bars of these and nothing else: a timeframe, or "trades"
        timezone       days, weeks and months begin at midnight there: "America/New_York"
        offset         and so much later: "17h"
        fill, label    and all other keywords as in `read`
        """
        return self._read(
            "candles",
            instruments,
            timeframe,
            start,
            end,
            resampling(resample_from, timezone, offset, always=True),
            tz=tz,
            output=output,
            layout=layout,
            columns=columns,
            limit=limit,
            tail=tail,
            snapshot=snapshot,
            strict=strict,
            closed=closed,
            fill=fill,
            label=label,
        )

    @overload
    def trades(
        self,
        instruments: Instruments,
        start: Any = ...,
        end: Any = ...,
        *,
        output: Literal["polars"] = ...,
        layout: Literal["long", "wide"] = ...,
        **options: Unpack[ReadOptions],
    ) -> pl.DataFrame: ...
    @overload
    def trades(
        self,
        instruments: Instruments,
        start: Any = ...,
        end: Any = ...,
        *,
        output: Literal["polars"] = ...,
        layout: Literal["dict"],
        **options: Unpack[ReadOptions],
    ) -> Frames[pl.DataFrame]: ...
    @overload
    def trades(
        self,
        instruments: Instruments,
        start: Any = ...,
        end: Any = ...,
        *,
        output: str,
        layout: str = ...,
        **options: Unpack[ReadOptions],
    ) -> Frame: ...
    def trades(
        self,
        instruments: Instruments,
        start: Any = None,
        end: Any = None,
        *,
        columns: str | Sequence[str] | None = None,
        limit: int | None = None,
        tail: int | None = None,
        tz: str | None = None,
        strict: bool = False,
        snapshot: str | None = None,
        output: str = "polars",
        layout: str = "long",
    ) -> Frame:
        """Trades: ts, id (text), price, amount (float64), side (int8). Keywords as in `read`.

        `side` is +1 where the taker bought, -1 where it sold, 0 where that is unknown.
        """
        return self.read(
            "trades",
            instruments,
            "",
            start,
            end,
            columns=columns,
            limit=limit,
            tail=tail,
            tz=tz,
            strict=strict,
            snapshot=snapshot,
            output=output,
            layout=layout,
        )

    def batches(
        self,
        instruments: Instruments,
        timeframe: str = "",
        start: Any = None,
        end: Any = None,
        *,
        dataset: str = "candles",
        columns: str | Sequence[str] | None = None,
        limit: int | None = None,
        tail: int | None = None,
        strict: bool = False,
        closed: bool = False,
        resample_from: str | None = None,
        timezone: str | None = None,
        offset: str | None = None,
        fill: str | None = None,
        label: str = "open",
        snapshot: str | None = None,
    ) -> Batches:
        """The rows of `read` as Arrow record batches of at most 64 Ki rows, in bounded memory.

        For a list or a pattern `exchange` and `symbol` come in front, dictionary-encoded. Breaking
        off (`close()`, or a `with` block) stops the server. Candles are those of `candles`, of any
        timeframe. Keywords as in `read`.
        """
        runs = not is_single(instruments)
        ticket = read_ticket(
            dataset,
            instruments,
            timeframe,
            start,
            end,
            resampling(resample_from, timezone, offset, always=dataset == "candles"),
            columns=columns,
            limit=limit,
            tail=tail,
            snapshot=snapshot,
            strict=strict,
            closed=closed,
            fill=fill,
            label=label,
            runs=runs,
        )
        return Batches(self._connection, ticket, runs=runs)
