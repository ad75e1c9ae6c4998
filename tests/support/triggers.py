"""Triggers for tests: a module that a trigger's process imports, and what it wrote."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

DEADLINE_SECONDS = 60
RUN = "acting:Acting"
MODULE = '''
"""A trigger that does what its options say."""

import json
import logging
import os
import signal
import socket
import time

from flightstore_server.triggers import Trigger



class Acting(Trigger):
    """Appends what it gets to `file`. While the file `obstacle` exists it does what `act` says."""

    def __init__(self, options):
        self.options = options
        if options.get("act") == "refuse":
            raise ValueError("these options will not do")

    def on_batch(self, batch):
        obstacle = self.options.get("obstacle", "")
        if os.path.exists(obstacle):
            getattr(self, self.options["act"])(obstacle)
        self.note(
            lsn=batch.lsn,
            series=[batch.dataset, batch.instrument, batch.timeframe],
            ts=batch.rows.column("ts").cast("int64").to_pylist(),
            columns=batch.rows.schema.names,
            deleted=batch.deleted,
        )

    def note(self, **said):
        with open(self.options["file"], "a") as file:
            file.write(json.dumps({"pid": os.getpid(), **said}) + "\\n")

    def fail(self, obstacle):
        raise ValueError("there is an obstacle")

    def loop(self, obstacle):
        self.note(act="loop")
        while True:
            pass

    def sleep(self, obstacle):
        self.note(act="sleep")
        time.sleep(3_600)

    def leave(self, obstacle):
        os.unlink(obstacle)
        os._exit(3)

    def crash(self, obstacle):
        os.unlink(obstacle)
        os.kill(os.getpid(), signal.SIGSEGV)

    def hang_up(self, obstacle):
        for number in range(3, 32):
            try:
                connection = socket.socket(fileno=os.dup(number))
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        time.sleep(3_600)

    def wait(self, obstacle):
        self.note(act="wait")
        while os.path.exists(obstacle):
            time.sleep(0.001)

    def talk(self, obstacle):
        print("it is said")
        logging.getLogger("any").error("it is serious")
        logging.getLogger("any").debug("it is unheard")
        print("x" * 10_000)

    def close(self):
        self.note(closed=True)
        if self.options.get("act") == "refuse_to_close":
            raise ValueError("not now")
'''


class Acted:
    """The folder of a test's trigger: its module, the obstacle, and what it has noted."""

    def __init__(self, folder: Path, name: str = "noted") -> None:
        self.folder = folder
        self._file, self.obstacle = folder / f"{name}.jsonl", folder / f"{name}.obstacle"
        (folder / "acting.py").write_text(MODULE)

    def section(
        self, act: str = "", *, name: str = "any", on: str = "candles/*/1m", **keys: Any
    ) -> str:
        """Its part of a server's configuration."""
        values = {"name": name, "on": on, "run": RUN, "timeout_seconds": 60.0, **keys}
        lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        options = ", ".join(f"{k} = {json.dumps(v)}" for k, v in self.options(act).items())
        return "\n".join(["[[triggers]]", *lines, f"options = {{{options}}}", ""])

    def options(self, act: str = "") -> dict[str, object]:
        """Options of a trigger that does `act` at once, if it is given."""
        if act:
            self.obstacle.touch()
        return {"file": str(self._file), "act": act, "obstacle": str(self.obstacle)}

    @property
    def noted(self) -> list[dict[str, Any]]:
        text = self._file.read_text() if self._file.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    @property
    def batches(self) -> list[dict[str, Any]]:
        return [each for each in self.noted if "ts" in each]

    @property
    def ts(self) -> list[int]:
        """The times of all rows it was given, in that order."""
        return [ts for each in self.batches for ts in each["ts"]]

    @property
    def pids(self) -> set[int]:
        """The processes that have noted something."""
        return {each["pid"] for each in self.noted}


def is_gone(pid: int) -> bool:
    """Whether that process has ended, even if nobody has asked how."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def until(condition: Callable[[], object], what: Callable[[], object] = lambda: "") -> None:
    """Wait until `condition` holds; after a minute fail, and show `what`."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen in time: {what()}"
        time.sleep(0.005)
