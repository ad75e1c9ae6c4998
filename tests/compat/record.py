"""Records what a client and a server of this version say to each other, byte for byte.

    python -m tests.compat.record wire-0.1

is run once by a version, from its own source tree. Later clients must understand what its server
answered, and later servers what its client asked.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight
from tests.compat.make import GOLDEN, KEPT, KINDS, TIMES
from tests.support.rows import candles
from tests.support.stores import BTC, stepped
from tests.support.wire import commit

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.flight.lifecycle import bind

QUESTIONS: dict[str, Callable[[fs.Client], Any]] = {
    "bars": lambda db: db.candles(BTC, "1m", output="arrow"),
    "many": lambda db: db.candles("*", "1m", columns=["close"], output="arrow"),
    "derived": lambda db: db.candles(BTC, "1h", closed=True, output="arrow"),
    "made": lambda db: db.candles(BTC, "15m", resample_from="1m", output="arrow"),
    "snapshot": lambda db: db.candles(BTC, "1m", snapshot="paper", output="arrow"),
    "trades": lambda db: db.trades(BTC, tail=5, output="arrow"),
    "latest": lambda db: db.latest("*", "1m", output="arrow"),
    "series": lambda db: db.series(output="arrow"),
    "gaps": lambda db: db.gaps(BTC, "1m", "2024-01-01", "2024-01-02", output="arrow"),
    "sql": lambda db: db.sql("select count(*) as n from candles", output="arrow"),
    "coverage": lambda db: db.coverage(BTC, "1m"),
    "rules": lambda db: db.rules.list(),
}


def said(result: Any) -> str:
    """The answer to a question as text that compares."""
    return repr(result.to_pylist() if isinstance(result, pa.Table) else result)


_FlightClient = flight.FlightClient  # Overheard takes its place
_heard: list[dict[str, Any]] = []


class Overheard:
    """A Flight client that remembers what it was asked to ask."""

    def __init__(self, uri: str, **options: Any) -> None:
        self._client = _FlightClient(uri, **options)

    def do_get(self, ticket: flight.Ticket, options: Any) -> Any:
        _heard.append({"kind": "get", "body": _text(ticket.ticket)})
        return self._client.do_get(ticket, options)

    def do_action(self, action: flight.Action, options: Any) -> Any:
        body = _text(action.body.to_pybytes())
        _heard.append({"kind": "action", "type": action.type, "body": body})
        return self._client.do_action(action, options)

    def close(self) -> None:
        self._client.close()


def answer_to(client: flight.FlightClient, call: dict[str, Any]) -> dict[str, Any]:
    """What a server answers to the recorded `call`."""
    if call["kind"] == "action":
        results = client.do_action(flight.Action(call["type"], b64decode(call["body"])))
        return {"results": [_text(result.body.to_pybytes()) for result in results]}
    reader = client.do_get(flight.Ticket(b64decode(call["body"])))
    schema = _text(reader.schema.serialize().to_pybytes())
    return {"schema": schema, "chunks": list(map(_chunk, _chunks(reader)))}


def _chunks(reader: Any) -> Iterator[Any]:
    while True:
        try:
            yield reader.read_chunk()
        except StopIteration:
            return


def _chunk(chunk: Any) -> dict[str, str | None]:
    rows, told = chunk.data, chunk.app_metadata
    return {
        "rows": None if rows is None else _text(rows.serialize().to_pybytes()),
        "told": None if told is None else _text(told.to_pybytes()),
    }


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _record(db: fs.Client, client: flight.FlightClient) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, ask in QUESTIONS.items():
        _heard.clear()
        result = said(ask(db))
        yield name, {"said": result, "calls": [c | answer_to(client, c) for c in [*_heard]]}


def main(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        store = stepped(KINDS["rules"](Path(folder)), KEPT)
        server = bind(store, "127.0.0.1", 0)
        uri = f"grpc://127.0.0.1:{server.port}"
        with flight.FlightClient(uri) as client:
            patch.setattr("flightstore._connection.flight.FlightClient", Overheard)
            db = fs.connect(uri, same_host=False, check=False)
            recorded: dict[str, Any] = dict(_record(db, client))
            db.close()
        server.shutdown()
        store.close()
    batch = candles(TIMES[:3], 8.0)
    recorded["put"] = {
        "command": _text(pb.WriteRequest(dataset="candles", protocol=1).SerializeToString()),
        "rows": _text(batch.serialize().to_pybytes()),
        "commit": _text(commit(3, put_id=77).SerializeToString()),
    }
    text = json.dumps(recorded, separators=(",", ":"))
    (GOLDEN / f"{name}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    described = pb.DESCRIPTOR.serialized_pb
    (GOLDEN / f"{name}.proto.gz").write_bytes(gzip.compress(described, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
