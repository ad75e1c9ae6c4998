"""A stream of puts that breaks in every way it can: what the writer is told."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import NoReturn

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from flightstore_proto.errors import BadRequest, FlightstoreError, Overloaded
from flightstore_server.flight.incoming import COLUMNS_MAX, Incoming


class _Breaking:
    """A reader of Flight's whose next chunk, and whose schema, is an error."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def read_chunk(self) -> NoReturn:
        raise self._error

    @property
    def schema(self) -> NoReturn:
        raise self._error


def _incoming(reader: object) -> Incoming:
    admission = SimpleNamespace(gathering=SimpleNamespace(begin=lambda: None))
    return Incoming(reader, admission, "a peer")  # type: ignore[arg-type]


def _no_text() -> UnicodeDecodeError:
    return UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


@pytest.mark.parametrize(
    ("error", "told", "said"),
    [
        (pa.ArrowMemoryError("malloc of size 1073741824 failed"), Overloaded, "smaller batches"),
        (pa.ArrowInvalid("Buffer is too small"), BadRequest, "nothing of this put was written"),
        (OSError("Invalid flatbuffers message"), BadRequest, "nothing of this put was written"),
    ],
)
def test_a_batch_that_cannot_be_read_is_told_as_what_it_is(
    error: Exception, told: type[FlightstoreError], said: str
) -> None:
    """One that does not fit in memory is no mistake of its writer's."""
    with pytest.raises(told, match=said):
        _incoming(_Breaking(error)).chunk()


def test_a_stream_that_ends_is_no_error() -> None:
    assert _incoming(_Breaking(StopIteration())).chunk() is None


def test_a_connection_that_breaks_is_not_called_bad_data() -> None:
    with pytest.raises(fl.FlightCancelledError):
        _incoming(_Breaking(fl.FlightCancelledError("gone"))).chunk()


@pytest.mark.parametrize("made", [lambda: pa.ArrowInvalid("no schema"), _no_text])
def test_a_schema_that_cannot_be_read_is_bad_data(made: Callable[[], Exception]) -> None:
    with pytest.raises(BadRequest, match="is not the Arrow data that it says it is"):
        _incoming(_Breaking(made())).schema()


def test_more_columns_than_a_dataset_has_are_counted_and_not_read() -> None:
    wide = pa.schema([(f"c{number}", pa.int8()) for number in range(COLUMNS_MAX + 1)])
    with pytest.raises(BadRequest, match=f"has {COLUMNS_MAX + 1} columns"):
        _incoming(SimpleNamespace(schema=wide)).schema()
