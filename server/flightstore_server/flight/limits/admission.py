"""Who may come in: open puts, streams under way, sizes of requests, memory.

Everything that is refused here is refused before it costs anything, with the limit's name and what
to do. What is let in is let go of when the object that stands for it is.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from flightstore_proto.errors import BadRequest, Overloaded
from flightstore_server.flight.limits.arrivals import Arrivals
from flightstore_server.flight.limits.edge import EdgeLimits
from flightstore_server.flight.limits.gathering import Gathering
from flightstore_server.storage.process import machine_memory_bytes

T = TypeVar("T")


class Places:
    """So many of one kind at a time."""

    def __init__(self, most: int, refusal: str) -> None:
        self._most = most
        self._refusal = refusal
        self._lock = threading.Lock()
        self.used = 0

    def take(self) -> None:
        """Raises Overloaded if all are taken."""
        with self._lock:
            if self.used >= self._most:
                raise Overloaded(self._refusal)
            self.used += 1

    def give_back(self) -> None:
        with self._lock:
            self.used -= 1


class Admission:
    """The limits of one server, and how much of each is used."""

    def __init__(self, limits: EdgeLimits) -> None:
        self.limits = limits
        self.memory_bytes_max = limits.memory_bytes_max or machine_memory_bytes() * 3 // 4
        # What the guard saw last and did; without one, memory has no limit.
        self.memory_bytes = 0
        self.connections_cut = 0
        self.arrivals = Arrivals()
        self.gathering = Gathering(limits.gather_bytes_max, limits.put_idle_seconds)
        self.puts = Places(
            limits.puts_max,
            f"{limits.puts_max} streams of puts are open already (limits.puts_max); close one, "
            "send several series over one, or raise the limit.",
        )
        self.streams = Places(
            limits.streams_max,
            f"{limits.streams_max} reads are under way already (limits.streams_max); end one, try "
            "again later, or raise the limit.",
        )

    def check_request(self, data: Sized) -> None:
        """Raises BadRequest for a ticket, descriptor, action or commit that is too large to parse.

        A byte of a message can take a hundred bytes once it is parsed.
        """
        if len(data) > self.limits.request_bytes_max:
            raise BadRequest(
                f"The request has {len(data)} bytes, and {self.limits.request_bytes_max} are the "
                "most (limits.request_bytes_max); ask for less at a time, with patterns instead of "
                "names, or write fewer series with one put."
            )

    def check_memory(self) -> None:
        """Raises Overloaded while the process has reached its ceiling."""
        if self.memory_bytes > self.memory_bytes_max:
            raise Overloaded(
                f"The server uses {self.memory_bytes} bytes of memory, and "
                f"{self.memory_bytes_max} are its ceiling (limits.memory_bytes_max); try again "
                "later, or raise the limit if the machine has more."
            )

    def streaming(self, begin: Callable[[], T]) -> T:
        """The stream that `begin` makes, which holds one of the places until it is let go of."""
        self.check_memory()
        self.streams.take()
        try:
            stream = begin()
        except BaseException:
            self.streams.give_back()
            raise
        weakref.finalize(stream, self.streams.give_back).atexit = False
        return stream

    @contextmanager
    def putting(self) -> Iterator[None]:
        """While a stream of puts is open."""
        self.check_memory()
        self.puts.take()
        try:
            yield
        finally:
            self.puts.give_back()
