"""What becomes of a connection's data frames while faults are upon it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flightstore_ingest.simulate.faults import Fault


@dataclass(slots=True, eq=False)
class _Running:
    """A fault that has begun, with what is left of it."""

    kind: str
    like: str
    frames: int
    until: float


class Mishaps:
    """The faults of one connection, from their beginning to their end."""

    def __init__(self) -> None:
        self._running: list[_Running] = []
        self._held: list[str] = []
        self.closed = False

    def begin(self, fault: Fault) -> None:
        until = time.monotonic() + fault.seconds if fault.seconds else math.inf
        self._running.append(_Running(fault.kind, fault.like, fault.frames, until))

    def through(self, frames: Iterable[str]) -> Iterator[str]:
        """What is sent of `frames`. Afterwards `closed` tells whether the connection ends."""
        if self._running:
            now = time.monotonic()
            self._running = [one for one in self._running if now < one.until]
        for frame in frames:
            sent = [frame]
            for one in list(self._running):
                if one.like in frame:
                    sent = self._strike(one, sent)
            yield from sent
            if self.closed:
                return
        self.closed = self.closed or any(r.kind == "close" and not r.frames for r in self._running)

    def _strike(self, one: _Running, sent: list[str]) -> list[str]:
        """What is left of a frame (or its copies) after one fault."""
        if one.kind == "stall":
            return []
        if one.kind == "burst":
            return self._hold(one, sent)
        spent = not one.frames
        one.frames = max(one.frames - 1, 0)
        if one.kind == "close":
            self.closed = self.closed or not one.frames
            return [] if spent else sent
        if not one.frames:
            self._running.remove(one)
        return sent * 2 if one.kind == "duplicate" else []

    def _hold(self, one: _Running, sent: list[str]) -> list[str]:
        self._held += sent
        if len(self._held) < one.frames:
            return []
        self._running.remove(one)
        sent, self._held = self._held, []
        return sent
