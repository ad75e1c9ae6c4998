"""Parameters by position and by name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from tests.support.asking import ask
from tests.support.rows import MINUTE, NOON_2024

from flightstore_proto.errors import BadRequest
from flightstore_server.sql.engine import SqlEngine


def row(**values: Any) -> pa.RecordBatch:
    arrays = [v if isinstance(v, pa.Array) else pa.array([v]) for v in values.values()]
    return pa.RecordBatch.from_arrays(arrays, names=list(values))


def test_by_position_the_names_do_not_matter(engine: SqlEngine) -> None:
    query = "select count(*) from candles where symbol = ? and timeframe = ?"
    found = ask(engine, query, row(x="ETH/USDT", a="1m"))
    assert found.column(0).to_pylist() == [300]


def test_by_name_the_order_does_not_matter(engine: SqlEngine) -> None:
    query = "select count(*) from candles where symbol = $symbol and timeframe = $frame"
    found = ask(engine, query, row(frame="1m", symbol="O'BRIEN/USD"))
    assert found.column(0).to_pylist() == [300]


@pytest.mark.parametrize(
    "since",
    [
        pa.array([datetime(2024, 1, 1, 13, tzinfo=UTC)]),
        pa.array([NOON_2024 + 60 * MINUTE + 1], pa.timestamp("ns", "UTC")),
        pa.array([NOON_2024 + 60 * MINUTE], pa.timestamp("ns", "Europe/Berlin")),
        "2024-01-01 13:00",
    ],
    ids=["datetime", "nanoseconds", "another zone", "text"],
)
def test_times_may_come_in_any_form(engine: SqlEngine, since: Any) -> None:
    query = "select count(*) from candles where timeframe = '1h' and ts >= ?"
    assert ask(engine, query, row(since=since)).column(0).to_pylist() == [16]


def test_numbers_and_nulls_are_values_too(engine: SqlEngine) -> None:
    found = ask(engine, "select ? + 1, ? is null, ?::interval", row(
        a=2, b=None, c=pa.array([3_600 * 10**9], pa.duration("ns"))
    ))  # fmt: skip
    assert [found.column(0)[0].as_py(), found.column(1)[0].as_py()] == [3, True]
    assert found.column(2).cast(pa.int64()).to_pylist() == [3_600 * 10**9]


def test_times_of_day_are_values_too(engine: SqlEngine) -> None:
    noon = pa.array([12 * 3_600 * 10**9], pa.time64("ns"))
    query = (
        "select count(*) from candles where timeframe = '1h' and (ts at time zone 'UTC')::time = ?"
    )
    assert ask(engine, query, row(at=noon)).column(0).to_pylist() == [4]


@pytest.mark.parametrize(
    ("query", "given", "why"),
    [
        ("select ?, ?", row(a=1), "has 2 parameters, and 1 came"),
        ("select ?", None, "has 1 parameters, and 0 came"),
        ("select 1", row(a=1), "has 0 parameters, and 1 came"),
        ("select $symbol", row(name="x"), r"parameter '\$symbol' did not come"),
        ("select ?::int", row(a="x"), "cannot be run: Could not convert string 'x'"),
    ],
)
def test_what_does_not_fit_is_said(
    engine: SqlEngine, query: str, given: pa.RecordBatch | None, why: str
) -> None:
    with pytest.raises(BadRequest, match=why):
        ask(engine, query, given)


def test_preparing_tells_the_parameters_in_order(engine: SqlEngine) -> None:
    prepared = engine.prepare("select close from candles where symbol = $b and ts > $a")
    assert prepared.parameters.names == ["a", "b"]
    assert prepared.schema == pa.schema([pa.field("close", pa.float64())])
    many = engine.prepare("select " + ", ".join(["?"] * 11))
    assert many.parameters.names == [str(n) for n in range(1, 12)]
