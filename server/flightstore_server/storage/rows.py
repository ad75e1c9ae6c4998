"""Sorted rows: the key, its order, and merging by it.

The key is `ts`, or `(ts, length(id), id)`, which sorts numeric ids numerically without parsing
them. Where rows share a key, the one that comes later in log order wins.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Int64s = NDArray[np.int64]


def ts_of(batch: pa.RecordBatch) -> Int64s:
    """The `ts` column (the first one) of `batch` as int64 nanoseconds, without a copy."""
    column = batch.column(0)
    if not len(column):
        return np.empty(0, np.int64)
    return np.frombuffer(column.buffers()[1], np.int64, len(column), column.offset * 8)


def positions(at: Int64s) -> pa.Array:
    """Row numbers as Arrow wants them. pa.array() would import pandas to ask whether it is one."""
    return pa.Array.from_buffers(pa.int64(), len(at), [None, pa.py_buffer(at)])


def is_sorted_and_distinct(batch: pa.RecordBatch, *, key_has_id: bool) -> bool:
    """Whether the keys of `batch` rise strictly."""
    return are_sorted_and_distinct(batch, (len(batch),), key_has_id=key_has_id)


def are_sorted_and_distinct(
    batch: pa.RecordBatch, counts: Sequence[int], *, key_has_id: bool
) -> bool:
    """Whether the keys rise strictly within each of the runs of `counts` rows that `batch` is."""
    ts = ts_of(batch)
    if len(ts) < 2:
        return True
    later, earlier = ts[1:], ts[:-1]
    # All at once: thousands of runs of one row each are common.
    falls = _within(np.flatnonzero(later <= earlier), counts)
    if not len(falls):
        return True
    if not key_has_id or (later[falls] < earlier[falls]).any():
        return False
    return _ids_rise(batch, falls)


def _within(at: Int64s, counts: Sequence[int]) -> Int64s:
    """Those of the rising row numbers `at` that are not the last of their run."""
    if len(counts) < 2 or not len(at):
        return at
    last = np.cumsum(counts) - 1
    inside: Int64s = at[last[np.searchsorted(last, at)] != at]
    return inside


def _ids_rise(batch: pa.RecordBatch, at: Int64s) -> bool:
    """Whether the id after each row of `at` is greater than the one at it."""
    ids = batch.column("id")
    lengths = _lengths(ids)
    before, after = lengths[at], lengths[at + 1]
    if (after < before).any():
        return False
    same = at[after == before]
    if not len(same):
        return True
    rising = pc.greater(ids.take(positions(same + 1)), ids.take(positions(same)))
    return bool(pc.all(rising).as_py())


def _lengths(ids: pa.Array) -> NDArray[np.int32]:
    if not len(ids):
        return np.empty(0, np.int32)
    offsets = np.frombuffer(ids.buffers()[1], np.int32, len(ids) + 1, ids.offset * 4)
    return np.diff(offsets)


def merge(runs: Sequence[pa.RecordBatch], *, key_has_id: bool) -> pa.RecordBatch:
    """The rows of `runs` in key order, one per key; a later run wins over an earlier one.

    Within one run a later row wins too. All runs have the same schema.
    """
    rows = pa.concat_batches(runs) if len(runs) > 1 else runs[0]
    if rows.num_rows < 2:
        return rows
    # Stable, and fast on pieces that are sorted already.
    order = np.argsort(ts_of(rows), kind="stable")
    if key_has_id:
        order = _order_ties(rows, order)
    order = order[_last_of_each_key(rows, order, key_has_id=key_has_id)]
    if len(order) == rows.num_rows and _is_identity(order):
        return rows
    return rows.take(positions(order))


def _order_ties(rows: pa.RecordBatch, order: Int64s) -> Int64s:
    """`order`, sorted by ts, with the rows of each ts sorted by id; equal keys keep their order."""
    ts = ts_of(rows)[order]
    same_as_next = ts[1:] == ts[:-1]
    tied = np.zeros(len(ts), bool)
    tied[1:] |= same_as_next
    tied[:-1] |= same_as_next
    places = np.flatnonzero(tied)
    if not len(places):
        return order
    picked = order[places]
    ids = rows.column("id").take(positions(picked))
    lengths = pa.Array.from_buffers(pa.int32(), len(ids), [None, pa.py_buffer(_lengths(ids))])
    turns = positions(np.arange(len(places), dtype=np.int64))
    keys = pa.table(
        [positions(ts[places]), lengths, ids, turns], names=["ts", "length", "id", "turn"]
    )
    # Groups of one ts are contiguous in `places`, so sorting all of them by ts first keeps each
    # group where it stands.
    by_id = pc.sort_indices(keys, [(name, "ascending") for name in keys.column_names])
    ordered = order.copy()
    ordered[places] = picked[by_id.to_numpy()]
    return ordered


def _last_of_each_key(
    rows: pa.RecordBatch, order: Int64s, *, key_has_id: bool
) -> NDArray[np.bool_]:
    ts = ts_of(rows)[order]
    same = ts[1:] == ts[:-1]
    if key_has_id and same.any():
        places = np.flatnonzero(same)
        ids = rows.column("id")
        before, after = positions(order[places]), positions(order[places + 1])
        equal = pc.equal(ids.take(before), ids.take(after))
        same[places] = equal.to_numpy(zero_copy_only=False)
    return np.append(~same, True)


def _is_identity(order: Int64s) -> bool:
    return bool(order[0] == 0 and (np.diff(order) == 1).all())


def widen(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """`batch`, written under an older and shorter schema, with nulls in the columns added since."""
    if batch.num_columns == len(schema):
        return batch
    added = [pa.nulls(batch.num_rows, field.type) for field in list(schema)[batch.num_columns :]]
    return pa.RecordBatch.from_arrays([*batch.columns, *added], schema=schema)
