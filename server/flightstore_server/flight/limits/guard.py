"""A watch over the process's memory, for what no handler can refuse because none is called yet.

gRPC puts a message together before anybody sees it. So the guard looks at how many bytes came over
each connection since a handler last heard from it: a connection with more than `message_bytes_max`
of them is sending a message that would be refused anyway, and is closed. If memory, with what is
still on its way, would rise above the ceiling, the connection that has sent the most is closed.
New work is refused for as long as memory is above it (Admission.check_memory).

Looking costs a few tens of microseconds; connections are only looked at when memory has grown.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from flightstore_server.flight.limits.admission import Admission
from flightstore_server.flight.limits.connections import Connection, connections, cut
from flightstore_server.storage.process import resident_bytes

log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.05
# Memory may grow by so much before connections are looked at.
_GROWTH_BYTES = 16 << 20
# How often idle puts, and connections that are gone, are forgotten.
_TIDY_SECONDS = 10.0
# What allocators may keep for later after a large call, until the next tidying.
_KEPT_BYTES = 64 << 20
# While memory is full, how often allocators are asked to return what they keep.
_TRIM_SECONDS = 1.0
# A connection that has sent less since it was last heard is not what fills the memory.
_GUILTY_BYTES = 16 << 20


@dataclass(slots=True)
class _Known:
    """What was seen of a connection: how often it was heard, and what it had sent by then."""

    heard: int
    received: int


class Guard:
    """Looks after one server. `look` is one round; a thread does one every 50 ms."""

    def __init__(
        self,
        admission: Admission,
        port: int,
        *,
        resident: Callable[[], int] = resident_bytes,
        connected: Callable[[int], Iterable[Connection]] = connections,
        close: Callable[[Connection], None] = cut,
    ) -> None:
        self._admission = admission
        self._port = port
        self._resident, self._connected, self._close = resident, connected, close
        self._known: dict[str, _Known] = {}
        self._settled = self._resident()  # memory when connections were last looked at, or less
        self._needed = self._settled  # memory when allocators had just returned what they kept
        self._tidied = self._trimmed = time.monotonic()

    def start(self) -> None:
        """Look from now on, in a thread of its own, until the process ends."""
        threading.Thread(target=self._run, name="guard", daemon=True).start()

    def look(self) -> None:
        """One round: memory, and connections where memory has grown."""
        memory = self._resident()
        if self._is_too_much(memory) and time.monotonic() - self._trimmed >= _TRIM_SECONDS:
            self._trimmed = time.monotonic()
            _give_memory_back()  # what is only kept for later must not keep others out
            memory = self._resident()
        due = time.monotonic() - self._tidied >= _TIDY_SECONDS
        if due:
            memory = self._tidy(memory)
        self._admission.memory_bytes = memory
        self._settled = min(self._settled, memory)
        self._needed = min(self._needed, memory)
        if due or memory - self._settled >= _GROWTH_BYTES or self._is_too_much(memory):
            self._look_at_connections(memory)
            self._settled = memory

    def _run(self) -> None:
        while True:  # until the process ends
            self.look()
            time.sleep(_LOOK_SECONDS)

    def _tidy(self, memory: int) -> int:
        """Let go of what nobody needs; what memory is then."""
        self._tidied = time.monotonic()
        self._admission.gathering.give_up_idle()
        if memory <= self._needed + _KEPT_BYTES:
            return memory
        _give_memory_back()
        self._needed = self._resident()
        return self._needed

    def _is_too_much(self, memory: int) -> bool:
        return memory > self._admission.memory_bytes_max

    def _look_at_connections(self, memory: int) -> None:
        sent = {c.peer: (self._unheard(c), c) for c in self._connected(self._port)}
        self._known = {peer: known for peer, known in self._known.items() if peer in sent}
        self._admission.arrivals.keep(sent)
        largest: tuple[int, Connection] | None = None
        on_their_way = 0
        for size, connection in sent.values():
            if size > self._admission.limits.message_bytes_max:
                self._cut(connection, size, "is sending a message of more than message_bytes_max")
                memory -= size
                continue
            on_their_way += size
            if largest is None or size > largest[0]:
                largest = size, connection
        # gRPC copies a message once more when it is complete.
        if largest and largest[0] > _GUILTY_BYTES and self._is_too_much(memory + on_their_way):
            self._cut(largest[1], largest[0], "has sent the most while memory is full")

    def _unheard(self, connection: Connection) -> int:
        """The bytes that came over it since a handler last heard from it, as far as was seen."""
        heard = self._admission.arrivals.count(connection.peer)
        known = self._known.get(connection.peer)
        if known is None or known.heard != heard:
            received = connection.received if heard else 0
            known = self._known[connection.peer] = _Known(heard, received)
        return connection.received - known.received

    def _cut(self, connection: Connection, size: int, why: str) -> None:
        log.warning("closing the connection of %s: it %s (%d bytes)", connection.peer, why, size)
        self._admission.connections_cut += 1
        self._close(connection)
        _give_memory_back()


def _give_memory_back() -> None:
    """Have the system's allocator return what it keeps; Arrow's own keeps nothing."""
    with suppress(AttributeError):  # only glibc keeps what it could return
        ctypes.CDLL(None).malloc_trim(0)
