"""What can go wrong with an exchange, to be ordered one by one or at random.

REST kinds
    status         answers `status` with `headers`, `body` and, if `retry_after` is set, that header
    html           a proxy's page, with status 200
    cut            the true answer's JSON cut in the middle, with status 200
    truncated      fewer bytes than Content-Length says, then the connection is closed
    reset          the connection is closed without an answer
    hang           no answer until the client gives up
    slow           the true answer, `seconds` later
    empty          the exchange's own empty answer
    repeat         the page before, once more
    none_fields    a row whose values are null
    off_grid       a row whose time is not a bar's; trades are left as they are
    outside        a row from outside the window that was asked for
    contradiction  a row whose high is below its low
    zero_rows      a row of zeros
    maintenance    the exchange's own answer while it is being maintained
    bad_symbol     the exchange's own answer for a symbol that it does not (or no longer) have
Websocket kinds, which strike connections that are open or come; `like` narrows them to data frames
that contain it
    close          the connection breaks after `frames` more data frames
    stall          data frames are lost while the socket stays open; for `seconds`, if set
    drop           the next `frames` data frames are lost
    duplicate      the next `frames` data frames are sent twice
    burst          data frames are held back until there are `frames` of them, then sent at once
    refuse         the handshake is answered with `status` and Retry-After
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from flightstore_ingest.simulate.requests import matches

ROW_FAULTS = ("none_fields", "off_grid", "outside", "contradiction", "zero_rows")
REST_KINDS = (
    *("status", "html", "cut", "truncated", "reset", "hang", "slow", "empty", "repeat"),
    *("maintenance", "bad_symbol"),
    *ROW_FAULTS,
)
WEBSOCKET_KINDS = ("close", "stall", "drop", "duplicate", "burst", "refuse")


@dataclass(slots=True)
class Fault:
    """One kind of fault, for `times` requests or connections whose path fits `match`.

    `match` is a part of the path, or a pattern if it has a * or ?; the first `after` requests that
    fit are spared. Raises ValueError for a kind that does not exist.
    """

    kind: str
    match: str = ""
    times: int = 1
    after: int = 0
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None  # default: what the exchange itself says with this status
    retry_after: float | None = None  # seconds
    seconds: float = 0.0
    frames: int = 0
    like: str = ""

    def __post_init__(self) -> None:
        if self.kind not in REST_KINDS + WEBSOCKET_KINDS:
            known = ", ".join(REST_KINDS + WEBSOCKET_KINDS)
            raise ValueError(f"{self.kind!r} is not a kind of fault: write one of {known}.")


class Faults:
    """Faults that wait for their requests, in the order in which they were added. Thread-safe.

    `plan` gives more of them over time: pairs of seconds from now and a fault. One of them waits at
    a time: while nobody asks, mishaps pass by, and do not gather for whoever asks next.
    """

    def __init__(
        self, faults: Iterable[Fault] = (), plan: Iterator[tuple[float, Fault]] | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._waiting = list(faults)
        self._plan, self._began = plan, time.monotonic()
        self._next = next(plan, None) if plan is not None else None
        self._planned: Fault | None = None

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Forget what waits, and the plan."""
        with self._lock:
            self._waiting.clear()
            self._next = None

    def waiting(self) -> list[Fault]:
        with self._lock:
            return list(self._waiting)

    def take(
        self, path: str, kinds: Iterable[str] = REST_KINDS, met: list[Fault] | None = None
    ) -> Fault | None:
        """The fault that strikes this request, counted as taken.

        A connection asks again and again: those in `met`, to which is added, it has behind it. It
        counts for all that wait when it first asks, for it may not live to ask a second time.
        """
        if not self._waiting and self._next is None:
            return None
        struck = None
        with self._lock:
            self._follow_plan()
            for fault in self._waiting:
                known = met is not None and any(fault is one for one in met)
                if known or fault.kind not in kinds or not matches(fault.match, path):
                    continue
                if struck is not None and fault.after == 0:
                    continue  # left to the next one
                if met is not None:
                    met.append(fault)
                if self._strikes(fault):
                    struck = fault
                if struck is not None and met is None:
                    break
        return struck

    def _strikes(self, fault: Fault) -> bool:
        if fault.after > 0:
            fault.after -= 1
            return False
        fault.times -= 1
        if fault.times <= 0:
            self._waiting = [one for one in self._waiting if one is not fault]
        return True

    def _follow_plan(self) -> None:
        passed = time.monotonic() - self._began
        while self._plan is not None and self._next is not None and self._next[0] <= passed:
            if not any(fault is self._planned for fault in self._waiting):
                self._planned = self._next[1]
                self._waiting.append(self._planned)
            self._next = next(self._plan, None)


# What happens to real exchanges now and then. Kinds that a client can only give up on
# (bad_symbol, 451, 403) are no part of it.
_MISHAPS: tuple[Mapping[str, object], ...] = (
    {"kind": "status", "status": 429, "retry_after": 1},
    {"kind": "status", "status": 500, "times": 2},
    {"kind": "status", "status": 502},
    {"kind": "status", "status": 503, "retry_after": 1, "times": 3},
    {"kind": "html"},
    {"kind": "cut"},
    {"kind": "truncated"},
    {"kind": "reset", "times": 2},
    {"kind": "slow", "seconds": 1.0},
    {"kind": "empty"},
    {"kind": "repeat"},
    {"kind": "none_fields"},
    {"kind": "off_grid"},
    {"kind": "outside"},
    {"kind": "contradiction"},
    {"kind": "maintenance", "times": 3},
    {"kind": "close"},
    {"kind": "close", "frames": 20},
    {"kind": "stall", "seconds": 3.0},
    {"kind": "drop", "frames": 10},
    {"kind": "duplicate", "frames": 10},
    {"kind": "burst", "frames": 50},
    {"kind": "refuse", "retry_after": 1},
)


def random_faults(
    seed: int, every_seconds: float, kinds: Iterable[str] | None = None
) -> Iterator[tuple[float, Fault]]:
    """An endless plan for `Faults`: a fault every `every_seconds` real seconds on average.

    The same seed gives the same plan. `kinds` narrows what may happen.
    """
    draw = random.Random(seed)
    allowed = None if kinds is None else set(kinds)
    mishaps = [m for m in _MISHAPS if allowed is None or m["kind"] in allowed]
    at = 0.0
    while True:
        at += draw.expovariate(1 / every_seconds)
        yield at, Fault(**draw.choice(mishaps))  # type: ignore[arg-type]
