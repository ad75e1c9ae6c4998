"""Clients and servers of version 0.1 are understood: what they said was recorded (record.py)."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import descriptor_pb2
from pyarrow import flight
from tests.compat.make import GOLDEN, KEPT, KINDS, TIMES
from tests.compat.record import QUESTIONS, answer_to, said
from tests.support.stores import BTC, read, stepped
from tests.support.wire import SECONDS

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.engine.store import Store
from flightstore_server.flight.lifecycle import bind

RECORDED = json.loads(gzip.decompress((GOLDEN / "wire-0.1.json.gz").read_bytes()))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = stepped(KINDS["rules"](tmp_path), KEPT)
    yield opened
    opened.close()


@pytest.fixture
def uri(store: Store) -> Iterator[str]:
    server = bind(store, "127.0.0.1", 0)
    yield f"grpc://127.0.0.1:{server.port}"
    server.shutdown()


def test_a_client_of_before_gets_the_answers_that_it_got(uri: str) -> None:
    with flight.FlightClient(uri) as client:
        for name in QUESTIONS:  # in this order: a question has what is derived brought up to date
            for call in RECORDED[name]["calls"]:
                answer = answer_to(client, call)
                assert {key: call[key] for key in answer} == answer, name


def test_a_put_of_before_is_taken(store: Store, uri: str) -> None:
    put = {key: b64decode(value) for key, value in RECORDED["put"].items()}
    descriptor = flight.FlightDescriptor.for_command(put["command"])
    schema = store.reader.view("candles", BTC, "1m", "").schema
    with flight.FlightClient(uri) as client:
        writer, acks = client.do_put(descriptor, schema, SECONDS)
        with writer:
            writer.write_batch(pa.ipc.read_record_batch(pa.py_buffer(put["rows"]), schema))
            writer.write_metadata(pa.py_buffer(put["commit"]))
            writer.done_writing()
            ack = pb.WriteAck.FromString(acks.read().to_pybytes())
    assert (ack.put_id, ack.rows, ack.lsn) == (77, 3, store.state.last_lsn)
    rows = read(store, start=TIMES[0], end=TIMES[3])
    assert [close for batch in rows for close in batch["close"].to_pylist()] == [8.0, 8.0, 8.0]


class _ServerOfBefore(flight.FlightServerBase):  # type: ignore[misc]
    """Answers one question after another as was recorded, whatever is asked."""

    def __init__(self, calls: list[dict[str, Any]]) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self._calls = iter(calls)

    def do_get(self, context: Any, ticket: flight.Ticket) -> flight.FlightDataStream:
        answer = next(self._calls)
        schema = pa.ipc.read_schema(pa.py_buffer(b64decode(answer["schema"])))
        return flight.GeneratorStream(schema, (_rebuilt(c, schema) for c in answer["chunks"]))

    def do_action(self, context: Any, action: flight.Action) -> Iterator[flight.Result]:
        return (flight.Result(b64decode(result)) for result in next(self._calls)["results"])


def _rebuilt(chunk: dict[str, str | None], schema: pa.Schema) -> Any:
    rows, told = chunk["rows"], chunk["told"]
    batch = (
        pa.RecordBatch.from_pylist([], schema=schema)
        if rows is None
        else pa.ipc.read_record_batch(pa.py_buffer(b64decode(rows)), schema)
    )
    return batch if told is None else (batch, pa.py_buffer(b64decode(told)))


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_server_of_before_is_understood(name: str) -> None:
    server = _ServerOfBefore(RECORDED[name]["calls"])
    db = fs.connect(f"grpc://127.0.0.1:{server.port}", same_host=False, check=False)
    assert said(QUESTIONS[name](db)) == RECORDED[name]["said"]
    db.close()
    server.shutdown()


def test_no_field_has_another_number_or_type_than_before() -> None:
    before = descriptor_pb2.FileDescriptorProto.FromString(
        gzip.decompress((GOLDEN / "wire-0.1.proto.gz").read_bytes())
    )
    now = descriptor_pb2.FileDescriptorProto.FromString(pb.DESCRIPTOR.serialized_pb)
    missing = set(_fields(before.message_type)) - set(_fields(now.message_type))
    assert not missing, f"a client or a log of version 0.1 says these otherwise: {missing}"


def _fields(messages: Any, prefix: str = "") -> Iterator[tuple[Any, ...]]:
    for message in messages:
        name = f"{prefix}{message.name}"
        for field in message.field:
            yield name, field.name, field.number, field.type, field.label, field.type_name
        for kind in message.enum_type:
            yield from ((name, kind.name, value.name, value.number) for value in kind.value)
        yield from _fields(message.nested_type, f"{name}.")
