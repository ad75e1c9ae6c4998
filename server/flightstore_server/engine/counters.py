"""What a store has done since it was opened: numbers that only grow, for status and metrics."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(slots=True)
class Writes:
    """What became durable. `rows` as they were sent; `repeated` are puts that came once more.

    Changed by the thread that commits.
    """

    puts: int = 0
    rows: int = 0
    repeated: int = 0


@dataclass(slots=True)
class Work:
    """One kind of upkeep: how often, into how many files and bytes, in what time.

    Changed under the maintenance lock.
    """

    runs: int = 0
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def add(self, files: int, size: int, seconds: float) -> None:
        self.runs += 1
        self.files += files
        self.bytes += size
        self.seconds += seconds


@dataclass(slots=True)
class Traffic:
    """Calls of one kind that are over, their seconds, and what was sent, also by others so far.

    `bytes` are an estimate.
    """

    calls: int = 0
    rows: int = 0
    batches: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Served:
    """What clients were given: traffic by kind of call, errors by code. For any thread.

    Calls that take longer than `slow_seconds` are worth a warning; 0: none are.
    """

    traffic: dict[str, Traffic] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    slow_seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sent(self, kind: str, rows: int, size: int) -> None:
        """A batch of a call of that kind has gone out."""
        with self._lock:
            traffic = self._of(kind)
            traffic.rows += rows
            traffic.bytes += size
            traffic.batches += 1

    def ended(self, kind: str, seconds: float) -> None:
        with self._lock:
            traffic = self._of(kind)
            traffic.calls += 1
            traffic.seconds += seconds

    def failed(self, code: str) -> None:
        with self._lock:
            self.errors[code] = self.errors.get(code, 0) + 1

    def by_kind(self) -> dict[str, Traffic]:
        """The traffic so far; a kind is there once there was a call of it."""
        with self._lock:
            return dict(self.traffic)

    def by_code(self) -> dict[str, int]:
        """The errors so far."""
        with self._lock:
            return dict(self.errors)

    def _of(self, kind: str) -> Traffic:
        return self.traffic.setdefault(kind, Traffic())
