"""True answers made false: rows that cannot be, and pages that are not what was asked for."""

from __future__ import annotations

import copy
import json
from typing import Any

from flightstore_ingest.simulate.wire import Layout, Reply
from flightstore_proto.timeframe import DAY_NS, SECOND_NS

# On no bar's grid, not even that of one second.
OFF_GRID_NS = 7 * SECOND_NS + 123_000_000

PROXY_PAGE = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    "<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n"
    "</body>\r\n</html>\r\n"
)


def spoiled(reply: Reply, kind: str, layout: Layout | None) -> Reply:
    """`reply` with one row that a fault of `kind` has spoiled, or as it is if it has no rows."""
    if layout is None or reply.status != 200:
        return reply
    body = json.loads(reply.body) if isinstance(reply.body, str) else copy.deepcopy(reply.body)
    rows = layout.rows(body)
    if not rows:
        return reply
    if kind == "outside":
        rows.append(_outside(rows, layout))
    else:
        rows[len(rows) // 2] = _SPOILERS[kind](rows[len(rows) // 2], layout)
    return Reply(body, reply.status, reply.headers, len(rows))


def _outside(rows: list[Any], layout: Layout) -> Any:
    """A copy of the oldest row, from three days earlier."""
    row = copy.copy(min(rows, key=lambda r: layout.read(r[layout.time])))
    row[layout.time] = layout.written(layout.read(row[layout.time]) - 3 * DAY_NS)
    return row


def _none_fields(row: Any, layout: Layout) -> Any:
    keys = range(len(row)) if isinstance(row, list) else list(row)
    for key in keys:
        row[key] = None
    return row


def _off_grid(row: Any, layout: Layout) -> Any:
    if len(layout.prices) < 4:
        return row  # a trade has no grid: one between its neighbours' times could not be told
    row[layout.time] = layout.written(layout.read(row[layout.time]) + OFF_GRID_NS)
    return row


def _contradiction(row: Any, layout: Layout) -> Any:
    """High and low change places, and are made to differ; of a trade, the price is negated."""
    if len(layout.prices) < 4:
        price = layout.prices[0]
        row[price] = _like(row[price], -float(row[price]))
        return row
    high, low = layout.prices[1], layout.prices[2]
    lowest = float(row[low])
    row[low], row[high] = row[high], _like(row[high], lowest / 2)
    return row


def _zero_rows(row: Any, layout: Layout) -> Any:
    for key in (*layout.prices, layout.amount):
        row[key] = _like(row[key], 0.0)
    return row


def _like(sample: Any, value: float) -> Any:
    """`value` written as `sample` is, as a string or as a number."""
    return f"{value:.8f}" if isinstance(sample, str) else value


_SPOILERS = {
    "none_fields": _none_fields,
    "off_grid": _off_grid,
    "contradiction": _contradiction,
    "zero_rows": _zero_rows,
}
