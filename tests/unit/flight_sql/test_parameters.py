"""The one row of parameters: taken, or refused before Arrow's reader could be harmed."""

from __future__ import annotations

import pyarrow as pa
import pytest
from tests.support.seeds import generator, scaled

from flightstore_proto.errors import BadRequest
from flightstore_server.flight.parameters import BYTES_MAX, check_types, row_of, stream_of

ROW = pa.record_batch(
    {
        "0": pa.array(["BTC/USDT"]),
        "1": pa.array([1.5]),
        "2": pa.array([7]),
        "3": pa.array([1], pa.timestamp("ns", "UTC")),
        "4": pa.array([None]),
        "5": pa.array([True]),
    }
)


def test_a_row_comes_back_as_it_was() -> None:
    assert row_of(stream_of(ROW)) == ROW


def test_no_bytes_are_no_parameters() -> None:
    assert row_of(b"") is None


@pytest.mark.parametrize("rows", [0, 2])
def test_parameters_are_one_row(rows: int) -> None:
    batch = pa.record_batch({"0": pa.array(range(rows), pa.int64())})
    with pytest.raises(BadRequest, match=f"one row and {rows} came"):
        row_of(stream_of(batch))


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.int64()),
        pa.struct({"a": pa.int64()}),
        pa.map_(pa.utf8(), pa.utf8()),
        pa.dictionary(pa.int8(), pa.utf8()),
        pa.string_view(),
        pa.run_end_encoded(pa.int32(), pa.utf8()),
    ],
    ids=str,
)
def test_nested_and_encoded_types_are_refused(kind: pa.DataType) -> None:
    with pytest.raises(BadRequest, match="cannot be taken"):
        check_types(pa.schema({"0": kind}))


def test_parameters_that_are_too_long_are_refused() -> None:
    long = pa.record_batch({"0": ["x" * BYTES_MAX]})
    with pytest.raises(BadRequest, match=str(BYTES_MAX)):
        stream_of(long)
    with pytest.raises(BadRequest, match=str(BYTES_MAX)):
        row_of(bytes(BYTES_MAX + 1))


def test_changed_bytes_are_a_row_or_refused(request: pytest.FixtureRequest) -> None:
    rng, genuine = generator("parameters"), stream_of(ROW)
    for _ in range(scaled(request.config, ci=2_000, nightly=50_000)):
        data = bytearray(genuine[: rng.randrange(len(genuine))] if rng.random() < 0.2 else genuine)
        for _ in range(rng.randrange(1, 4)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            row = row_of(bytes(data))
        except BadRequest:
            continue
        assert row is None or row.num_rows == 1
