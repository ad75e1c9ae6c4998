"""The part of the client that writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flightstore._acks import WriteAck
from flightstore._connection import Connection
from flightstore._many import put_of_frames
from flightstore._puts import check_timeframe, puts_of, series_put
from flightstore._requests import message, metadata, series, window
from flightstore._rows import rows_of
from flightstore._writer import Writer, send_all
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto import instrument as instruments


class Writes:
    """Writing, deleting and describing; part of Client."""

    _connection: Connection

    def write(
        self,
        instrument: str,
        frame: Any,
        *,
        dataset: str = "candles",
        timeframe: str | None = None,
        covers: Any = None,
        metadata: Mapping[str, str] | None = None,
        grid: str = "timeframe",
        key: str = "ts",
    ) -> WriteAck:
        """Write rows of one series; when this returns they are durable and visible.

        frame      polars or pandas DataFrame, Arrow table, batch or reader, dict of columns, list
                   of dicts, ccxt's lists of candles, or None for no rows. Times in `ts`, also
                   called timestamp, datetime, date or time, or pandas' DatetimeIndex: of any
                   unit, naive ones are UTC, whole numbers are milliseconds. Numbers of any kind
                   become float64; `side` may be 'buy', 'sell', a bool or absent
        dataset    candles, trades, or a name of your own, whose columns its first write fixes
        timeframe  1s 1m 1h 1d ...: required for candles
        covers     one (start, end) pair, or several, that this write makes complete: the source
                   has no other rows there
        metadata   texts to keep with the series; an empty one removes its key
        grid       "free" for candles whose bars do not start at multiples of the timeframe
        key        "ts", or "ts,id" for a dataset of your own with several rows at one time

        A row with a key that is stored replaces the stored one, so writing again what was written
        changes nothing. One call is all or nothing up to 48 MiB; a larger frame is sent as several
        such puts in order, `covers` and `metadata` with the last. A lost connection is tried again
        (`Retry`), except for a reader, which can be read only once.

        Raises SchemaMismatch, InvalidRows, BadInstrument, BadTimeframe before anything is sent
        where it can, else when the server refuses.
        """
        name = instruments.parse(str(instrument))
        check_timeframe(dataset, timeframe)
        rows = rows_of(frame, dataset, name)
        said = series_put(str(name), timeframe, covers=covers, values=metadata, grid=grid, key=key)
        puts = puts_of(rows, said)
        if not rows.again:
            return send_all(self._connection, dataset, rows.schema, puts)
        kept = list(puts)  # slices of the same memory, with ids that make sending twice harmless
        return self._connection.retrying(
            lambda: send_all(self._connection, dataset, rows.schema, kept)
        )

    def write_many(
        self,
        frames: Mapping[str, Any],
        *,
        dataset: str = "candles",
        timeframe: str | None = None,
        covers: Any = None,
        metadata: Mapping[str, Mapping[str, str]] | None = None,
    ) -> WriteAck:
        """Write rows of several series, all of them or none; at most 48 MiB together.

        frames    instrument to frame as in `write`; None for one without rows
        covers    as in `write`, for all of them, or a mapping of instrument to that
        metadata  instrument to texts as in `write`
        """
        put = put_of_frames(frames, dataset, timeframe, covers, metadata)
        return self._connection.retrying(
            lambda: send_all(self._connection, dataset, put.schema, [put])
        )

    def writer(self, dataset: str = "candles", timeframe: str | None = None) -> Writer:
        """One open stream for many puts to `dataset`; use it in a `with` block.

        `timeframe` is the default for its `write`.
        """
        return Writer(self._connection, dataset, timeframe)

    def delete(
        self,
        instrument: str,
        *,
        dataset: str = "candles",
        timeframe: str = "",
        start: Any = None,
        end: Any = None,
    ) -> WriteAck:
        """Delete the rows in [start, end), or without both the whole series and its metadata.

        `rows` of the answer is the number of rows removed.
        """
        request = message(
            pb.DeleteRequest,
            series=series(dataset, instrument, timeframe),
            range=None if start is None and end is None else window(start, end),
        )
        return WriteAck.of(self._connection.action("delete", request, pb.WriteAck))

    def describe(
        self,
        instrument: str,
        *,
        metadata: Mapping[str, str],
        dataset: str = "candles",
        timeframe: str = "",
    ) -> WriteAck:
        """Merge texts into a series' metadata; an empty text or None removes its key."""
        request = message(
            pb.DescribeRequest,
            series=series(dataset, instrument, timeframe),
            metadata=_texts(metadata),
        )
        return self._connection.retrying(
            lambda: WriteAck.of(self._connection.action("describe", request, pb.WriteAck))
        )


_texts = metadata  # `describe` has a parameter of that name
