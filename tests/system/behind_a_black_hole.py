"""Subscribers on another host from which, all at once, nothing comes any more: no packet, no end.

Run by `test_vanished_peers.py` in a network of its own; the other host is a second one, and the
wire between them a pair of virtual interfaces of which the firewall drops everything.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from tests.support.mounts import MIB
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.server_process import ServerProcess
from tests.system.distant_subscribers import NAME

import flightstore as fs

HERE, THERE = "10.99.0.1", "10.99.0.2"
SUBSCRIBERS = 20
PUTS, ROWS = 60, 2_000  # 5.5 MB for each subscriber: more than a socket takes
GROWTH_MAX = 96 * MIB


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)


@dataclass(frozen=True)
class Host:
    """The other one, with its subscribers."""

    process: subprocess.Popen[str]

    @classmethod
    def with_subscribers(cls, uri: str) -> Host:
        # The interface has to be there before the program begins.
        wait = 'read go; exec "$@"'
        program = [sys.executable, "-m", "tests.system.distant_subscribers"]
        arguments = [uri, str(SUBSCRIBERS), str(PUTS * ROWS + 1)]
        command = ["unshare", "--net", "sh", "-c", wait, "sh", *program, *arguments]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        host = cls(process)
        host._connect()
        return host

    def _connect(self) -> None:
        inside = ("nsenter", "--net", "--target", str(self.process.pid))
        # The process is in its own network only a moment after it has begun.
        while (
            Path(f"/proc/{self.process.pid}/ns/net").readlink()
            == Path("/proc/self/ns/net").readlink()
        ):
            assert self.process.poll() is None
        _run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there")
        _run("ip", "link", "set", "there", "netns", str(self.process.pid))
        for prefix, name, address in (((), "here", HERE), (inside, "there", THERE)):
            _run(*prefix, "ip", "address", "add", f"{address}/24", "dev", name)
            _run(*prefix, "ip", "link", "set", name, "up")

    def begin(self) -> None:
        assert self.process.stdin is not None
        print("go", file=self.process.stdin, flush=True)

    def wait_for(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == word

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def _vanished() -> Iterator[None]:
    """While the block lasts, every packet to and from the other host is lost."""
    rules = [("INPUT", "-i"), ("OUTPUT", "-o")]
    for chain, flag in rules:
        _run("iptables", "-A", chain, flag, "here", "-j", "DROP")
    yield
    for chain, flag in rules:
        _run("iptables", "-D", chain, flag, "here", "-j", "DROP")


def test_hosts_that_vanish_hold_nobody_up(tmp_path: Path) -> None:
    _run("ip", "link", "set", "lo", "up")
    server = ServerProcess(tmp_path / "data", flags=("--host", "0.0.0.0", "--insecure"))
    server.start()
    port = server.uri.rpartition(":")[2]
    host = Host.with_subscribers(f"grpc://{HERE}:{port}")
    try:
        with fs.connect(f"grpc://127.0.0.1:{port}") as db:
            db.write(NAME, candles([NOON_2024]), timeframe="1m")
            host.begin()
            host.wait_for("ready")
            before, threads = _size(server)
            with _vanished():
                for number in range(PUTS):
                    first = NOON_2024 + (1 + number * ROWS) * MINUTE
                    rows = candles(range(first, first + ROWS * MINUTE, MINUTE))
                    db.write(NAME, rows, timeframe="1m")
                after, more_threads = _size(server)
                assert after - before < GROWTH_MAX
                assert more_threads - threads <= 16
                with db.live(NAME, "1m") as live:  # somebody new is served
                    db.write(NAME, candles([NOON_2024 - MINUTE]), timeframe="1m")
                    assert next(iter(live)).rows.num_rows == 1
            # What was lost on the way is sent again: nobody has missed a row.
            host.wait_for("done")
        with _vanished():
            assert server.terminate() == 0
    finally:
        server.kill()
        host.end()


def _size(server: ServerProcess) -> tuple[int, int]:
    process = psutil.Process(server.pid)
    return process.memory_info().rss, process.num_threads()
