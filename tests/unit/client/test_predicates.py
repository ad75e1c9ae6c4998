"""What a predicate says of times and instruments; what is not understood narrows nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from flightstore._predicates import Needed, needed
from flightstore_proto.timerange import TS_MAX, TS_MIN

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
NOON_NS = 1_704_110_400 * 10**9
DAY_NS = 1_704_067_200 * 10**9
LATE = NOON_NS + 999_999  # a cast to milliseconds may have cut so much off
ts, exchange, symbol = pl.col("ts"), pl.col("exchange"), pl.col("symbol")


@pytest.mark.parametrize(
    ("predicate", "found"),
    [
        (ts >= NOON, Needed(low=NOON_NS)),
        (ts < NOON, Needed(high=LATE)),
        (ts == NOON, Needed(NOON_NS, LATE)),
        (pl.lit(NOON) >= ts, Needed(high=LATE)),
        (ts.is_between(NOON, NOON, closed="right"), Needed(NOON_NS, LATE)),
        (ts >= date(2024, 1, 1), Needed(low=DAY_NS)),
        (ts.cast(pl.Datetime("us", "UTC")) > NOON, Needed(low=NOON_NS)),
        (ts >= pl.lit(NOON_NS + 1).cast(pl.Datetime("ns", "UTC")), Needed(low=NOON_NS + 1)),
        (ts >= datetime(9000, 1, 1, tzinfo=UTC), Needed(low=221_845_392_000 * 10**9)),
        ((ts >= NOON) & (pl.col("x") > 1) & (exchange == "a"), Needed(NOON_NS, exchanges={"a"})),
        (symbol.is_in(["A", "B"]) & symbol.is_in(["B", "C"]), Needed(symbols={"B"})),
        (symbol == pl.lit("A", pl.Categorical), Needed(symbols={"A"})),
    ],
    ids=str,
)
def test_comparisons_are_understood(predicate: pl.Expr, found: Needed) -> None:
    assert needed(predicate) == found


@pytest.mark.parametrize(
    "predicate",
    [
        (ts > NOON) | (symbol == "A"),
        ~(ts > NOON),
        ts > pl.col("other"),
        ts > pl.lit(NOON) + pl.duration(days=pl.len()),
        ts > pl.lit(None, pl.Datetime("ns", "UTC")),
        ts > pl.datetime(2024, pl.lit("x"), 1),
        ts.cast(pl.Int64) > 5,
        ts.dt.hour() > 5,
        ts > 5,
        symbol != "A",
        symbol > "A",
        symbol == pl.col("other"),
        symbol.str.starts_with("A"),
        pl.col("x") == "A",
        pl.lit(True),
    ],
    ids=str,
)
def test_everything_else_narrows_nothing(predicate: pl.Expr) -> None:
    assert needed(predicate) == Needed(TS_MIN, TS_MAX, None, None)


def test_instruments_fit_by_both_of_their_parts() -> None:
    rows = needed((exchange == "x") & symbol.is_in(["A/B", "C:D"]))
    assert [name for name in ("x:A/B", "x:C:D", "x:C", "y:A/B") if rows.fits(name)] == [
        "x:A/B",
        "x:C:D",
    ]
    assert needed(None).fits("x:A/B")
    assert not needed(None).names_any
