"""How rows are cut into segments."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.rows import DAY, candles

from flightstore_proto import timeframe as timeframes
from flightstore_server.engine.periods import group_of, label_of, split, unit_of
from flightstore_server.storage.rows import ts_of

NEW_YEAR = 1_704_067_200 * 10**9
TIMES = st.sets(
    st.integers(NEW_YEAR - 40 * DAY, NEW_YEAR + 70 * DAY).map(lambda ts: ts // DAY * DAY)
    | st.sampled_from([-1, 0, -(2**63) + 1, 2**63 - 1])
    | st.integers(NEW_YEAR, NEW_YEAR + 50),
    min_size=1,
    max_size=60,
).map(sorted)
UNITS = st.sampled_from(["D", "M", "Y", "all"])


@given(TIMES, UNITS, st.integers(1, 10), st.integers(1, 20))
def test_no_row_is_lost_and_none_moves(
    times: list[int], unit: str, rows_max: int, batch_rows: int
) -> None:
    whole = candles(times)
    batches = [whole.slice(at, batch_rows) for at in range(0, len(times), batch_rows)]
    parts = [b for _, part in split(batches, unit, rows_max=rows_max) for b in part]
    assert [ts for part in parts for ts in ts_of(part).tolist()] == times


@given(TIMES, UNITS, st.integers(1, 10))
def test_a_part_lies_in_one_period_and_holds_no_more_than_allowed(
    times: list[int], unit: str, rows_max: int
) -> None:
    for label, part in split([candles(times)], unit, rows_max=rows_max):
        ts = ts_of(pa.concat_batches(part))
        assert len(ts) <= rows_max
        assert len({group_of(int(t), unit) for t in ts}) == 1
        assert label in {label_of(int(ts[0]), unit), label_of(int(ts[0]), "D")}


@given(TIMES, UNITS)
def test_a_period_that_fits_is_one_part(times: list[int], unit: str) -> None:
    labels = [label for label, _ in split([candles(times)], unit, rows_max=1000)]
    assert all(one != other for one, other in pairwise(labels))


@pytest.mark.parametrize(
    ("name", "unit"),
    [("1s", "D"), ("10s", "M"), ("1m", "Y"), ("5m", "all"), ("1d", "all"), ("1M", "all")],
)
def test_a_period_holds_at_most_about_a_million_rows(name: str, unit: str) -> None:
    assert unit_of(timeframes.parse(name)) == unit


def test_trades_are_kept_by_month() -> None:
    assert unit_of(None) == "M"


def test_labels_are_what_people_call_the_period() -> None:
    ts = NEW_YEAR + 59 * DAY
    assert [label_of(ts, unit) for unit in ("D", "M", "Y", "all")] == [
        "2024-02-29",
        "2024-02",
        "2024",
        "all",
    ]
