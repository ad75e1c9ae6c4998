"""Ownership: one process asks one exchange.

Exchanges count requests by address. Each process keeps to the limits by itself, so that two of them
would ask twice as often as is allowed, and the address be banned.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from flightstore_proto.errors import ConfigError, FlightstoreError


class ExchangeTaken(FlightstoreError):
    """Another process owns the exchange."""

    code = "exchange_taken"


@contextmanager
def owning(exchange: str, url: str = "", *, share: bool = False) -> Iterator[None]:
    """Own `exchange`, as it is reached at `url`, for the time of the block.

    The operating system takes it back when the process ends, however it ends. With `share` the
    block runs even if another process owns it. Raises ExchangeTaken naming that process.
    """
    path = _folder() / f"{quote(f'{exchange} {url}'.strip(), safe='')}.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not share:
                file.seek(0)
                raise ExchangeTaken(_sentence(exchange, file.read().strip())) from None
        else:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield


def _sentence(exchange: str, pid: str) -> str:
    process = f"process {pid}" if pid else "another process"
    return (
        f"{exchange} is being asked by {process} already, and it counts requests by address: two "
        "would be banned. Stop that one, or say --share to do it anyway."
    )


def _folder() -> Path:
    # Not XDG_RUNTIME_DIR: a service and a terminal of the same user may differ in it.
    folder = Path(tempfile.gettempdir()) / f"flightstore-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder} is needed for lock files, and cannot be made: {error.strerror}."
        ) from None
    return folder
