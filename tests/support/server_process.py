"""The real server in a process of its own: started, killed, asked to stop, started again."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.launcher import SERVE, SERVER, Launched

from flightstore_server.cli import arrow_memory

START_SECONDS = 60
STOP_SECONDS = 30
_READY = "listening on "
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


class ServerProcess:
    """`flightstore serve` on one data directory and a free port; `uri` changes with each start.

    With `same_port` it comes back where it was, for clients that know no other address. `flags` are
    further ones of the command line, from the next start on.

    It is forked from a warm parent (tests/support/launcher.py), which takes 30 ms. `fresh` has it
    started as a new process of Python's, for tests that are about starting. `before` is Python that
    the process runs first, to be another server in one point.
    """

    def __init__(
        self,
        data_dir: Path,
        config: str = "",
        *,
        same_port: bool = False,
        flags: Sequence[str] = (),
        fresh: bool = False,
        before: str = "",
    ) -> None:
        self.data_dir = data_dir
        self.flags = flags
        self._fresh = fresh
        self._code = f"{before}\n{SERVE}"
        self._port = _lasting_port() if same_port else 0
        self._config = data_dir.with_name(f"{data_dir.name}.toml")
        self.configure(config)
        self._log = data_dir.with_name(f"{data_dir.name}.log")
        self._process: subprocess.Popen[str] | Launched | None = None
        self.uri = ""

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[str] | Launched:
        assert self._process is not None, "the server was not started"
        return self._process

    def configure(self, config: str) -> None:
        """The text of the configuration file, from the next start on."""
        self._config.write_text(config)

    def log(self) -> str:
        """What all servers of this object have written to stderr."""
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start it without waiting, to kill it while it recovers."""
        arguments = ["--data-dir", str(self.data_dir), "--port", str(self._port)]
        arguments += ["--config", str(self._config), "--log-level", "warning", *self.flags]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FLIGHTSTORE_")}
        with self._log.open("a") as log:
            if self._fresh:
                command = [sys.executable, "-X", "faulthandler", "-c", self._code, *arguments]
                self._process = subprocess.Popen(
                    command,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    env=environment | arrow_memory.ENVIRONMENT,
                )
            else:
                self._process = SERVER.start(
                    self._code, arguments, environment=environment, stderr=log
                )

    def wait_until_ready(self) -> None:
        process = self._running
        assert process.stdout is not None
        # A server that hangs is killed, so that the line below ends.
        watch = threading.Timer(START_SECONDS, process.kill)
        watch.start()
        try:
            line = process.stdout.readline()
        finally:
            watch.cancel()
        if not line.startswith(_READY):
            self.kill()
            raise AssertionError(f"the server did not start:\n{self.log()[-4000:]}")
        self.uri = line.removeprefix(_READY).strip()

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def restart(self) -> None:
        self.kill()
        self.start()

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # faulthandler writes what every thread is at
            process.wait()
            raise AssertionError(
                f"the server did not end within {STOP_SECONDS} s:\n{self.log()[-8000:]}"
            ) from None
        finally:
            if process.stdout is not None:
                process.stdout.close()


def _lasting_port() -> int:
    """A free port that stays free while nobody listens there.

    It is none of those that the system gives to outgoing connections: a client that looks for its
    server again and again would otherwise get that very port one day, and be connected to itself.
    """
    lowest = int(_OUTGOING.read_text().split()[0])
    for _ in range(100):
        port = random.SystemRandom().randrange(lowest // 2, lowest)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


@contextmanager
def running(data_dir: Path, config: str = "", *, fresh: bool = False) -> Iterator[ServerProcess]:
    """A started server, gone when the block ends."""
    server = ServerProcess(data_dir, config, fresh=fresh)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def toml(sections: Mapping[str, Mapping[str, float | str]]) -> str:
    """A configuration file's text."""
    lines = []
    for section, keys in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {value!r}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"
