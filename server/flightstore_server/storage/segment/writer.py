"""Writing a segment: temporary name, sync, rename, sync of the folder. Never changed afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from flightstore_proto.schemas import BATCH_BYTES_MAX, BATCH_ROWS_MAX
from flightstore_server.storage import layout
from flightstore_server.storage.checksum import crc_of
from flightstore_server.storage.files import AppendFile, Files
from flightstore_server.storage.rows import ts_of
from flightstore_server.storage.segment import index, trailer
from flightstore_server.storage.segment.segment import Segment
from flightstore_server.storage.segment.trailer import SeriesIdentity, Trailer

UNCOMPRESSED = ""
ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class SegmentName:
    """Where a new segment goes."""

    id: int
    series: SeriesIdentity
    period: str


class _Sink:
    """The file object that Arrow writes to: remembers pieces until a batch is whole, sums them."""

    closed = False

    def __init__(self, file: AppendFile) -> None:
        self._file = file
        self._pieces: list[pa.Buffer | bytes] = []
        self._head_left = 0
        self.position = 0
        self.crc = 0

    def write(self, piece: pa.Buffer | bytes) -> int:
        # Arrow hands small pieces as bytes that are its own, large ones as buffers that stay alive.
        size = len(piece)
        self.position += size
        if self._head_left:
            self._head_left -= size
            if self._head_left < 0:
                raise ValueError("the file's head is not what Arrow writes")
        else:
            self._pieces.append(piece)
        return size

    def tell(self) -> int:
        return self.position

    def flush(self) -> None:
        """Arrow calls this at its own times; pieces go to the disk batch by batch instead."""

    def close(self) -> None:
        """The file is closed by whoever opened it."""

    def expect(self, head: bytes) -> None:
        """Take `head` for written; the same bytes are then dropped when Arrow writes them."""
        self._file.write([head])
        self.crc = crc_of([head])
        self._head_left = len(head)

    def drain(self) -> int:
        """Write what has gathered to the file; returns its checksum."""
        pieces, self._pieces = self._pieces, []
        self._file.write(pieces)
        self.crc = crc_of(pieces, self.crc)
        return crc_of(pieces)


def write_segment(
    files: Files,
    name: SegmentName,
    batches: Sequence[pa.RecordBatch],
    *,
    max_lsn: int,
    codec: str = UNCOMPRESSED,
    bulk_lsn: int = 0,
) -> Segment:
    """Write sorted, distinct rows as a new segment and publish it.

    `batches` must not be empty. The file is complete and durable when this returns, but part of the
    store only once the catalog or the log names it.
    """
    temporary = layout.temporary(name.id)
    folder = name.series.folder
    target = layout.segment_file(folder, name.period, name.id)
    about = Trailer(name.id, name.series, max_lsn, codec, head_crc=0, index=b"")
    file = files.create(temporary)
    try:
        entries, checksum = _write_batches(file, pieces_of(batches), about)
        file.sync()
        size = file.size
    finally:
        file.close()
    files.make_dir(folder)
    files.publish(temporary, target)
    rows = sum(entry.rows for entry in entries)
    return Segment(
        id=name.id,
        series=name.series.series,
        file=target,
        rows=rows,
        min_ts=entries[0].first_ts,
        max_ts=entries[-1].last_ts,
        max_lsn=max_lsn,
        size=size,
        crc=checksum,
        index=index.encode(entries),
        columns=len(batches[0].schema),
        codec=codec,
        file_rows=rows,
        bulk_lsn=bulk_lsn,
    )


def _file_head(schema: pa.Schema) -> bytes:
    """What an Arrow IPC file begins with: magic, padding, schema message."""
    message: bytes = schema.serialize().to_pybytes()
    return b"ARROW1\0\0" + message


def _write_batches(
    file: AppendFile, batches: Iterable[pa.RecordBatch], about: Trailer
) -> tuple[list[index.BatchEntry], int]:
    sink = _Sink(file)
    options = pa.ipc.IpcWriteOptions(compression=about.codec or None)
    entries: list[index.BatchEntry] = []
    writer, head_crc = None, 0
    for batch in batches:
        offset = sink.position
        if writer is None:
            # Arrow writes the file's head together with the first batch; we want them apart.
            head = _file_head(batch.schema)
            sink.expect(head)
            offset, head_crc = len(head), sink.crc
            writer = pa.ipc.new_file(sink, batch.schema, options=options)
        writer.write_batch(batch)
        checksum = sink.drain()
        ts = ts_of(batch)
        entries.append(
            index.BatchEntry(
                offset, sink.position - offset, len(ts), int(ts[0]), int(ts[-1]), checksum
            )
        )
    if writer is None:
        raise ValueError("a segment holds at least one row")
    about = replace(about, head_crc=head_crc, index=index.encode(entries))
    # Made anew: an empty slice of text would write the offsets of all the rows it is a slice of.
    # Without pa.array(), which would import pandas to ask whether it is given one of its columns.
    none = [pa.nulls(0, field.type) for field in batch.schema]
    empty = pa.RecordBatch.from_arrays(none, schema=batch.schema)
    writer.write_batch(empty, custom_metadata=trailer.custom_metadata(about))
    writer.close()
    sink.drain()
    return entries, sink.crc


def pieces_of(batches: Sequence[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    """The same rows in batches of at most 64 Ki rows and 3 MiB, as full as they can be.

    Larger batches cost a factor of three on the wire; many small ones cost time for each.
    """
    table = pa.Table.from_batches(batches)
    per_batch = batch_rows(table.nbytes, table.num_rows)
    for start in range(0, table.num_rows, per_batch):
        part = table.slice(start, per_batch)
        yield (
            part.combine_chunks().to_batches()[0]
            if part.column(0).num_chunks > 1
            else (part.to_batches()[0])
        )


def batch_rows(size: int, rows: int) -> int:
    """How many of `rows` rows that take `size` bytes fit one batch."""
    row_bytes = max(1, -(-size // max(1, rows)))
    return max(1, min(BATCH_ROWS_MAX, BATCH_BYTES_MAX // row_bytes))
