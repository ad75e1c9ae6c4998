"""Windows as they come over the wire, cut into batches wherever the server likes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from tests.support.seeds import generator

import flightstore as fs
from flightstore._windows.places import Spots, Stretches
from flightstore._windows.streamed import Streamed
from flightstore_proto import flightstore_pb2 as pb

LENGTH = 5


def streamed(batches: list[tuple[pa.RecordBatch | None, bytes]]) -> Streamed:
    """A source whose server answers with `batches`."""
    connection = SimpleNamespace(
        uri="grpc://there",
        open_read=lambda ticket: Stream(batches),
        retrying=lambda action: action(),
    )
    held = Stretches(["x:A", "x:B"], *(np.array(c) for c in ([0, 1], [10, 20], [90, 90])))
    return Streamed(connection, pb.WindowsRequest(length=LENGTH, columns=["a", "b"]), held)


class Stream(list):
    def cancel(self) -> None:
        pass


def answer(windows: int, cuts: list[int]) -> list[tuple[pa.RecordBatch | None, bytes]]:
    """Rows 0, 1, 2, ... of that many windows, in batches that end at `cuts`."""
    number = np.arange(windows * LENGTH, dtype=float)
    whole = pa.RecordBatch.from_arrays([pa.array(number), pa.array(-number)], names=["a", "b"])
    parts = []
    for low, high in zip([0, *cuts], [*cuts, len(number)], strict=True):
        starts = [row for row in range(low, high) if row % LENGTH == 0]
        said = pb.WindowsBatch(start=starts, padding=b"123").SerializeToString()
        parts.append((whole.slice(low, high - low), said))
    return parts


def test_windows_are_put_together_and_in_the_order_asked_for() -> None:
    random = generator("streamed windows")
    for _ in range(20):
        windows = random.randrange(1, 12)
        cuts = sorted(random.sample(range(1, windows * LENGTH), min(windows - 1, 4)))
        first = np.array(random.sample(range(80), windows))
        spots = Spots(np.array([random.randrange(2) for _ in range(windows)]), first)
        received = streamed(answer(windows, cuts)).read(spots)
        sent = sorted(range(windows), key=lambda at: (spots.stretch[at], first[at]))
        values = received.values(slice(None))
        for turn, at in enumerate(sent):
            rows = np.arange(turn * LENGTH, (turn + 1) * LENGTH)
            np.testing.assert_array_equal(values[at], [rows, -rows])
            assert received.starts(slice(None))[at] == turn * LENGTH


def test_an_answer_that_is_not_what_was_asked_for_is_an_error() -> None:
    spots = Spots(np.array([0, 0, 1]), np.array([1, 2, 3]))
    for sent in (2, 4):
        with pytest.raises(fs.InternalError, match=f"sent {sent * 5} rows of {sent} windows"):
            streamed(answer(sent, [])).read(spots)
