"""Descriptors kept back for files, so that connections cannot take them all.

A process may have so many descriptors, and every connection takes one. If the log found none for
its next file, writing would be over until a restart, because of clients that need not even be
friends. So some are held by sockets that are connected to nothing; opening a file lets go of one
where there is no other, and closing a file takes it back.
"""

from __future__ import annotations

import errno
import resource
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
# A flush writes 16 segments at a time, and syncs the folder of each; the log has one file and its
# folder. What is left is for readers, who open a file for a moment to map it.
_KEPT = 48
_EXHAUSTED = (errno.EMFILE, errno.ENFILE)


class Reserve:
    """Descriptors that are held back; none until keep() is called."""

    def __init__(self) -> None:
        self._wanted = 0
        self._held: list[socket.socket] = []
        self._lock = threading.Lock()

    def keep(self, count: int = _KEPT) -> None:
        """Hold `count` descriptors back, having asked for as many as this process may have."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(ValueError, OSError):  # some systems name a limit that they do not allow
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._wanted = count
        self.refill()

    def refill(self) -> None:
        """Take back what was let go of, as far as there are descriptors."""
        if len(self._held) >= self._wanted:
            return
        with self._lock, suppress(OSError):
            while len(self._held) < self._wanted:
                self._held.append(socket.socket(socket.AF_UNIX))

    def let_all_go(self) -> None:
        """Hold nothing back any more."""
        self._wanted = 0
        while self._let_go():
            pass

    def opened(self, opening: Callable[P, T], *args: P.args, **words: P.kwargs) -> T:
        """What `opening` returns, which takes a descriptor: one of the reserve if need be."""
        while True:
            try:
                return opening(*args, **words)
            except OSError as error:
                # A connection may be quicker than we are; then the next one is let go of.
                if error.errno not in _EXHAUSTED or not self._let_go():
                    raise

    def _let_go(self) -> bool:
        with self._lock:
            if not self._held:
                return False
            self._held.pop().close()
            return True


# Of the process, as descriptors are.
RESERVE = Reserve()
