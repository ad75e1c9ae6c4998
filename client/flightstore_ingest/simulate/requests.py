"""What the exchange was asked: the log on which tests assert."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch


@dataclass(frozen=True, slots=True)
class Request:
    """One request and how it was answered.

    Websockets have entries as well, with method "WS": `status` is 101 for a connect (or what
    refused it), 0 for a message from the client, whose text is `query["text"]`, and 1000 or 1006
    for the end of a connection, closed or broken.
    """

    at: float  # seconds of this machine's monotonic clock
    exchange_ns: int
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    fault: str | None = None
    rows: int = 0


def matches(pattern: str, path: str) -> bool:
    """Whether `path` contains `pattern`, or is like it if that has a * or ?. Empty fits all."""
    if "*" in pattern or "?" in pattern:
        return fnmatch(path, pattern)
    return pattern in path


class RequestLog:
    """All requests in the order in which they were answered. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []

    def append(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)

    def all(self) -> list[Request]:
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()

    def __len__(self) -> int:
        return len(self._requests)

    def matching(self, path: str) -> list[Request]:
        """REST requests whose path contains `path`, or is like it if that has a * or ?."""
        return [r for r in self.all() if r.method != "WS" and matches(path, r.path)]

    def websockets(self, status: int | None = None) -> list[Request]:
        """Entries of websockets, all or those with `status`."""
        return [r for r in self.all() if r.method == "WS" and status in (None, r.status)]

    def rate(self, seconds: float, path: str = "") -> int:
        """The most REST requests (to `path`) that were received within any `seconds`."""
        times = sorted(r.at for r in self.matching(path))
        return max((bisect_right(times, t + seconds) - i for i, t in enumerate(times)), default=0)
