"""The error that ends a stream is the server's own, whatever the failing write says."""

from __future__ import annotations

import threading

import pytest

import flightstore as fs
from flightstore._pipe import Pipe
from flightstore._puts import Put
from flightstore_proto import flightstore_pb2 as pb


class BrokenStream:
    """A stream on which writing fails, as pyarrow's does once the server has ended it."""

    def __init__(self, verdict: Exception | None, *, ends: bool = True) -> None:
        self.verdict, self.ends = verdict, ends
        self.told = threading.Event()

    def write(self, batch, metadata) -> None:
        raise fs.InternalError("Destination already closed")

    def done(self) -> None:
        self.told.set()
        raise fs.InternalError("Destination already closed")

    def read(self) -> bytes | None:
        # Only once the sender has met the failing write: that is the case to be tested.
        self.told.wait(10)
        if not self.ends:
            threading.Event().wait(0.5)
        return None

    def close(self) -> None:
        if self.verdict is not None:
            raise self.verdict


@pytest.fixture
def put(fake) -> Put:
    [batch] = fake.candles(3).to_batches()
    return Put([batch, batch], [pb.SeriesPut(instrument="lab:X", rows=6)], 2 * batch.nbytes)


def test_a_failing_write_does_not_mask_the_reason(put) -> None:
    pipe = Pipe(BrokenStream(fs.Overloaded("Too many puts.")), patience=5)
    with pytest.raises(fs.Overloaded, match="Too many puts"):
        pipe.send(put).result(5)
    with pytest.raises(fs.Overloaded):
        pipe.flush()
    pipe.close()


def test_a_failing_write_without_a_reason_says_what_is_known(put) -> None:
    pipe = Pipe(BrokenStream(None), patience=5)
    with pytest.raises(fs.InternalError, match="before it acknowledged"):
        pipe.send(put).result(5)


def test_a_reason_that_does_not_come_is_not_waited_for_for_ever(put) -> None:
    pipe = Pipe(BrokenStream(None, ends=False), patience=0.01)
    with pytest.raises(fs.InternalError, match="already closed"):
        pipe.send(put).result(5)
