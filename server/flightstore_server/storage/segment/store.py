"""Opening segments: each file is mapped once, each batch verified and decoded once.

The cache holds mappings, not descriptors, and is bounded by their number, since a process may have
only so many (vm.max_map_count, 65,530 by default).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from flightstore_proto.errors import Corrupt
from flightstore_server.storage.checksum import crc
from flightstore_server.storage.files import Files, Place
from flightstore_server.storage.rows import Int64s, ts_of, widen
from flightstore_server.storage.segment import index
from flightstore_server.storage.segment.segment import Segment

# Below, a client on the same machine has the rows sooner if they are sent than if it opens a file.
HANDED_OUT_BYTES_MIN = 128 * 1024


def is_handed_out(segment: Segment) -> bool:
    """Whether processes on the same machine may map its file instead of being sent its rows."""
    return segment.size >= HANDED_OUT_BYTES_MIN and not segment.codec


class Picked(NamedTuple):
    """Some columns of a record batch, and its `ts`."""

    columns: tuple[str, ...]
    batch: pa.RecordBatch
    times: Int64s


class OpenSegment:
    """One mapped file: its index, and its record batches on demand."""

    __slots__ = (
        "_batches",
        "_buffer",
        "_codec",
        "_file",
        "_picked",
        "_schema",
        "entries",
        "place",
        "starts",
    )

    def __init__(
        self, segment: Segment, buffer: pa.Buffer, schema: pa.Schema, place: Place | None
    ) -> None:
        if buffer.size != segment.size:
            raise Corrupt(
                f"The segment file {segment.file} is damaged: it has {buffer.size} bytes where "
                f"{segment.size} were written, so it ends wrongly at offset "
                f"{min(buffer.size, segment.size)}. Restore it from a backup."
            )
        self._file = segment.file
        self._codec = segment.codec
        self._buffer = buffer
        self._schema = schema
        self.place = place
        self.entries = index.decode(segment.index)
        self._batches: list[pa.RecordBatch | None] = [None] * len(self.entries)
        self._picked: list[Picked | None] = [None] * len(self.entries)
        self.starts = [0]
        for entry in self.entries:
            self.starts.append(self.starts[-1] + entry.rows)

    def batch(self, number: int) -> pa.RecordBatch:
        """Record batch `number`. Raises Corrupt, naming file and offset, if its bytes changed."""
        known = self._batches[number]
        if known is not None:
            return known
        entry = self.entries[number]
        message = self._buffer.slice(entry.offset, entry.size)
        if crc(message) != entry.crc:
            raise Corrupt(
                f"The segment file {self._file} is damaged between offset {entry.offset} and "
                f"{entry.offset + entry.size}. Restore it from a backup, or delete that range and "
                "write it again."
            )
        batch = pa.ipc.read_record_batch(message, self._schema)
        if not self._codec:  # a decompressed copy would cost memory for as long as the file is open
            self._batches[number] = batch
        return batch

    def picked(self, number: int, columns: tuple[str, ...], schema: pa.Schema) -> Picked:
        """`columns` of record batch `number`, as wide as `schema`. Raises Corrupt as `batch` does.

        What was picked last is remembered: whoever wants a few rows of each of many files would
        spend longer on picking columns than on copying rows.
        """
        known = self._picked[number]
        if known is not None and known.columns == columns:
            return known
        batch = self.batch(number)
        wide = widen(batch, schema)
        found = Picked(columns, wide.select(columns), ts_of(batch))
        if wide is batch and not self._codec:  # added nulls take memory, as decompressed rows do
            self._picked[number] = found
        return found

    def checked(self) -> list[bool]:
        """Of every record batch, whether its bytes were compared with their checksum by now."""
        return [known is not None for known in self._batches]

    def batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """All record batches in order, as wide as `schema`."""
        return (widen(self.batch(number), schema) for number in range(len(self.entries)))


class SegmentStore:
    """All open segments of the process."""

    def __init__(self, files: Files, *, maps_max: int) -> None:
        self._files = files
        self._maps_max = maps_max
        self._open: OrderedDict[int, OpenSegment] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, segment: Segment, schema: pa.Schema) -> OpenSegment:
        """The mapped file of `segment`; `schema` is its dataset's, of which it holds a prefix."""
        with self._lock:
            known = self._open.get(segment.id)
            if known is not None:
                self._open.move_to_end(segment.id)
                return known
        opened = self._map(segment, schema)
        with self._lock:
            known = self._open.setdefault(segment.id, opened)
            while len(self._open) > self._maps_max:
                self._open.popitem(last=False)
        return known

    def forget(self, segment_id: int) -> None:
        """Drop the mapping of a segment whose file is about to be removed."""
        with self._lock:
            self._open.pop(segment_id, None)

    def count(self) -> int:
        return len(self._open)

    def _map(self, segment: Segment, schema: pa.Schema) -> OpenSegment:
        prefix = schema
        if segment.columns < len(schema):
            prefix = pa.schema(list(schema)[: segment.columns])
        try:
            place = self._files.place(segment.file) if is_handed_out(segment) else None
            buffer = self._files.map(segment.file)
        except OSError as error:
            raise Corrupt(
                f"The segment file {segment.file} cannot be opened at offset 0: "
                f"{error.strerror or error}. Restore it from a backup."
            ) from error
        return OpenSegment(segment, buffer, prefix, place)
