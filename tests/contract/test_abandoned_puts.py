"""Puts that are begun and not brought to an end: only a commit counts, and it counts once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import flight
from tests.support import wire
from tests.support.launcher import SERVER, Launched
from tests.support.rows import MINUTE, NOON_2024, Bar, bars_of, candles
from tests.support.seeds import generator, scaled
from tests.support.server_process import ServerProcess, toml
from tests.support.serving import Serving

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb

BTC = "binance:BTC/USDT"
TIMES = [NOON_2024 + minute * MINUTE for minute in range(20)]
# Sends the rows of a file, and a commit if it is given one; then it waits to be killed.
_CLIENT = """
import sys, time
import pyarrow as pa
from pyarrow import flight
uri, command, path, commit = sys.argv[1], bytes.fromhex(sys.argv[2]), sys.argv[3], sys.argv[4]
batch = pa.ipc.open_stream(path).read_all().to_batches()[0]
writer, acks = flight.FlightClient(uri).do_put(
    flight.FlightDescriptor.for_command(command), batch.schema)
writer.write_batch(batch)
if commit:
    writer.write_metadata(pa.py_buffer(bytes.fromhex(commit)))
    acks.read()
print("sent", flush=True)
time.sleep(600)
"""


def _descriptor() -> flight.FlightDescriptor:
    command = pb.WriteRequest(dataset="candles", protocol=1).SerializeToString()
    return flight.FlightDescriptor.for_command(command)


@contextmanager
def stalled(uri: str, close: float) -> Iterator[tuple[flight.FlightStreamWriter, object]]:
    """A put of bars at TIMES that has sent its rows and nothing more."""
    with flight.FlightClient(uri) as client:
        rows = candles(TIMES, close)
        writer, acks = client.do_put(_descriptor(), rows.schema, wire.SECONDS)
        writer.write_batch(rows)
        yield writer, acks


def _bars(uri: str) -> list[Bar]:
    with fs.connect(uri) as db:
        try:
            return bars_of(db.candles(BTC, "1m", output="arrow").to_batches())
        except (fs.UnknownInstrument, fs.UnknownDataset):
            return []


def _wanted(close: float) -> list[Bar]:
    return [(ts, close) for ts in TIMES]


def test_a_put_that_stalls_is_not_seen_and_holds_up_nobody(serving: Serving) -> None:
    with stalled(serving.uri, 1.0) as (writer, acks):
        assert _bars(serving.uri) == []
        wire.send(serving.uri, [candles(TIMES, 2.0)], wire.commit(20, put_id=2))
        assert _bars(serving.uri) == _wanted(2.0)
        writer.write_metadata(pa.py_buffer(wire.commit(20, put_id=1).SerializeToString()))
        assert pb.WriteAck.FromString(acks.read().to_pybytes()).lsn == 2
        assert _bars(serving.uri) == _wanted(1.0)
        writer.close()


@pytest.mark.parametrize("end", [ServerProcess.kill, ServerProcess.terminate])
def test_a_server_that_ends_forgets_a_put_that_stalls(
    tmp_path: Path, end: Callable[[ServerProcess], object]
) -> None:
    server = ServerProcess(tmp_path / "data", toml({"server": {"shutdown_seconds": 0.5}}))
    try:
        server.start()
        with stalled(server.uri, 1.0):
            assert end(server) in (None, 0)
            server.start()
            assert _bars(server.uri) == []
    finally:
        server.kill()


def test_a_commit_that_comes_twice_on_one_stream_is_applied_once(serving: Serving) -> None:
    commit = pa.py_buffer(wire.commit(20, put_id=7).SerializeToString())
    with stalled(serving.uri, 1.0) as (writer, acks):
        writer.write_metadata(commit)
        first = acks.read().to_pybytes()
        writer.write_batch(candles(TIMES, 1.0))
        writer.write_metadata(commit)
        assert acks.read().to_pybytes() == first
        writer.close()
    assert serving.db.status().last_lsn == 1


def test_a_client_that_is_killed_after_its_commit_may_send_it_again(
    serving: Serving, tmp_path: Path
) -> None:
    with _client(serving.uri, tmp_path, 1.0, wire.commit(20, put_id=7)) as client:
        client.kill()
    assert wire.send(serving.uri, [candles(TIMES, 1.0)], wire.commit(20, put_id=7)).lsn == 1
    assert serving.db.status().last_lsn == 1
    assert _bars(serving.uri) == _wanted(1.0)


@contextmanager
def _client(
    uri: str, folder: Path, close: float, commit: pb.PutCommit | None = None
) -> Iterator[Launched]:
    """A process that has sent rows, and has the acknowledgement if there is a commit."""
    rows = candles(TIMES, close)
    with pa.ipc.new_stream(str(folder / "rows"), rows.schema) as stream:
        stream.write_batch(rows)
    said = "" if commit is None else commit.SerializeToString().hex()
    command = [uri, _descriptor().command.hex(), str(folder / "rows"), said]
    client = SERVER.start(_CLIENT, command, environment={}, stderr=2)
    try:
        assert client.stdout is not None
        assert client.stdout.readline() == "sent\n"
        yield client
    finally:
        client.close()


class Abandoning:
    """Puts that end in one way or another, against a server that is killed now and then."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        self._rng, self._root = rng, root
        self.server = ServerProcess(root / "data", same_port=True)
        self.server.start()
        self._close = 0.0
        self.wanted: list[Bar] = []
        self._acks: dict[int, pb.WriteAck] = {}

    def step(self) -> None:
        self._close += 1.0
        kinds = [
            *(self._committed, self._sent_again, self._without_commit, self._mismatched),
            *(self._raised, self._killed, self._server_killed),
        ]
        self._rng.choice(kinds)()
        assert _bars(self.server.uri) == self.wanted

    def _committed(self) -> None:
        number = int(self._close)
        self._acks[number] = self._send(wire.commit(20, put_id=number))
        self.wanted = _wanted(self._close)

    def _sent_again(self) -> None:
        """With an id that has been applied already: it changes nothing, whatever its rows are."""
        if self._acks:
            number = self._rng.choice(list(self._acks))
            assert self._send(wire.commit(20, put_id=number)) == self._acks[number]

    def _send(self, commit: pb.PutCommit | None) -> pb.WriteAck:
        return wire.send(self.server.uri, [candles(TIMES, self._close)], commit)

    def _without_commit(self) -> None:
        self._send(None)

    def _mismatched(self) -> None:
        with pytest.raises(fs.CommitMismatch):
            self._send(wire.commit(self._rng.choice([0, 19, 21]), put_id=int(self._close)))

    def _raised(self) -> None:
        with pytest.raises(RuntimeError, match="own"), stalled(self.server.uri, self._close):
            raise RuntimeError("the caller's own")

    def _killed(self) -> None:
        with _client(self.server.uri, self._root, self._close) as client:
            client.kill()

    def _server_killed(self) -> None:
        with stalled(self.server.uri, self._close):
            self.server.restart()


def test_of_puts_that_end_in_whatever_way_only_those_with_a_commit_count(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    abandoning = Abandoning(tmp_path, generator("abandoned puts"))
    try:
        for _ in range(scaled(request.config, ci=40, nightly=4_000)):
            abandoning.step()
    finally:
        abandoning.server.kill()
