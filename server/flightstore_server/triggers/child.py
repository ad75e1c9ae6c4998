"""The process of a trigger, as the server sees it: started, asked, ended.

It is a process, and not a thread, so that a trigger that computes for ever, takes all memory or
crashes costs no writer anything.
"""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import IO

from flightstore_server.triggers import wire
from flightstore_server.triggers.interface import TriggerBatch

log = logging.getLogger(__name__)
# Without the current folder in its path, and without holding back what is printed.
_OPTIONS = ("-P", "-u", "-X", "utf8")
_COMMAND = (sys.executable, *_OPTIONS, "-m", "flightstore_server.triggers.host")
# The process first writes where it is, then it is ended.
_DUMP_SECONDS = 0.5
_EXIT_SECONDS = 5.0
# A longer line of what a trigger prints becomes several.
_LINE_CHARACTERS_MAX = 8_192


class Failed(Exception):
    """What the trigger was asked to do was not done."""

    def __init__(self, sentence: str, details: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.details = details


class Gone(Failed):
    """... and its process has ended."""


class Child:
    """One process. Asked by one thread; finish() and kill() may come from another."""

    def __init__(self, name: str, timeout_seconds: float) -> None:
        """Start it. `name` is what its lines begin with in the server's log. Raises Gone."""
        self._timeout_seconds = timeout_seconds
        self._connection, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _started(theirs)
            except OSError as error:
                self._connection.close()
                raise Gone(f"Its process cannot be started: {error.strerror or error}.") from error
        output = self._process.stdout
        threading.Thread(target=_copy, args=(output, name), name=name, daemon=True).start()

    def make(self, run: str, options: Mapping[str, object]) -> None:
        """Have it make the trigger. Raises Failed."""
        level = log.getEffectiveLevel()
        self._ask({"run": run, "options": options, "log_level": level}, b"")

    def deal_with(self, batch: TriggerBatch) -> None:
        """Have the trigger deal with `batch`. Raises Failed."""
        self._ask(*wire.pack(batch))

    def _ask(self, head: Mapping[str, object], body: bytes) -> None:
        seconds = self._timeout_seconds
        self._connection.settimeout(seconds + _DUMP_SECONDS)
        try:
            wire.send(self._connection, {**head, "timeout_seconds": seconds}, body)
            answer = wire.receive(self._connection)
        except TimeoutError:
            self.kill()
            raise Gone(
                f"It took longer than {seconds:g} s (timeout_seconds) and was ended."
            ) from None
        except ConnectionError:
            answer = None
        if answer is None:
            raise Gone(f"Its process {self._how_it_ended()}.")
        if "error" in answer[0]:
            raise Failed(answer[0]["error"], answer[0]["traceback"])

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return "closed its connection, and was ended"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def finish(self) -> None:
        """Tell it to end, once the batch under way is dealt with. Does not wait."""
        try:
            self._connection.shutdown(socket.SHUT_WR)
        except OSError:  # it has ended already
            return

    def kill(self) -> None:
        """End it now."""
        self._process.kill()

    def end(self, seconds: float) -> None:
        """Tell it to end, wait for it, and kill it if it is still there after `seconds`."""
        self.finish()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._connection.close()


def _started(connection: socket.socket) -> subprocess.Popen[str]:
    return subprocess.Popen(
        _COMMAND,
        stdin=connection.fileno(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        process_group=0,  # of its own, so that it is spared the Ctrl-C that is meant for the server
    )


def _copy(output: IO[str] | None, name: str) -> None:
    """What the process writes, into the server's log; WARNING and the like set a line's level."""
    levels = logging.getLevelNamesMapping()
    if output is None:
        return
    with output:
        for line in iter(lambda: output.readline(_LINE_CHARACTERS_MAX), ""):
            level, _, rest = line.rstrip().partition(" ")
            if level in levels:
                log.log(levels[level], "%s: %s", name, rest)
            else:
                log.info("%s: %s", name, line.rstrip())
