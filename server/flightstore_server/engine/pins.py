"""Which readers are under way, so that no file disappears between a reader's plan and its open.

Once a file is mapped it may be unlinked; until then it must exist. Every read holds a pin; a file
that was retired is removed when every pin taken before that is gone.
"""

from __future__ import annotations

import itertools
import threading
import weakref


class Pin:
    """Held for as long as its owner may still open files. Dropping it is letting go."""

    __slots__ = ("__weakref__",)


class Pins:
    """The pins that are held, and the retired files that wait for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turn = itertools.count(1)
        self._held: dict[int, weakref.ref[Pin]] = {}
        self._retired: list[tuple[int, int, str]] = []

    def take(self) -> Pin:
        pin = Pin()
        with self._lock:
            turn = next(self._turn)

            def let_go(_: weakref.ref[Pin]) -> None:
                # dict.pop is atomic; this may run in any thread, even one that holds the lock.
                self._held.pop(turn, None)

            self._held[turn] = weakref.ref(pin, let_go)
        return pin

    def retire(self, segment_id: int, file: str) -> None:
        """Have `file` removed once nobody can want to open it."""
        with self._lock:
            self._retired.append((next(self._turn), segment_id, file))

    def removable(self) -> list[tuple[int, str]]:
        """The retired files whose time has come; they are not named again."""
        with self._lock:
            oldest = min(list(self._held), default=None)
            ready = [r for r in self._retired if oldest is None or r[0] < oldest]
            self._retired = [r for r in self._retired if oldest is not None and r[0] > oldest]
        return [(segment_id, file) for _, segment_id, file in ready]

    def count(self) -> int:
        return len(self._held)

    def retired(self) -> int:
        """How many files wait for readers to let go of them."""
        return len(self._retired)
