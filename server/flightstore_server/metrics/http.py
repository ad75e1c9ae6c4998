"""A small HTTP server for those who watch: /metrics, /health and /ready.

It tells no rows and no names of series, and asks for no token; it is for a loopback address or the
network of the machines that watch.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from flightstore_proto.errors import ConfigError
from flightstore_server.metrics.collector import registry_of
from flightstore_server.metrics.observed import Observed, unready

log = logging.getLogger(__name__)
_TEXT = "text/plain; version=0.0.4; charset=utf-8"
# Whoever connects and asks nothing is let go of; more than so many at a time are not served.
_PATIENCE_SECONDS = 5.0
_AT_A_TIME_MAX = 8
# How long a stop may have to wait.
_LOOK_SECONDS = 0.1


class MetricsServer:
    """Answers in threads of its own, from start() until stop()."""

    def __init__(self, listen: str, look: Callable[[], Observed]) -> None:
        """`listen` is host:port, port 0 a free one. Raises ConfigError if it cannot be had."""
        host, _, port = listen.rpartition(":")
        try:
            self._server = _Server((host.strip("[]"), int(port)), look)
        except (OSError, OverflowError, ValueError) as error:
            raise ConfigError(
                f"The metrics cannot be served on {listen} ({error}); choose another address as "
                "listen in [metrics]."
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_LOOK_SECONDS,), name="metrics", daemon=True
        )

    @property
    def address(self) -> str:
        """Where it answers, as host:port."""
        host, port, *_ = self._server.server_address
        return f"{host!s}:{port}"

    def start(self) -> None:
        self._thread.start()
        log.info("metrics on http://%s/metrics", self.address)

    def stop(self) -> None:
        """Answer nothing more."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], look: Callable[[], Observed]) -> None:
        super().__init__(address, _Handler)
        self.look = look
        self.registry: CollectorRegistry = registry_of(look)
        self._places = threading.BoundedSemaphore(_AT_A_TIME_MAX)

    def server_bind(self) -> None:
        # The library's own would ask the network for this machine's name, and may wait for it.
        TCPServer.server_bind(self)

    def verify_request(self, request: object, client_address: object) -> bool:
        """Whether there is a place; if not, the connection is closed."""
        return self._places.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        log.debug("a request for metrics failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE_SECONDS
    server_version = "flightstore"
    sys_version = ""

    def do_GET(self) -> None:  # the library's own name
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, generate_latest(self.server.registry))
        elif path == "/health":
            self._answer(200, b"alive\n")
        elif path == "/ready":
            reason = unready(self.server.look().store)
            self._answer(503 if reason else 200, f"{reason or 'ready'}\n".encode())
        else:
            self._answer(404, b"There are /metrics, /health and /ready.\n")

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", _TEXT)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        log.debug(format, *args)
