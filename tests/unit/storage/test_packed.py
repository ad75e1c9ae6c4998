"""Packed columns: what goes in comes out."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightstore_proto.schemas import CANDLES, TRADES
from flightstore_server.storage import packed

_TYPES = {
    pa.int8(): st.integers(-(2**7), 2**7 - 1),
    pa.uint16(): st.integers(0, 2**16 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.utf8(): st.text(max_size=12),
    pa.timestamp("ns", "UTC"): st.integers(-(2**63), 2**63 - 1),
}


@st.composite
def batches(draw: st.DrawFn) -> pa.RecordBatch:
    """Any batch of flat columns, cut out of a larger one, so that its arrays have offsets."""
    rows = draw(st.integers(0, 40))
    fields, columns = [], []
    for number, kind in enumerate(draw(st.lists(st.sampled_from(list(_TYPES)), min_size=1))):
        nullable = draw(st.booleans())
        values = st.none() | _TYPES[kind] if nullable else _TYPES[kind]
        listed = draw(st.lists(values, min_size=rows, max_size=rows))
        columns.append(pa.array(listed, kind))
        fields.append(pa.field(f"c{number}", kind, nullable))
    whole = pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
    start = draw(st.integers(0, rows))
    return whole.slice(start, draw(st.integers(0, rows - start)))


@given(batches(), st.integers(0, 4))
def test_rows_come_back_as_they_were(batch: pa.RecordBatch, eights: int) -> None:
    before = b"\xff" * 8 * eights
    data = pa.py_buffer(before + packed.encode(batch) + b"\xff" * 8)
    decoded = packed.decode(data, len(before), batch.num_rows, batch.schema)
    decoded.validate(full=True)
    assert decoded.equals(batch)


@given(batches())
def test_their_size_is_a_multiple_of_eight(batch: pa.RecordBatch) -> None:
    assert len(packed.encode(batch)) % 8 == 0


@pytest.mark.parametrize("schema", [CANDLES, TRADES])
def test_no_rows_come_back_as_no_rows(schema: pa.Schema) -> None:
    none = pa.RecordBatch.from_pylist([], schema)
    data = pa.py_buffer(packed.encode(none))
    assert packed.decode(data, 0, 0, schema).equals(none)


def test_bytes_that_end_early_are_refused() -> None:
    rows = pa.RecordBatch.from_arrays([pa.array([1, 2, 3])], names=["a"])
    data = pa.py_buffer(packed.encode(rows)[:-8])
    with pytest.raises(ValueError, match="end early"):
        packed.decode(data, 0, 3, rows.schema)


def test_decoding_copies_no_values() -> None:
    rows = pa.RecordBatch.from_arrays([pa.array(range(100))], names=["a"])
    data = pa.py_buffer(packed.encode(rows))
    values = packed.decode(data, 0, 100, rows.schema).column(0).buffers()[1]
    assert data.address <= values.address < data.address + data.size
