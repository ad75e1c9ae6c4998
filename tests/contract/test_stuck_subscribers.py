"""Subscribers that never read, and frozen ones: each costs a thread, and nobody waits for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.support.live_wire import eventually, live, request
from tests.support.rows import minutes
from tests.support.seeds import scaled
from tests.support.server_process import ServerProcess, running, toml

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb

BTC = "binance:BTC/USDT"
_ROWS = 20_000
_PUTS_MAX = 100
# What the puts themselves take on their way, and what a stream holds that is not read.
_SLACK_BYTES, _STREAM_BYTES = 32 << 20, 256 << 10
# Beside one for each stream: the server's own, and those in which Flight waits for calls.
_OTHER_THREADS = 24
# Opens streams, each on a connection of its own, and reads none before it is told to; then it
# reads the first to its end and says why it ended.
_SILENT = """
import sys
from pyarrow import flight
ticket = flight.Ticket(bytes.fromhex(sys.argv[2]))
own = {"generic_options": [("grpc.use_local_subchannel_pool", 1)]}
clients = [flight.FlightClient(sys.argv[1], **own) for _ in range(int(sys.argv[3]))]
deadline = flight.FlightCallOptions(timeout=240)
streams = [client.do_get(ticket, deadline) for client in clients]
for stream in streams:
    stream.schema
print("ready", flush=True)
sys.stdin.readline()
try:
    while True:
        streams[0].read_chunk()
except flight.FlightError as error:
    print(str(error).replace(chr(10), " "), flush=True)
"""


class _Silent:
    """A process with so many streams that it does not read."""

    def __init__(self, uri: str, count: int) -> None:
        ticket = pb.Ticket(subscribe=request()).SerializeToString().hex()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SILENT, uri, ticket, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_until_open(self) -> None:
        assert self._line() == "ready\n"

    def freeze(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)

    def read_to_the_end(self) -> str:
        """Have it go on and read; returns what its first stream ended with."""
        os.kill(self._process.pid, signal.SIGCONT)
        assert self._process.stdin is not None
        self._process.stdin.write("read\n")
        self._process.stdin.flush()
        return self._line()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


class _Stuck:
    """A server, a client of it, and as many stuck subscribers as it allows but one."""

    def __init__(self, server: ServerProcess, db: fs.Client, count: int) -> None:
        self.server, self.db, self.count = server, db, count
        self.process = psutil.Process(server.pid)
        self.minute = 0
        self.write(_ROWS)
        db.flush()
        self.memory = _memory(server.pid)
        frozen = count // 5
        self.peers = [_Silent(server.uri, count - frozen), _Silent(server.uri, frozen)]

    def write(self, rows: int) -> int:
        """One put of so many minutes that nobody has seen yet; its LSN."""
        batch = minutes(range(self.minute, self.minute + rows))
        self.minute += rows
        return self.db.write(BTC, batch, timeframe="1m").lsn

    def states(self) -> list[str]:
        return [c.state for c in self.db.status().consumers if c.kind == "subscriber"]

    def fill(self) -> None:
        """Write until nothing more fits between the server and any of them."""
        for peer in self.peers:
            peer.wait_until_open()
        self.peers[1].freeze()
        for _ in range(_PUTS_MAX):
            self.write(_ROWS)
            # Whoever gets rows keeps up: none is left behind by the log before it is stuck.
            eventually(lambda: "running" not in self.states())
            if self.states() == ["blocked"] * self.count:
                return
        raise AssertionError(f"not all of them are stuck: {self.states()}")

    def leave_behind(self) -> None:
        """Write until the log no longer reaches any of them."""
        for _ in range(_PUTS_MAX):
            self.write(_ROWS)
            self.db.flush()
            status = self.db.status()
            behind = [c.lsn for c in status.consumers if c.kind == "subscriber"]
            if status.log_tail_lsn > max(behind) + 1:
                return
        raise AssertionError("the log still reaches all of them")

    def end(self) -> None:
        for peer in self.peers:
            peer.end()


@pytest.fixture
def stuck(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[_Stuck]:
    count = scaled(pytestconfig, ci=50, nightly=250, release=250)
    config = {
        "server": {"shutdown_seconds": 0.5},
        "limits": {"subscribers_max": count + 1, "memtable_bytes_max": 8 << 20},
        "log": {
            "file_bytes": 1 << 20,
            "keep_bytes": 1 << 20,
            "keep_seconds": 0.1,
            "feed_bytes_max": 1 << 20,
        },
        "flush": {"memory_bytes": 2 << 20},
    }
    with running(tmp_path / "data", toml(config)) as server, fs.connect(server.uri) as db:
        held = _Stuck(server, db, count)
        try:
            held.fill()
            yield held
        finally:
            held.end()


def _memory(pid: int) -> int:
    """Memory that the process alone uses: files that it maps are not in it."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(status["RssAnon"].split()[0]) * 1024


def test_those_who_never_read_cost_a_thread_each_and_nobody_waits_for_them(stuck: _Stuck) -> None:
    server, db = stuck.server, stuck.db
    with live(server.uri) as reading:
        reading.live()
        # One more is one too many.
        with pytest.raises(fs.Overloaded, match=r"live .*limits\.subscribers_max"):
            live(server.uri).__enter__()
        last = [stuck.write(10) for _ in range(50)][-1]
        assert len(reading.until(last).held.rows[BTC]) == 500
    assert db.candles(BTC, "1m").height == stuck.minute
    assert stuck.process.num_threads() <= stuck.count + 1 + _OTHER_THREADS
    db.flush()
    assert _memory(server.pid) <= stuck.memory + _SLACK_BYTES + stuck.count * _STREAM_BYTES

    # What they missed is more than the log holds: who goes on is told, and what it missed.
    stuck.leave_behind()
    assert "are gone" in stuck.peers[1].read_to_the_end()
    assert server.terminate() == 0, "they cannot keep it alive"
