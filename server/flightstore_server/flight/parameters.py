"""The parameters of a query: one row, whose columns are the parameters in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_proto.errors import BadRequest, shown

BYTES_MAX = 64 * 1024
_FLAT = (
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_temporal,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
)


def row_of(stream: bytes) -> pa.RecordBatch | None:
    """The row in an Arrow IPC stream; None of an empty one. Raises BadRequest."""
    if not stream:
        return None
    if len(stream) > BYTES_MAX:
        raise too_long()
    with _readable(), pa.ipc.open_stream(stream) as reader:
        check_types(reader.schema)  # before a batch is read: see there
        rows = reader.read_all()
        rows.validate(full=True)
    return one_row(rows)


def received(reader: fl.MetadataRecordBatchReader) -> pa.RecordBatch:
    """The row that a client sends. Raises BadRequest."""
    batches: list[pa.RecordBatch] = []
    with _readable():
        check_types(reader.schema)
        for chunk in reader:
            if chunk.data is not None and chunk.data.num_rows:
                chunk.data.validate(full=True)
                batches.append(chunk.data)
            if len(batches) > 1:  # more than one row in any case
                break
        return one_row(pa.Table.from_batches(batches, reader.schema))


def stream_of(row: pa.RecordBatch) -> bytes:
    """`row` as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, row.schema) as writer:
        writer.write_batch(row)
    stream: bytes = sink.getvalue().to_pybytes()
    if len(stream) > BYTES_MAX:
        raise too_long()
    return stream


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise BadRequest("The parameters of the query are not Arrow data of one row.") from None


def one_row(rows: pa.Table) -> pa.RecordBatch:
    """The only row of `rows`. Raises BadRequest if there are more or none."""
    if rows.num_rows != 1:
        raise BadRequest(
            f"The parameters of a query are one row and {rows.num_rows} came; "
            "run it once for each row."
        )
    return rows.combine_chunks().to_batches()[0]


def check_types(schema: pa.Schema) -> None:
    """Raises BadRequest for nested and encoded types.

    Arrow's reader trusts what such columns say of themselves, and crashes on those made to harm, so
    they are refused before the first batch is read.
    """
    for field in schema:
        if not any(is_flat(field.type) for is_flat in _FLAT):
            raise BadRequest(
                f"A parameter of the type {shown(field.type)} cannot be taken; send numbers, texts "
                "or times, one per parameter."
            )


def too_long() -> BadRequest:
    return BadRequest(
        f"The parameters of the query take more than {BYTES_MAX} bytes; write them as rows of a "
        "series and join those."
    )
