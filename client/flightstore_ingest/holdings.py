"""What the store holds of one series: asked at the start and after every trouble, then kept up."""

from __future__ import annotations

import asyncio
from typing import Any

import flightstore as fs
from flightstore_ingest.source import TRADES, Anchor, Series
from flightstore_proto import intervals
from flightstore_proto.errors import UnknownInstrument
from flightstore_proto.intervals import EMPTY, IntervalSet
from flightstore_proto.timerange import TS_MAX, format_ns


async def coverage(client: fs.Client, series: Series) -> IntervalSet:
    """Ranges of ns known complete; empty for a series that is not stored yet."""
    return await asyncio.to_thread(covered, client, series)


def covered(client: fs.Client, series: Series) -> IntervalSet:
    """`coverage` for programs without an event loop."""
    try:
        table: Any = client.coverage(
            series.instrument, series.timeframe, dataset=series.dataset, output="arrow"
        )
    except UnknownInstrument:
        return EMPTY
    known = EMPTY
    starts, ends = (table.column(name).cast("int64").to_pylist() for name in ("start", "end"))
    for start, end in zip(starts, ends, strict=True):
        known = intervals.add(known, start, TS_MAX if end is None else end)
    return known


async def anchor(client: fs.Client, series: Series, start: int) -> Anchor | None:
    """The newest stored row at or before `start` ns."""
    end = format_ns(start + 1)
    columns = ["ts", "id"] if series.dataset == TRADES else ["ts"]
    try:
        rows: Any = await asyncio.to_thread(
            client.read,
            series.dataset,
            series.instrument,
            series.timeframe,
            end=end,
            tail=1,
            columns=columns,
        )
    except UnknownInstrument:
        return None
    if rows.is_empty():
        return None
    ts = rows.get_column("ts").dt.epoch("ns")[0]
    return Anchor(ts, rows.get_column("id")[0] if "id" in rows.columns else "")
