"""The real server in a process of its own: started, killed, asked to stop, started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 30
_READY = "listening on "
_DIRECT = "import typer; from flightstore_server.cli.serve import serve; typer.run(serve)"


class ServerProcess:
    """`flightstore serve` on one data directory and a free port; `uri` changes with each start.

    With `same_port` it comes back where it was, for clients that know no other address. `flags` are
    further ones of the command line, from the next start on.
    """

    def __init__(
        self,
        data_dir: Path,
        config: str = "",
        *,
        same_port: bool = False,
        flags: Sequence[str] = (),
    ) -> None:
        self.data_dir = data_dir
        self.flags = flags
        self._same_port = same_port
        self._config = data_dir.with_name(f"{data_dir.name}.toml")
        self.configure(config)
        self._log = data_dir.with_name(f"{data_dir.name}.log")
        self._process: subprocess.Popen[str] | None = None
        self.uri = ""

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[str]:
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
        command = [sys.executable, "-X", "faulthandler", "-c", _DIRECT]
        command += ["--data-dir", str(self.data_dir)]
        port = self.uri.rpartition(":")[2] if self._same_port else ""
        command += ["--port", port or "0"]
        command += ["--config", str(self._config), "--log-level", "warning", *self.flags]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FLIGHTSTORE_")}
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
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


@contextmanager
def running(data_dir: Path, config: str = "") -> Iterator[ServerProcess]:
    """A started server, gone when the block ends."""
    server = ServerProcess(data_dir, config)
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
