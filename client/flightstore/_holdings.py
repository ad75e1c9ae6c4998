"""The part of the client that asks what is there, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from flightstore._connection import Connection
from flightstore._frames import OUTPUTS, Frame, to_output
from flightstore._reading import fetch
from flightstore._requests import Instruments, catalog_ticket, choice, message, series, window
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
        snapshot: str | None = None,
        output: str = "polars",
    ) -> Frame:
        """Ranges not known complete in which rows are absent: start, end (half-open), missing.

        `missing` (int64) counts absent bars; 0 where the dataset has no grid. A null bound is
        unbounded.
        """
        choice("output", output, OUTPUTS)
        request = _range_request(dataset, instrument, timeframe, start, end, snapshot)
        found = self._connection.retrying(lambda: self._connection.action("gaps", request, pb.Gaps))
        table = pa.table(
            [
                *_span([gap.range for gap in found.gaps]),
                pa.array([gap.missing for gap in found.gaps], pa.int64()),
            ],
            schema=pa.schema([*_SPAN, ("missing", pa.int64())]),
        )
        return to_output(table, output)

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
        request = _range_request(dataset, instrument, timeframe, start, end, snapshot)
        found = self._connection.retrying(
            lambda: self._connection.action("coverage", request, pb.Ranges)
        )
        return to_output(pa.table(_span(list(found.ranges)), schema=pa.schema(_SPAN)), output)


def _range_request(
    dataset: str, instrument: str, timeframe: str, start: Any, end: Any, snapshot: str | None
) -> pb.RangeRequest:
    return message(
        pb.RangeRequest,
        series=series(dataset, instrument, timeframe),
        range=window(start, end),
        snapshot=snapshot or "",
    )


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
