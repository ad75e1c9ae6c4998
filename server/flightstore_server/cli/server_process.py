"""A server in a process of its own, as `flightstore serve` starts it: for the demo."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flightstore_proto.errors import Unavailable

_STOP_SECONDS = 20


@contextmanager
def running_server(data_dir: Path) -> Iterator[str]:
    """The address of a server of `data_dir` on a free port; it stops when the block ends."""
    command = [sys.executable, "-m", "flightstore", "serve", "--port", "0"]
    command += ["--data-dir", str(data_dir), "--log-level", "warning"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield _ready(process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout else ""
    prefix = "listening on "
    if not line.startswith(prefix):
        raise Unavailable("The demo's server did not start; its message is above.")
    return line.removeprefix(prefix).strip()
