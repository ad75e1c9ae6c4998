"""`influxd` on free loopback ports, with all it keeps in one folder."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from bench.peers.contestant import Missing
from bench.peers.orphans import end_with_parent

_START_SECONDS = 120.0  # after a kill the log is read first
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.002
_VERSION = re.compile(r"\bv(1\.[\d.]+)")
_LISTENING = re.compile(r'msg="Listening on HTTP" .*addr=127\.0\.0\.1:(\d+)')

# What is not here is at its default, as "Configure InfluxDB OSS" of its documentation advises; so
# `wal-fsync-delay` is 0 (each write is synced before it is acknowledged) and no query is limited.
_CONFIGURATION = """\
reporting-disabled = true
bind-address = "127.0.0.1:{backups}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[http]
  bind-address = "127.0.0.1:0"
"""


class Server:
    """A server with its data in `folder`, and its log beside it. Raises Missing.

    port  where it answers HTTP; another one after each start
    """

    port: int

    def __init__(self, folder: Path) -> None:
        program = shutil.which("influxd")
        if program is None:
            raise Missing("InfluxDB's server is not installed: apt-get install influxdb")
        told = subprocess.run([program, "version"], capture_output=True, text=True, check=True)
        found = _VERSION.search(told.stdout)
        if found is None:
            raise Missing(f"{program} is not of InfluxDB 1.x: {told.stdout.strip()}")
        self.version = found[1]
        self._log = folder.with_suffix(".influxd.log")
        self._backups = _free_port()
        self._backup = folder / "backup"
        self._program = program
        configuration = folder / "influxdb.conf"
        configuration.write_text(_CONFIGURATION.format(folder=folder, backups=self._backups))
        self._command = [program, "run", "-config", str(configuration)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """None while it is down."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it; until it listens, which it does once its files are open and its log is read."""
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent,
            )
        deadline = time.monotonic() + _START_SECONDS
        while (listening := _LISTENING.search(self._log.read_text())) is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"influxd did not start: {self._log.read_text()[-500:]}")
            time.sleep(_POLL_SECONDS)
        self.port = int(listening[1])

    def back_up(self) -> None:
        """Take a backup and drop it, which has the server write its cache to files.

        By itself it does so when a shard was left alone for ten minutes.
        """
        host = ["-host", f"127.0.0.1:{self._backups}"]
        command = [self._program, "backup", "-portable", *host, str(self._backup)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        shutil.rmtree(self._backup, ignore_errors=True)
        if done.returncode:
            raise RuntimeError(f"influxd backup failed: {done.stderr[-500:]}")

    def stop(self) -> None:
        """In an orderly way; killed if it takes too long. Stopping twice is harmless."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it as a lack of memory would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _free_port() -> int:
    """For backups, whose port the server does not tell."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
