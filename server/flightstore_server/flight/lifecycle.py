"""Starting and stopping the server.

Flight's own serve() is never called: it swallows Python's signal handlers, and its shutdown waits
for streams for ever. Here a signal wakes the main thread; then the server stops accepting, gets a
few seconds for what is under way, the log is synced, and the process ends. Ending early is safe:
everything acknowledged is durable, and the next start is a recovery anyway.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import NoReturn

import pyarrow as pa

from flightstore_proto.errors import ConfigError
from flightstore_server.engine.store import Store
from flightstore_server.flight.service import Service
from flightstore_server.sql.limits import SqlLimits

log = logging.getLogger(__name__)


def bind(
    store: Store,
    host: str,
    port: int,
    *,
    replication_token: str = "",
    sql: SqlLimits | None = None,
) -> Service:
    """Serve `store` on `host`:`port` (0: a free one). Raises ConfigError if it is not possible."""
    shown = f"[{host}]" if ":" in host else host
    try:
        location = f"grpc://{shown}:{port}"
        return Service(store, location, replication_token=replication_token, sql=sql)
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(
            f"Cannot listen on {shown}:{port}: the port is in use or the address is not this "
            "machine's; stop the other process, or choose another with --host or --port "
            "(--port 0 takes a free one)."
        ) from error


def run_until_signal(
    service: Service,
    store: Store,
    *,
    shutdown_seconds: float,
    ready: Callable[[], None],
    stop: Callable[[], None],
) -> NoReturn:
    """Call `ready`, serve until SIGTERM or SIGINT, close everything, and end the process.

    `stop` ends what else uses the store, before that is closed.
    """
    signalled, wakeup = socket.socketpair()
    wakeup.setblocking(False)
    signal.set_wakeup_fd(wakeup.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    ready()
    # The interpreter itself writes here, on whichever thread the signal lands. An Event that a
    # handler sets could lock itself out: its lock may be held by the very thread it interrupts.
    signalled.recv(1)
    log.info("stopping")
    closing = threading.Thread(target=service.shutdown, name="shutdown", daemon=True)
    closing.start()
    stop()
    closing.join(shutdown_seconds)
    store.close()
    if closing.is_alive():
        log.warning("streams were still open after %s s; leaving them", shutdown_seconds)
    logging.shutdown()
    # Threads inside Flight cannot be told to end, neither stuck ones here nor others when the
    # interpreter takes itself apart; and nothing is left to lose.
    os._exit(0)
