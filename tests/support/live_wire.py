"""Live streams over bare Flight, as a client of any language would read them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import flight
from tests.support.live_rows import Held
from tests.support.wire import told

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.timerange import TS_MIN

SECONDS = 30


@dataclass(frozen=True)
class Batch:
    """One message: what it says of itself, and its rows."""

    said: pb.LiveBatch
    rows: pa.RecordBatch


class Stream:
    """A subscription. `held` is what a client would hold now, `position` where it would go on."""

    def __init__(self, uri: str, request: pb.SubscribeRequest) -> None:
        self._client = flight.FlightClient(uri)
        ticket = flight.Ticket(pb.Ticket(subscribe=request).SerializeToString())
        # A deadline in place of a test that hangs.
        options = flight.FlightCallOptions(timeout=SECONDS)
        try:
            self._reader = self._client.do_get(ticket, options)
            self.schema = self._reader.schema
        except flight.FlightError as error:
            self._client.close()
            raise told(error) from None
        self.names: list[str] = []
        self.held = Held()
        self.position = 0
        self.heard: list[Batch] = []

    def next(self) -> Batch:
        """The next message, whatever it is. Raises what the server says."""
        try:
            chunk = self._reader.read_chunk()
        except flight.FlightError as error:
            raise told(error) from None
        # A message whose fields all have their defaults is no bytes at all.
        data = b"" if chunk.app_metadata is None else chunk.app_metadata.to_pybytes()
        batch = Batch(pb.LiveBatch.FromString(data), chunk.data)
        self._take(batch)
        return batch

    def until(self, lsn: int) -> Stream:
        """Read until everything up to `lsn` came."""
        while self.position < lsn:
            self.next()
        return self

    def live(self) -> Stream:
        """Read until the history is over."""
        while self.next().said.history:
            pass
        return self

    def close(self) -> None:
        self._reader.cancel()
        self._client.close()

    def _take(self, batch: Batch) -> None:
        said, at = batch.said, 0
        self.heard.append(batch)
        self.names += said.instruments
        for gone in said.deletes:
            low = gone.range.start if gone.range.HasField("start") else None
            high = gone.range.end if gone.range.HasField("end") else None
            self.held.delete(self.names[gone.series], low, high)
        for ordinal, rows in zip(said.series, said.rows, strict=True):
            self.held.add(self.names[ordinal], batch.rows.slice(at, rows))
            at += rows
        assert at == batch.rows.num_rows
        assert said.lsn >= self.position
        self.position = said.lsn


def request(*instruments: str, history: bool = False, **words: Any) -> pb.SubscribeRequest:
    """Minute bars of `instruments` (all of them), unless `words` say otherwise."""
    words = {"dataset": "candles", "timeframe": "1m"} | words
    if history:
        words["start"] = TS_MIN
    return pb.SubscribeRequest(instruments=instruments or ["*"], **words)


@contextmanager
def live(uri: str, *instruments: str, history: bool = False, **words: Any) -> Iterator[Stream]:
    stream = Stream(uri, request(*instruments, history=history, **words))
    try:
        yield stream
    finally:
        stream.close()


def eventually(is_true: Callable[[], object]) -> None:
    """Wait until `is_true`, at most half a minute."""
    end = time.monotonic() + SECONDS
    while not is_true():
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.01)
