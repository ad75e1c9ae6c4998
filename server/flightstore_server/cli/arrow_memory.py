"""A ceiling for what Arrow itself allocates, so that a few bytes cannot become gigabytes.

A compressed batch says how large it is when it is not, and Arrow decompresses it before the server
sees it: 32 KB of zeros become 1 GiB. What Arrow takes for that comes from an allocator of its own
(mimalloc), which can be told at the start to reserve so much of the address space and never to ask
for more. Then such a batch is an error of its sender, and nothing else notices: all other memory
comes from the system's allocator.

The allocator reads its environment when Arrow is loaded, which is long before this module is. So
the process begins again as itself, once, with what it needs in the environment.
"""

from __future__ import annotations

import logging
import os
import sys

import pyarrow as pa

log = logging.getLogger(__name__)
BYTES_MAX = 1 << 30
_NEVER_MORE, _RESERVED = "MIMALLOC_DISALLOW_OS_ALLOC", "MIMALLOC_RESERVE_OS_MEMORY"
ENVIRONMENT = {
    _NEVER_MORE: "1",
    _RESERVED: f"{BYTES_MAX >> 20}MiB",
    # What is freed goes back at once. Otherwise it waits for the thread that asked for it, and the
    # threads that decompress may have nothing to do for days.
    "MIMALLOC_PURGE_DELAY": "0",
}


def limit() -> None:
    """See to it that Arrow's memory has a ceiling; may start the process again.

    To be called before anything is opened. Where it is not possible, a warning says so.
    """
    if _NEVER_MORE not in os.environ and _is_command():
        os.environ.update(ENVIRONMENT)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for name in ENVIRONMENT:  # programs that the server starts may take what they like
        os.environ.pop(name, None)
    if not _is_limited():
        log.warning(
            "Arrow's memory has no ceiling here (its allocator is %s); a small compressed batch "
            "can take a lot of memory, so let only clients write that you trust",
            pa.default_memory_pool().backend_name,
        )


def _is_limited() -> bool:
    """Whether Arrow refuses more than the ceiling. Memory that nobody touches costs nothing."""
    try:
        pa.allocate_buffer(BYTES_MAX + 1, memory_pool=_pool())
    except MemoryError:
        return True
    return False


def _pool() -> pa.MemoryPool:
    """The pool that Arrow takes by itself, whatever Python was told to take since."""
    try:
        return pa.mimalloc_memory_pool()
    except NotImplementedError:  # Arrow was built without it
        return pa.system_memory_pool()


def _is_command() -> bool:
    """Whether this process is `flightstore serve`, and not another that does the same."""
    given = sys.argv[1:]
    return given[:1] == ["serve"] and sys.orig_argv[-len(given) :] == given
