"""A small server in a process of its own that never outlives the one that has started it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable

_STOP_SECONDS = 20.0


class Child:
    """`python -m MODULE`, whose server listens on `port` of 127.0.0.1."""

    def __init__(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(command)} did not start; its message is above")
        self.port, self.pid = int(line), self._process.pid

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve_until_orphaned(port: int, serve: Callable[[], object]) -> None:
    """In the child: tell the port, serve, and end when the parent closes the pipe or is gone."""
    print(port, flush=True)
    threading.Thread(target=serve, daemon=True).start()
    sys.stdin.read()
    os._exit(0)  # it holds nothing that is worth an orderly end
