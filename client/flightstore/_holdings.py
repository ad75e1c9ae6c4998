"""The part of the client that asks what is there, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from flightstore._connection import Connection
from flightstore._frames import OUTPUTS, Frame, to_output
from flightstore._reading import fetch
from flightstore._requests import (
    Instruments,
    catalog_ticket,
    choice,
    gaps_ticket,
    message,
    series,
    window,
)
from flightstore_proto import flightstore_pb2 as pb

_SPAN = [("start", pa.timestamp("ns", "UTC")), ("end", pa.timestamp("ns", "UTC"))]


class Holdings:
    """The list of series, gaps and coverage; part of Client."""

    _connection: Connection

    def series(
        self,
        pattern: Instruments = "*",
        *,
        dataset: str | None = None,
        timeframe: str | None = None,
        snapshot: str | None = None,
        output: str = "polars",
    ) -> Frame:
        """What is stored: one row per series, ordered by dataset, instrument and timeframe.

        Columns: dataset, exchange, symbol, timeframe (text); rows, bytes (int64), segments (int32);
        start, end: `ts` of the first and last row; absent: grid points between them without a bar,
        null where there is no grid; covered_until: end of the last range known complete; metadata:
        JSON text, for `str.json_path_match("$.source")` (with output="arrow" a map).

        `pattern` is a name, a pattern (`binance:*/USDT`) or a list of both; `dataset` and
        `timeframe` narrow it further.
        """
        choice("output", output, OUTPUTS)
        ticket = catalog_ticket(pattern, dataset, timeframe, snapshot)
        table = fetch(self._connection, ticket, runs=False).table
        return to_output(table if output == "arrow" else _metadata_as_json(table), output)

    def gaps(
        self,
        instrument: str,
        timeframe: str = "",
        start: Any = None,
        end: Any = None,
        *,
        dataset: str = "candles",
        confirmed: bool = False,
        snapshot: str | None = None,
        output: str = "polars",
    ) -> Frame:
        """Ranges in which rows are absent: start, end (half-open), missing, reason.

        start, end  the range that is looked at; by default from the first row or covered time to
                    the last. What is yet to come is not missing
        confirmed   also ranges that are known complete, and in which bars are absent all the same

        `missing` (int64) counts absent bars; 0 where the dataset has no grid. A null `end` is
        unbounded. `reason` is one of

        not fetched        nobody has said that the rows do not exist; only this can be mended
        before listing     before the series' metadata `listed`
        after delisting    at or after its metadata `ended`
        exchange outage    confirmed, of an exchange that sends bars for quiet times too (metadata
                           `quiet_bars` is "flat")
        likely an outage   confirmed, and too long for chance: a run of n >= 30 absent bars, where
                           p to the power of n is below 1e-30. p is the share of absent bars around
                           it: in the run and in up to 10,000 points on either side that were asked
                           about and are known
        no trades          confirmed, and short enough to be a quiet market
        """
        choice("output", output, OUTPUTS)
        ticket = gaps_ticket(
            dataset, instrument, timeframe, start, end, confirmed=confirmed, snapshot=snapshot
        )
        return to_output(fetch(self._connection, ticket, runs=False).table, output)

    def coverage(
        self,
        instrument: str,
        timeframe: str = "",
        start: Any = None,
        end: Any = None,
        *,
        dataset: str = "candles",
        snapshot: str | None = None,
        output: str = "polars",
    ) -> Frame:
        """Ranges known complete: start, end (half-open), `timestamp[ns, UTC]`."""
        choice("output", output, OUTPUTS)
        request = message(
            pb.RangeRequest,
            series=series(dataset, instrument, timeframe),
            range=window(start, end),
            snapshot=snapshot or "",
        )
        found = self._connection.retrying(
            lambda: self._connection.action("coverage", request, pb.Ranges)
        )
        return to_output(pa.table(_span(list(found.ranges)), schema=pa.schema(_SPAN)), output)


def _span(ranges: Sequence[pb.TimeRange]) -> list[pa.Array]:
    """Columns `start` and `end`; absent bounds are null."""
    return [
        pa.array([getattr(r, name) if r.HasField(name) else None for r in ranges], kind)
        for name, kind in _SPAN
    ]


def _metadata_as_json(table: pa.Table) -> pa.Table:
    position = table.schema.get_field_index("metadata")
    texts = [
        json.dumps(dict(pairs), ensure_ascii=False, sort_keys=True) if pairs else "{}"
        for pairs in table.column(position).to_pylist()
    ]
    return table.set_column(position, "metadata", pa.array(texts, pa.utf8()))
