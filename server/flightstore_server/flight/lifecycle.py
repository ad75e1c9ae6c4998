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
from contextlib import suppress
from typing import NoReturn

from flightstore_server.access.certificates import CertificateFiles
from flightstore_server.access.gate import Gate
from flightstore_server.engine.store import Store
from flightstore_server.flight.backend import Backend
from flightstore_server.flight.limits.edge import EdgeLimits
from flightstore_server.flight.limits.guard import Guard
from flightstore_server.flight.listener import Listener
from flightstore_server.sql.limits import SqlLimits

log = logging.getLogger(__name__)
_REFRESH_SECONDS = 1.0


def bind(
    store: Store,
    host: str,
    port: int,
    *,
    gate: Gate | None = None,
    sql: SqlLimits | None = None,
    edge: EdgeLimits | None = None,
    certificates: CertificateFiles | None = None,
) -> Listener:
    """Serve `store` on `host`:`port` (0: a free one). Raises ConfigError if it is not possible.

    `gate` says who is let in; without one, those whom the store's directory has tokens for.
    """
    backend = Backend(store, gate or Gate(store.files), sql or SqlLimits(), edge or EdgeLimits())
    return Listener(backend, host, port, certificates)


def run_until_signal(
    listener: Listener,
    store: Store,
    *,
    shutdown_seconds: float,
    ready: Callable[[], None],
    stop: Callable[[], None],
) -> NoReturn:
    """Call `ready`, serve until SIGTERM or SIGINT, close everything, and end the process.

    `stop` ends what else uses the store, before that is closed. Meanwhile memory is watched;
    certificates and tokens are looked after, now and then, and where there are certificates at
    SIGHUP.
    """
    signalled, wakeup = socket.socketpair()
    wakeup.setblocking(False)
    signal.set_wakeup_fd(wakeup.fileno())
    for number in (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if listener.is_tls else [])):
        signal.signal(number, lambda *_: None)
    Guard(listener.admission, listener.port).start()
    ready()
    _refresh_until_stopped(listener, signalled)
    log.info("stopping")
    closing = threading.Thread(target=listener.shutdown, name="shutdown", daemon=True)
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


def _refresh_until_stopped(listener: Listener, signalled: socket.socket) -> None:
    # The interpreter itself writes here, on whichever thread the signal lands. An Event that a
    # handler sets could lock itself out: its lock may be held by the very thread it interrupts.
    signalled.settimeout(_REFRESH_SECONDS)
    number = signal.SIGHUP
    while number == signal.SIGHUP:
        listener.refresh()
        with suppress(TimeoutError):
            number = signal.Signals(signalled.recv(1)[0])
