"""The gate: no row enters the store unchecked.

A page that breaks a rule is thrown away whole and asked for again: an exchange that sends one
impossible row, a proxy that answers in its place, or a reply that was cut cannot be trusted with
the rows around it either, and an empty page in its place would be a hole that looks complete.

Hundreds of pages a second come through here, many of a few rows: the checks are Arrow's own
kernels, which cost microseconds where a query engine costs a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from flightstore_ingest.errors import Garbage
from flightstore_ingest.source import CANDLES, Page, Series
from flightstore_proto import timeframe as timeframes
from flightstore_proto.schemas import BUILT_IN
from flightstore_proto.timerange import format_ns

Column: TypeAlias = Any  # a ChunkedArray; pyarrow has no types of its own
# What makes a row impossible, and how to say it.
_Rule = tuple[Callable[[pa.Table], Column], str]
_PRICES = ("open", "high", "low", "close")
_KEY = {"candles": "ts", "trades": "ts and id"}
_LENGTH = "length of id"


def checked(series: Series, page: Page, window: tuple[int, int] | None = None) -> Page:
    """`page` with its rows in key order, each key once, in the dataset's schema.

    `window` is the half-open range of ns that was asked for. Raises Garbage naming the series, the
    row and the rule.
    """
    schema = BUILT_IN[series.dataset]
    if page.rows.num_rows == 0:
        return Page(schema.empty_table(), page.covers)
    rows = _conformed(series, page.rows)
    ts = rows.column("ts").cast(pa.int64())
    for broken, what in _broken(series, rows, ts, window):
        when = format_ns(ts.filter(broken)[0].as_py())
        raise Garbage(f"{series}: the source sent a row at {when} with {what}.")
    if not _ascending(series, rows, ts):
        rows = _in_order(series, rows)
    return Page(rows, page.covers)


def _conformed(series: Series, table: pa.Table) -> pa.Table:
    schema = BUILT_IN[series.dataset]
    try:
        table = table.select(schema.names)
        for name, column in zip(table.column_names, table.columns, strict=True):
            if column.null_count:
                raise Garbage(f"{series}: the source sent a row without {name}.")
        if table.schema.types == schema.types:
            return pa.Table.from_arrays(table.columns, schema=schema)
        return table.cast(schema)
    except (KeyError, ValueError, pa.ArrowException) as error:
        raise Garbage(
            f"{series}: the source sent columns that are no {series.dataset}: {error}."
        ) from error


def _broken(
    series: Series, rows: pa.Table, ts: Column, window: tuple[int, int] | None
) -> Iterator[tuple[Column, str]]:
    """Rules that rows break, with the rows that break them."""
    for mask, what in _time_rules(series, ts, window):
        if pc.any(mask).as_py():
            yield mask, what
    for rule, what in _CANDLE_RULES if series.dataset == CANDLES else _TRADE_RULES:
        mask = rule(rows)
        if pc.any(mask).as_py():
            yield mask, what


def _time_rules(
    series: Series, ts: Column, window: tuple[int, int] | None
) -> Iterator[tuple[Column, str]]:
    if window is not None:
        asked = f"{format_ns(window[0])} to {format_ns(window[1])}"
        outside = pc.or_(pc.less(ts, window[0]), pc.greater_equal(ts, window[1]))
        yield outside, f"a time outside of what was asked for, {asked}"
    if series.dataset == CANDLES:
        frame = timeframes.parse(series.timeframe)
        if frame.step_ns:
            since = pc.subtract(ts, frame.offset_ns)
            grid = pc.multiply(pc.divide(since, frame.step_ns), frame.step_ns)
            yield pc.not_equal(since, grid), "a time between bars"


def _not_positive(*names: str) -> Callable[[pa.Table], Column]:
    """Rows in which one of `names` is not a number above zero."""

    def rule(rows: pa.Table) -> Column:
        finite = [pc.is_finite(rows.column(name)) for name in names]
        above = [pc.greater(rows.column(name), 0.0) for name in names]
        return pc.invert(_all([*finite, *above]))

    return rule


def _negative(name: str) -> Callable[[pa.Table], Column]:
    """Rows in which `name` is not a number of zero or more."""

    def rule(rows: pa.Table) -> Column:
        column = rows.column(name)
        return pc.invert(pc.and_(pc.is_finite(column), pc.greater_equal(column, 0.0)))

    return rule


def _all(masks: list[Column]) -> Column:
    together = masks[0]
    for mask in masks[1:]:
        together = pc.and_(together, mask)
    return together


def _prices(rows: pa.Table) -> list[Column]:
    return [rows.column(name) for name in _PRICES]


_CANDLE_RULES: tuple[_Rule, ...] = (
    (_not_positive(*_PRICES), "no price"),
    (_negative("volume"), "no volume"),
    (
        lambda rows: pc.less(rows.column("high"), pc.max_element_wise(*_prices(rows))),
        "a high below its own open, low or close",
    ),
    (
        lambda rows: pc.greater(rows.column("low"), pc.min_element_wise(*_prices(rows))),
        "a low above its own open, high or close",
    ),
)
_TRADE_RULES: tuple[_Rule, ...] = (
    (_not_positive("price"), "no price"),
    (_negative("amount"), "no amount"),
    (
        lambda rows: pc.greater(pc.abs(rows.column("side")), 1),
        "a side other than buy, sell or unknown",
    ),
    (lambda rows: pc.equal(rows.column("id"), ""), "no id"),
)


def _ascending(series: Series, rows: pa.Table, ts: Column) -> bool:
    """Whether each row's key is greater than that of the row before."""
    greater, equal = _compared(ts)
    if series.dataset != CANDLES and not _holds(greater):
        # As the store orders trades: numeric ids come in numeric order without being parsed.
        ids = rows.column("id")
        longer, as_long = _compared(pc.binary_length(ids))
        later = pc.or_(longer, pc.and_(as_long, _compared(ids)[0]))
        greater = pc.or_(greater, pc.and_(equal, later))
    return _holds(greater)


def _compared(column: Column) -> tuple[Column, Column]:
    """Whether each value is greater than, and whether it equals, the one before."""
    after, before = column.slice(1), column.slice(0, len(column) - 1)
    return pc.greater(after, before), pc.equal(after, before)


def _holds(mask: Column) -> bool:
    return pc.all(mask).as_py() is not False  # a single row has none before it


def _in_order(series: Series, rows: pa.Table) -> pa.Table:
    """Sorted, each row once. A key that comes twice with other values is a contradiction."""
    distinct = rows.group_by(rows.column_names, use_threads=False).aggregate([])
    order = [("ts", "ascending")]
    if series.dataset != CANDLES:
        distinct = distinct.append_column(_LENGTH, pc.binary_length(distinct.column("id")))
        order += [(_LENGTH, "ascending"), ("id", "ascending")]
    ordered = distinct.sort_by(order).select(rows.column_names).cast(rows.schema)
    if not _ascending(series, ordered, ordered.column("ts").cast(pa.int64())):
        key = _KEY[series.dataset]
        raise Garbage(f"{series}: the source sent two different rows for one {key}.")
    return ordered
