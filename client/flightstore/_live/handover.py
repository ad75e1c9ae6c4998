"""Items on their way from threads that produce them to the one place where they are wanted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
# polars has SIGINT restart what it interrupts, so Ctrl-C is only seen between two waits.
_LOOK_SECONDS = 0.25


class Handover(Generic[T]):
    """A queue with room for a few items, which the side that takes can close at any time."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._listener: Callable[[], None] | None = None
        self.closed = False

    def put(self, item: T) -> bool:
        """Add `item`, once there is room. False if nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or len(self._items) < self._room)
            if self.closed:
                return False
            self._items.append(item)
            self._tell()
        return True

    def take(self) -> T | None:
        """The next item, once there is one; None after the end."""
        with self._changed:
            while not self._changed.wait_for(
                lambda: self.closed or bool(self._items), _LOOK_SECONDS
            ):
                pass
            return self.poll()

    def poll(self) -> T | None:
        """The next item if there is one."""
        with self._changed:
            if not self._items:
                return None
            self._tell()
            return self._items.popleft()

    def close(self) -> None:
        """End it at once: what is still in it is not wanted either."""
        with self._changed:
            self.closed = True
            self._items.clear()
            self._tell()

    def listen(self, listener: Callable[[], None]) -> None:
        """Have `listener` called, in any thread, whenever something may have changed."""
        with self._changed:
            self._listener = listener
            listener()

    def _tell(self) -> None:
        self._changed.notify_all()
        if self._listener is not None:
            self._listener()
