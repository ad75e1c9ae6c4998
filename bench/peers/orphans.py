"""Servers end with the process that has started them, however that one ends."""

from __future__ import annotations

import ctypes
import signal

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None, use_errno=True)  # loaded here: a forked child should not have to


def end_with_parent() -> None:
    """For `preexec_fn` of subprocess: be killed when the thread that starts this process ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
