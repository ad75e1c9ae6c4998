"""Answers are judged by their rows: what is lost, what came twice, what has been changed."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from bench.peers.answers import Verdict, frame, judge

KEY = ["ts", "id"]
# Two trades of one instant: only their ids tell them apart.
EXPECTED = pl.DataFrame(
    {
        "ts": pl.Series([1_000, 2_000, 2_000, 3_000]).cast(pl.Datetime("ns", "UTC")),
        "id": ["1", "2", "3", "4"],
        "price": [10.0, 11.0, 12.0, None],
    }
)


def judged(answer: pl.DataFrame) -> Verdict:
    return judge(answer, EXPECTED, KEY)


def test_the_expected_rows_are_right() -> None:
    assert judged(EXPECTED).right


def test_the_order_of_rows_and_columns_is_nobody_s_mistake() -> None:
    assert judged(EXPECTED.reverse().select("price", "id", "ts")).right


def test_columns_that_nobody_asked_for_do_not_matter() -> None:
    assert judged(EXPECTED.with_columns(more=1)).right


def test_a_row_that_is_not_there_is_lost() -> None:
    assert judged(EXPECTED.head(3)) == Verdict(1, 0, 0)


def test_a_row_that_came_twice_is_extra() -> None:
    assert judged(pl.concat([EXPECTED, EXPECTED.tail(1)])) == Verdict(0, 1, 0)


def test_a_row_that_nobody_put_is_extra() -> None:
    other = EXPECTED.head(1).with_columns(id=pl.lit("9"))
    assert judged(pl.concat([EXPECTED, other])) == Verdict(0, 1, 0)


def test_of_rows_of_one_instant_the_one_that_was_overwritten_is_lost() -> None:
    assert judged(EXPECTED.unique("ts", keep="last", maintain_order=True)) == Verdict(1, 0, 0)


@pytest.mark.parametrize("price", [10.1, None, float("nan")])
def test_another_value_is_a_change(price: float | None) -> None:
    first = pl.col("id") == "1"
    changed = pl.when(first).then(pl.lit(price, pl.Float64)).otherwise("price").alias("price")
    assert judged(EXPECTED.with_columns(changed)) == Verdict(0, 0, 1)


def test_a_value_in_place_of_none_is_a_change() -> None:
    assert judged(EXPECTED.with_columns(pl.col("price").fill_null(0.0))) == Verdict(0, 0, 1)


def test_the_last_bit_of_a_sum_is_no_change() -> None:
    assert judged(EXPECTED.with_columns(pl.col("price") * (1 + 1e-15))).right


def test_32_bits_of_a_price_are_a_change() -> None:
    narrow = EXPECTED.with_columns(price=(pl.col("price") / 3).cast(pl.Float32) * 3.0)
    assert judged(narrow).changed == 3 - narrow["price"].is_in([10.0, 11.0, 12.0]).sum()


def test_times_without_a_zone_are_utc() -> None:
    assert judged(EXPECTED.with_columns(pl.col("ts").dt.replace_time_zone(None))).right


def test_times_of_another_zone_are_the_same_instants() -> None:
    assert judged(EXPECTED.with_columns(pl.col("ts").dt.convert_time_zone("Asia/Tokyo"))).right


def test_the_same_clock_in_another_zone_is_another_instant() -> None:
    moved = EXPECTED.with_columns(pl.col("ts").dt.replace_time_zone("Asia/Tokyo"))
    assert judged(moved) == Verdict(4, 4, 0)


def test_times_may_be_integers() -> None:
    assert judged(EXPECTED.with_columns(pl.col("ts").cast(pl.Int64))).right


@pytest.mark.parametrize(
    "answer",
    [
        EXPECTED.to_arrow(),
        EXPECTED.to_arrow().to_pandas(),
        EXPECTED.to_arrow().to_pandas().set_index("ts"),
    ],
    ids=["arrow", "pandas", "pandas with an index"],
)
def test_any_kind_of_frame_is_an_answer(answer: pa.Table | pd.DataFrame) -> None:
    assert judged(frame(answer)).right


def test_frames_by_symbol_are_one_answer() -> None:
    parts = {name: pd.DataFrame({"ts": [1, 2]}) for name in ("A", "B")}
    expected = pl.DataFrame({"symbol": ["A", "A", "B", "B"], "ts": [1, 2, 1, 2]})
    assert judge(frame(parts), expected, ["symbol", "ts"]).right


def test_a_verdict_says_what_is_wrong() -> None:
    assert str(Verdict(1_234, 0, 5)) == "1,234 lost, 5 changed"


def test_a_verdict_of_nothing_wrong_is_right() -> None:
    assert str(Verdict(0, 0, 0)) == "right"
