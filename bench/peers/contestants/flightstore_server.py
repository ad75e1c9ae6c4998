"""flightstore's server as its README starts it, on a free port of the loopback."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from bench.peers.orphans import end_with_parent

_READY = "listening on "
_STOP_SECONDS = 60.0


class Server:
    """`flightstore serve` on a folder; nothing but the folder is set."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "flightstore", "serve", "--data-dir", str(folder)]
        command += ["--port", "0", "--log-level", "warning"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, preexec_fn=end_with_parent
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith(_READY):
            self.kill()
            raise RuntimeError("flightstore's server did not start; its message is above.")
        self.uri = line.removeprefix(_READY).strip()
        self.pid = self._process.pid

    def stop(self) -> None:
        """As an operator does; killed if it takes too long. Stopping twice is harmless."""
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
