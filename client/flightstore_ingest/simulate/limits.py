"""How much an exchange lets one client ask, and what it does to those who go on."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """A refusal: seconds to wait, and whether it is a ban rather than a warning."""

    retry_after: float
    banned: bool


class Limit:
    """At most `requests` weighted requests within any `seconds` of real time; 0 for no limit.

    The first request beyond is told to wait until the window has room. One that comes before that
    is banned for `ban_seconds`, from each such request on. Thread-safe.
    """

    def __init__(self, requests: int = 0, seconds: float = 60.0, ban_seconds: float = 0.0) -> None:
        self.requests, self.seconds, self.ban_seconds = requests, seconds, ban_seconds
        self._lock = threading.Lock()
        self._times: deque[tuple[float, int]] = deque()
        self._used = 0
        self._wait_until = 0.0
        self._banned_until = 0.0

    def spend(self, weight: int) -> Verdict | None:
        """Count a request of `weight`. None if it is within the limit."""
        now = time.monotonic()
        with self._lock:
            self._forget(now)
            if now < self._wait_until and self.ban_seconds:
                self._banned_until = self._wait_until = now + self.ban_seconds
            if now < self._wait_until:
                return Verdict(self._wait_until - now, now < self._banned_until)
            if self.requests and self._used + weight > self.requests:
                self._wait_until = self._room_at(weight, now)
                return Verdict(self._wait_until - now, banned=False)
            self._times.append((now, weight))
            self._used += weight
        return None

    def used(self) -> int:
        """The weight of the requests that were answered within the last `seconds`."""
        with self._lock:
            self._forget(time.monotonic())
            return self._used

    def _forget(self, now: float) -> None:
        while self._times and self._times[0][0] <= now - self.seconds:
            self._used -= self._times.popleft()[1]

    def _room_at(self, weight: int, now: float) -> float:
        """When enough old requests are forgotten for one of `weight`."""
        used = self._used
        for at, spent in self._times:
            used -= spent
            if used + weight <= self.requests:
                return at + self.seconds
        return now + self.seconds
