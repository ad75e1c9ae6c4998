"""Windows copied out of record batches, wherever these lie in memory."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests.support.rows import own
from tests.support.seeds import generator

from flightstore._windows.rows import Rows
from flightstore._windows.values import floats

DAY = 86_400 * 10**9


def laid_out(batch: pa.RecordBatch) -> pa.RecordBatch:
    """`batch` as it is found in a file: all columns in one stretch of memory."""
    return pa.ipc.read_record_batch(batch.serialize(), batch.schema)


def price_rows(first: int, rows: int) -> pa.RecordBatch:
    number = np.arange(first, first + rows)
    return own((number * DAY).tolist(), a=number + 0.25, b=-number.astype(float), c=number * 1e6)


def mixed_rows(first: int, rows: int) -> pa.RecordBatch:
    number = np.arange(first, first + rows)
    holed = [None if n % 3 == 0 else float(n) for n in number]
    when = pa.array(number * 10, pa.timestamp("ns"))
    return own((number * DAY).tolist(), a=number, b=holed, c=number % 2 == 0, d=when)


def expected(batches: list[pa.RecordBatch]) -> np.ndarray:
    return np.concatenate([np.stack([floats(c) for c in b.columns[1:]]) for b in batches], axis=1)


@pytest.mark.parametrize("kind", [price_rows, mixed_rows])
@pytest.mark.parametrize("place", [laid_out, lambda batch: batch], ids=["in a file", "in memory"])
def test_every_window_is_the_rows_it_should_be(kind, place) -> None:
    random = generator("windows of rows")
    sizes = [random.randrange(1, 20) for _ in range(6)]
    begins = np.cumsum([0, *sizes])
    batches = [kind(int(first), size) for first, size in zip(begins, sizes, strict=False)]
    rows, whole = Rows([place(batch).slice(0) for batch in batches]), expected(batches)
    assert rows.rows == sum(sizes)
    for first in range(rows.rows):
        length = random.randrange(1, rows.rows - first + 1)
        np.testing.assert_array_equal(rows.window(first, length), whole[:, first : first + length])
        assert rows.time_of(first) == first * DAY
        assert rows.before(first * DAY) == first
        assert rows.before(first * DAY + 1) == first + 1


def test_columns_in_any_order_are_read_from_where_they_are() -> None:
    batch = laid_out(price_rows(0, 10)).select(["ts", "c", "a"])
    found = Rows([batch.slice(3)]).window(2, 4)
    np.testing.assert_array_equal(found, [np.arange(5, 9) * 1e6, np.arange(5, 9) + 0.25])


def test_truth_and_holes_are_numbers() -> None:
    found = Rows([mixed_rows(3, 2)]).window(0, 2)
    np.testing.assert_array_equal(found, [[3, 4], [np.nan, 4], [0, 1], [30, 40]])
