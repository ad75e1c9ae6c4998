"""A Flight server that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import CANDLES, SERIES_KEY

MINUTE_NS = 60_000_000_000
START_NS = 1_704_067_200_000_000_000  # 2024-01-01


def candle_table(rows: int, *, first: int = 0) -> pa.Table:
    """`rows` bars of one minute from 2024-01-01, in the canonical schema."""
    numbers = range(first, first + rows)
    price = pa.array([float(n) for n in numbers])
    ts = pa.array([START_NS + n * MINUTE_NS for n in numbers], CANDLES.field("ts").type)
    return pa.table([ts, price, price, price, price, price], schema=CANDLES)


def refusal(code: str, message: str, *suggestions: str) -> flight.FlightServerError:
    """An error as a flightstore server raises it."""
    detail = pb.ErrorDetail(code=code, message=message, suggestions=suggestions)
    return flight.FlightServerError(message, extra_info=detail.SerializeToString())


@dataclass
class ReceivedPut:
    """One committed put as the fake server got it."""

    dataset: str
    commit: pb.PutCommit
    table: pa.Table
    batches: int


@dataclass
class Stream:
    """An answer to a read: batches with their metadata, under a schema."""

    schema: pa.Schema
    batches: list[tuple[pa.RecordBatch, bytes | None]]

    @classmethod
    def plain(cls, table: pa.Table) -> Stream:
        schema = table.schema.with_metadata(
            {SERIES_KEY: pb.StreamSeries(series=[{"instrument": "x:Y"}]).SerializeToString()}
        )
        return cls(schema, [(batch, None) for batch in table.to_batches(max_chunksize=1000)])

    @classmethod
    def of_many(
        cls,
        tables: dict[str, pa.Table],
        *,
        batch_rows: int = 7,
        unknown: dict[str, str] | None = None,
        damaged: dict[str, str] | None = None,
    ) -> Stream:
        """Several series as runs, cut without regard to where one ends."""
        whole = pa.concat_tables(tables.values()).combine_chunks()
        owners = [i for i, table in enumerate(tables.values()) for _ in range(table.num_rows)]
        problems = [_problem(name, "unknown_instrument", m) for name, m in (unknown or {}).items()]
        said = pb.StreamSeries(series=[{"instrument": name} for name in tables], problems=problems)
        schema = whole.schema.with_metadata({SERIES_KEY: said.SerializeToString()})
        batches: list[tuple[pa.RecordBatch, bytes | None]] = []
        for start in range(0, whole.num_rows, batch_rows):
            [batch] = whole.slice(start, batch_rows).combine_chunks().to_batches()
            runs = pb.BatchRuns()
            for owner in owners[start : start + batch_rows]:
                if runs.series and runs.series[-1] == owner:
                    runs.rows[-1] += 1
                else:
                    runs.series.append(owner)
                    runs.rows.append(1)
            batches.append((batch, runs.SerializeToString()))
        if damaged:
            broken = [_problem(name, "corrupt", m) for name, m in damaged.items()]
            [nothing] = whole.slice(0, 1).to_batches()
            tail = pb.BatchRuns(problems=broken).SerializeToString()
            batches.append((nothing.slice(0, 0), tail))
        return cls(schema, batches)


def _problem(instrument: str, code: str, message: str) -> pb.Problem:
    return pb.Problem(instrument=instrument, error=pb.ErrorDetail(code=code, message=message))


@dataclass
class Script:
    """What the server shall do."""

    read: Callable[[pb.Ticket], Stream] | None = None
    # Called with each committed put; what it returns is sent back, an error ends the stream.
    put: Callable[[ReceivedPut], bytes | None] | None = None
    leave_after: int | None = None  # end the stream without an error after so many puts
    actions: dict[str, Callable[[bytes], list[Any]]] = field(default_factory=dict)


class FakeServer(flight.FlightServerBase):
    """Loopback only, on a port of its own."""

    def __init__(self, location: str = "grpc://127.0.0.1:0", **options: Any) -> None:
        super().__init__(location, **options)
        self.script = Script(actions={"health": lambda _: [pb.Health(ready=True, version="1")]})
        self.tickets: list[pb.Ticket] = []
        self.asked: list[tuple[str, bytes]] = []
        self.puts: list[ReceivedPut] = []
        self.applied: dict[int, bytes] = {}
        self.streams = 0
        self.cancelled = threading.Event()
        self.release = threading.Event()  # what a handler waits for that shall not answer yet

    @property
    def uri(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def do_get(self, context: Any, ticket: flight.Ticket) -> Any:
        asked = pb.Ticket.FromString(ticket.ticket)
        self.tickets.append(asked)
        assert self.script.read is not None
        answer = self.script.read(asked)
        return flight.GeneratorStream(answer.schema, self._sent(context, answer))

    def _sent(self, context: Any, answer: Stream) -> Iterator[Any]:
        # A cancelled call is seen as a flag, or as a generator that is dropped while it waits.
        whole = False
        try:
            for batch, metadata in answer.batches:
                if context.is_cancelled():
                    return
                plain = batch.cast(answer.schema) if batch.schema != answer.schema else batch
                yield plain if metadata is None else (plain, pa.py_buffer(metadata))
            whole = True
        finally:
            if not whole:
                self.cancelled.set()

    def do_put(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:
        command = pb.WriteRequest.FromString(descriptor.command)
        self.streams += 1
        batches: list[pa.RecordBatch] = []
        puts = 0
        while (chunk := _next_chunk(reader)) is not None:
            batches.append(chunk.data)
            if chunk.app_metadata is None:
                continue
            commit = pb.PutCommit.FromString(chunk.app_metadata.to_pybytes())
            table = pa.Table.from_batches(batches)
            put = ReceivedPut(command.dataset, commit, table, len(batches))
            batches = []
            answer = self.acknowledge(put)
            if answer is not None:
                writer.write(pa.py_buffer(answer))
            puts += 1
            if puts == self.script.leave_after:
                return

    def acknowledge(self, put: ReceivedPut) -> bytes | None:
        if self.script.put is not None:
            return self.script.put(put)
        return self.apply(put)

    def apply(self, put: ReceivedPut) -> bytes:
        """Remember `put` unless its id was seen, and acknowledge it."""
        put_id = put.commit.put_id
        if put_id not in self.applied:
            self.puts.append(put)
            ack = pb.WriteAck(lsn=len(self.puts), rows=put.commit.rows, put_id=put_id)
            self.applied[put_id] = ack.SerializeToString()
        return self.applied[put_id]

    def do_action(self, context: Any, action: flight.Action) -> Iterator[bytes]:
        self.asked.append((action.type, action.body.to_pybytes()))
        if action.type not in self.script.actions:
            raise refusal("unknown_action", f"no action {action.type}")
        for answer in self.script.actions[action.type](self.asked[-1][1]):
            yield answer.SerializeToString()

    def stop(self) -> None:
        self.release.set()
        self.shutdown()


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Return once `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was never met"
        time.sleep(0.005)


def _next_chunk(reader: Any) -> Any:
    try:
        return reader.read_chunk()
    except StopIteration:
        return None


@pytest.fixture
def server() -> Iterator[FakeServer]:
    server = FakeServer()
    yield server
    server.stop()


@pytest.fixture
def db(server: FakeServer) -> Iterator[fs.Client]:
    # What is asked of the server is to be what the caller asked for, and nothing else.
    retry = fs.Retry(attempts=3, backoff=0)
    with fs.connect(server.uri, retry=retry, timeout=20, same_host=False) as client:
        yield client


@pytest.fixture
def fake() -> type[Any]:
    """The names of this file, for tests: files cannot import a conftest."""

    class Fake:
        candles = staticmethod(candle_table)
        refusal = staticmethod(refusal)
        stream = Stream
        server = FakeServer
        start_ns = START_NS
        minute_ns = MINUTE_NS
        wait_until = staticmethod(wait_until)

    return Fake
