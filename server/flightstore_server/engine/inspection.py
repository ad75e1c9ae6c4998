"""Examining one segment file byte by byte: what verify reports and repair acts upon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from flightstore_server.engine.series import Dataset
from flightstore_server.storage.checksum import crc
from flightstore_server.storage.files import Files
from flightstore_server.storage.rows import is_sorted_and_distinct, ts_of
from flightstore_server.storage.segment import index
from flightstore_server.storage.segment.index import BatchEntry
from flightstore_server.storage.segment.segment import Segment

Batches = Sequence[pa.RecordBatch | None]
_REMEDY = "Restore it from a backup, or run `flightstore repair` to keep what is intact."


@dataclass(slots=True)
class Inspection:
    """What was found. `batches` are the intact ones in order, None where one is damaged."""

    bytes: int = 0
    missing: bool = False
    damage: list[str] = field(default_factory=list)
    batches: list[pa.RecordBatch | None] = field(default_factory=list)


def inspect(files: Files, segment: Segment, dataset: Dataset) -> Inspection:
    """Read all of `segment`'s file and compare it with what the catalog or the log says of it."""
    entries = index.decode(segment.index)
    found = Inspection(batches=[None] * len(entries))
    try:
        data = files.map(segment.file)
    except (OSError, pa.ArrowInvalid) as error:
        found.missing = not files.exists(segment.file)
        what = "is missing" if found.missing else f"cannot be read ({error})"
        found.damage.append(f"The segment file {segment.file} {what} from offset 0 on. {_REMEDY}")
        return found
    found.bytes = data.size
    schema = pa.schema(list(dataset.schema)[: segment.columns])
    for number, entry in enumerate(entries):
        batch = _batch(data, entry, schema)
        if isinstance(batch, str):
            found.damage.append(_between(segment, entry.offset, entry.offset + entry.size, batch))
        else:
            found.batches[number] = batch
    found.damage += _whole_wrong(data, segment, entries, known=bool(found.damage))
    if not found.damage:
        found.damage += _order_wrong(segment, entries, found.batches, dataset.key_has_id)
        found.damage += _bounds_wrong(segment, entries, found.batches)
    return found


def _batch(data: pa.Buffer, entry: BatchEntry, schema: pa.Schema) -> pa.RecordBatch | str:
    """The record batch that `entry` speaks of, or what is wrong with its bytes."""
    if entry.offset + entry.size > data.size:
        return "the file ends before"
    message = data.slice(entry.offset, entry.size)
    if crc(message) != entry.crc:
        return "the bytes do not match their checksum"
    try:
        batch = pa.ipc.read_record_batch(message, schema)
        batch.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        return f"the record batch does not decode ({error})"
    ts = ts_of(batch)
    if (len(ts), *ts[[0, -1]].tolist()) != (entry.rows, entry.first_ts, entry.last_ts):
        return "its rows are not those of the index"
    return batch


def _whole_wrong(
    data: pa.Buffer, segment: Segment, entries: Sequence[BatchEntry], *, known: bool
) -> Iterator[str]:
    """Whether size and checksum of the file are wrong; the latter only if not `known` already."""
    if data.size != segment.size:
        end = min(data.size, segment.size)
        what = f"it has {data.size} bytes where {segment.size} were written"
        yield _between(segment, end, max(data.size, segment.size), what)
    elif not known and crc(data) != segment.crc:
        end = entries[-1].offset + entries[-1].size
        yield (
            f"The segment file {segment.file} is damaged outside its rows, between offset 0 and "
            f"{entries[0].offset} or {end} and {segment.size}; its rows are intact. {_REMEDY}"
        )


def _between(segment: Segment, start: int, end: int, what: str) -> str:
    return (
        f"The segment file {segment.file} is damaged between offset {start} and {end}: {what}. "
        f"{_REMEDY}"
    )


def _order_wrong(
    segment: Segment, entries: Sequence[BatchEntry], batches: Batches, key_has_id: bool
) -> Iterator[str]:
    before: pa.RecordBatch | None = None
    for entry, batch in zip(entries, batches, strict=True):
        if batch is None:
            continue
        joined = [batch] if before is None else [before.slice(len(before) - 1), batch]
        if not is_sorted_and_distinct(pa.concat_batches(joined), key_has_id=key_has_id):
            what = "its rows are not in the order of their keys"
            yield _between(segment, entry.offset, entry.offset + entry.size, what)
        before = batch


def _bounds_wrong(
    segment: Segment, entries: Sequence[BatchEntry], batches: Batches
) -> Iterator[str]:
    rows = sum(entry.rows for entry in entries)
    ranges = segment.row_ranges()
    seen = sum(end - start for start, end in ranges)
    if rows != segment.file_rows or seen != segment.rows or (ranges and ranges[-1][1] > rows):
        yield _between(segment, 0, segment.size, f"{rows} rows are not what the catalog says")
    elif ranges:
        ends = ts_at(batches, ranges[0][0]), ts_at(batches, ranges[-1][1] - 1)
        if ends != (segment.min_ts, segment.max_ts):
            what = "its first or last row is not where the catalog says"
            yield _between(segment, 0, segment.size, what)


def ts_at(batches: Batches, row: int) -> int:
    """The ts of row number `row`, counting the rows of intact batches only."""
    for batch in batches:
        count = 0 if batch is None else len(batch)
        if batch is not None and row < count:
            return int(ts_of(batch)[row])
        row -= count
    return -1
