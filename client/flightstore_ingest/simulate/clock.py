"""The exchange's clock: real, fast, or standing still until a test moves it."""

from __future__ import annotations

import threading
import time

MILLISECOND_NS = 1_000_000


class Clock:
    """Nanoseconds since 1970-01-01 UTC, as the exchange counts them. Thread-safe.

    At the moment `anchor_ns` of the machine's own clock it is `start_ns` here, and from then on
    `speed` seconds pass per real second. Both default to the present. Another process that makes
    a Clock of the same three numbers has the same clock.

    `skew_ns` is added to what the exchange tells (its Date header and its time endpoint), and to
    nothing else: it is how wrong the exchange's word is.
    """

    def __init__(
        self, start_ns: int | None = None, speed: float = 1.0, anchor_ns: int | None = None
    ) -> None:
        present = time.time_ns()
        self.anchor_ns = present if anchor_ns is None else anchor_ns
        self.start_ns = self.anchor_ns if start_ns is None else start_ns
        self.speed = speed
        self.skew_ns = 0
        # From here on monotonic time counts: the machine's clock may be set while this one runs.
        self._created = time.monotonic_ns() - (present - self.anchor_ns)
        self._frozen: int | None = None
        self._lock = threading.Lock()

    def now(self) -> int:
        """The time by which the exchange acts: a trade with a later `ts` has not happened yet."""
        frozen = self._frozen
        if frozen is not None:
            return frozen
        passed = time.monotonic_ns() - self._created
        return self.start_ns + (passed if self.speed == 1.0 else int(passed * self.speed))

    def told(self) -> int:
        """The time that the exchange claims it is."""
        return self.now() + self.skew_ns

    def freeze(self, ns: int | None = None) -> None:
        """Stand still at `ns`, by default at the present."""
        with self._lock:
            self._frozen = self.now() if ns is None else ns

    def advance(self, ns: int) -> None:
        """Move a frozen clock on by `ns`, or freeze a running one that much later."""
        with self._lock:
            self._frozen = self.now() + ns

    def __repr__(self) -> str:
        return f"Clock({self.start_ns}, {self.speed:g}, {self.anchor_ns})"
