"""The ingestion service in a process of its own: started, killed, asked to stop, started again."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path
from time import monotonic

from tests.support.launcher import COMMANDS, FLIGHTSTORE, Launched

START_SECONDS = 60
STOP_SECONDS = 30


class IngestProcess:
    """`flightstore ingest run` with one configuration file, forked from a warm parent."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._log = config.with_suffix(".log")
        self._process: Launched | None = None
        self._begun = 0  # where in the log the latest start begins

    @property
    def pid(self) -> int:
        assert self._process is not None, "the ingestion was not started"
        return self._process.pid

    def log(self) -> str:
        """What all processes of this object have written to stderr."""
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Start it; it is ready when rows come."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FLIGHTSTORE_")}
        with self._log.open("ab") as log:
            self._begun = log.tell()
            self._process = COMMANDS.start(
                FLIGHTSTORE,
                ["ingest", "run", str(self._config)],
                environment=environment,
                stdout=log,
                stderr=log,
            )

    def wait_until_at_work(self) -> None:
        """Wait until it has found its series; before that, a signal just ends it."""
        deadline = monotonic() + START_SECONDS
        while b" keeping " not in self._log.read_bytes()[self._begun :]:
            assert monotonic() < deadline, self.log()[-4000:]
            threading.Event().wait(0.05)

    def running(self) -> bool:
        """Whether it is still there: it ends only when told to."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(
                f"the ingestion did not end within {STOP_SECONDS} s:\n{self.log()[-4000:]}"
            ) from None
