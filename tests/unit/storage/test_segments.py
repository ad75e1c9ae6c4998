"""Segments: plain Feather files that notice every changed byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.feather
import pytest
from tests.support.rows import MINUTE, bars_of, candles
from tests.support.stores import put, read, stepped, view

from flightstore_proto.errors import Corrupt
from flightstore_proto.schemas import BATCH_BYTES_MAX, BATCH_ROWS_MAX, CANDLES
from flightstore_server.engine.limits import Limits
from flightstore_server.storage.files import open_root
from flightstore_server.storage.segment import index
from flightstore_server.storage.segment.segment import Segment
from flightstore_server.storage.segment.store import SegmentStore
from flightstore_server.storage.segment.writer import batch_rows, pieces_of


def _stored(root: Path, rows: int, *, cold: bool = False) -> Segment:
    limits = Limits(cold_age_days=1.0 if cold else 0.0)
    store = stepped(root, limits)
    put(store, candles([i * MINUTE for i in range(rows)], range(rows)))
    store.flush()
    if cold:
        store.upkeep()
    [segment] = view(store).segments
    store.close()
    return segment


@pytest.mark.parametrize("cold", [False, True], ids=["plain", "zstd"])
def test_other_programs_read_a_segment_file(tmp_path: Path, cold: bool) -> None:
    segment = _stored(tmp_path, 100, cold=cold)
    assert segment.codec == ("zstd" if cold else "")
    table = pyarrow.feather.read_table(tmp_path / segment.file, memory_map=False)
    assert bars_of(table.to_batches()) == [(i * MINUTE, float(i)) for i in range(100)]
    assert pl.read_ipc(tmp_path / segment.file).height == 100


@pytest.mark.parametrize("cold", [False, True], ids=["plain", "zstd"])
def test_every_changed_byte_of_the_batches_is_noticed(tmp_path: Path, cold: bool) -> None:
    segment = _stored(tmp_path, 3, cold=cold)
    path = tmp_path / segment.file
    whole = path.read_bytes()
    for entry in index.decode(segment.index):
        for at in range(entry.offset, entry.offset + entry.size):
            # A new file each time: a mapped one is never written to.
            path.unlink()
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            opened = SegmentStore(open_root(tmp_path), maps_max=1).open(segment, CANDLES)
            with pytest.raises(
                Corrupt, match=f"{segment.id}.arrow is damaged between offset {entry.offset} "
            ):
                opened.batch(0)


def test_a_file_of_another_length_is_noticed(tmp_path: Path) -> None:
    segment = _stored(tmp_path, 3)
    path = tmp_path / segment.file
    whole = path.read_bytes()
    for size in (1, len(whole) // 2, len(whole) - 1, len(whole) + 1):
        path.unlink()
        path.write_bytes((whole + b"x")[:size])
        with pytest.raises(Corrupt, match=f"it has {size} bytes"):
            SegmentStore(open_root(tmp_path), maps_max=1).open(segment, CANDLES)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    segment = _stored(tmp_path, 3)
    (tmp_path / segment.file).unlink()
    with pytest.raises(Corrupt, match="cannot be opened at offset 0"):
        SegmentStore(open_root(tmp_path), maps_max=1).open(segment, CANDLES)


def test_a_read_does_not_touch_batches_it_does_not_need(tmp_path: Path) -> None:
    rows = BATCH_ROWS_MAX * 2
    segment = _stored(tmp_path, rows)
    first, last = index.decode(segment.index)[0], index.decode(segment.index)[-1]
    assert (first.rows, last.last_ts) == (65_536, (rows - 1) * MINUTE)
    path = tmp_path / segment.file
    whole = bytearray(path.read_bytes())
    whole[last.offset + last.size - 9] ^= 1
    path.unlink()
    path.write_bytes(whole)
    store = stepped(tmp_path)
    assert len(bars_of(read(store, end=first.last_ts))) == first.rows - 1
    with pytest.raises(Corrupt):
        read(store, start=last.first_ts)
    store.close()


def test_no_more_files_stay_mapped_than_allowed(tmp_path: Path) -> None:
    store = stepped(tmp_path, replace(Limits(), segment_maps_max=2, compact_segments_min=99))
    for number in range(5):
        put(store, candles([number * MINUTE]))
        store.flush()
    assert len(bars_of(read(store))) == 5
    assert store.segments.count() == 2
    store.close()


@pytest.mark.parametrize("rows", [0, 1, BATCH_ROWS_MAX, BATCH_ROWS_MAX + 1])
def test_batches_hold_at_most_64_ki_rows_and_3_mib(rows: int) -> None:
    parts = list(pieces_of([candles(range(rows))]))
    assert sum(map(len, parts)) == rows
    assert all(len(part) <= BATCH_ROWS_MAX and part.nbytes <= BATCH_BYTES_MAX for part in parts)


def test_small_batches_are_put_together() -> None:
    parts = list(pieces_of([candles([ts]) for ts in range(100)]))
    assert list(map(len, parts)) == [100]


def test_rows_larger_than_a_batch_still_get_one_each() -> None:
    assert batch_rows(10 * BATCH_BYTES_MAX, 2) == 1


def test_an_index_comes_back_as_it_was() -> None:
    entries = [index.BatchEntry(8, 16, 3, -(2**63), 2**63 - 1, 2**32 - 1)]
    assert index.decode(index.encode(entries)) == entries


def test_arrow_batches_of_a_segment_are_mapped_not_copied(tmp_path: Path) -> None:
    segment = _stored(tmp_path, 1000)
    before = pa.total_allocated_bytes()
    opened = SegmentStore(open_root(tmp_path), maps_max=1).open(segment, CANDLES)
    batch = opened.batch(0)
    assert batch.num_rows == 1000
    assert pa.total_allocated_bytes() - before < batch.nbytes
