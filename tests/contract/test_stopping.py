"""SIGTERM ends the server, whatever its clients are doing, and loses nothing."""

from __future__ import annotations

from pathlib import Path

import pyarrow.flight as fl
import pytest
from tests.support.rows import candles
from tests.support.server_process import running
from tests.support.stores import BTC

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb

MINUTE = 60 * 10**9
SHORT = "[server]\nshutdown_seconds = 0.2\n"


def _ticket() -> fl.Ticket:
    read = pb.ReadRequest(dataset="candles", instruments=[BTC], timeframe="1m")
    return fl.Ticket(pb.Ticket(read=read).SerializeToString())


@pytest.mark.parametrize("fresh", [True, False], ids=["a new process", "a forked one"])
def test_an_idle_server_ends_cleanly_and_keeps_everything(tmp_path: Path, fresh: bool) -> None:
    with running(tmp_path / "data", fresh=fresh) as server:
        with fs.connect(server.uri) as db:
            db.write(BTC, candles([0, MINUTE]), timeframe="1m")
        assert server.terminate() == 0
        server.start()
        with fs.connect(server.uri) as db:
            assert db.candles(BTC, "1m").height == 2


def test_a_client_that_does_not_read_cannot_keep_it_alive(tmp_path: Path) -> None:
    with running(tmp_path / "data", SHORT) as server:
        with fs.connect(server.uri) as db:
            rows = candles(range(0, 1_000_000 * MINUTE, MINUTE))
            db.write(BTC, rows, timeframe="1m")
        # More than all buffers between the two hold, and nobody takes it.
        stuck = fl.FlightClient(server.uri).do_get(_ticket())
        assert server.terminate() == 0
        del stuck


def test_an_open_put_stream_cannot_keep_it_alive(tmp_path: Path) -> None:
    with running(tmp_path / "data", SHORT) as server:
        client = fl.FlightClient(server.uri)
        command = pb.WriteRequest(dataset="candles", protocol=1).SerializeToString()
        descriptor = fl.FlightDescriptor.for_command(command)
        writer, _ = client.do_put(descriptor, candles([]).schema)
        writer.write_batch(candles([0]))
        assert server.terminate() == 0
