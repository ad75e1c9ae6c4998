"""Where InfluxDB sends a copy of each write: "Subscriptions" of its documentation."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

_ID = re.compile(rb'id="([^"]*)"')


class Subscriber:
    """Takes line protocol over HTTP on a free port, in threads of its own.

    arrived  the ids of the trades that came
    """

    def __init__(self) -> None:
        self.arrived: Queue[str] = Queue()
        arrived = self.arrived

        class Writes(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # one connection for all of them
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                lines = self.rfile.read(int(self.headers["Content-Length"]))
                for number in _ID.findall(lines):
                    arrived.put(number.decode())
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Thousands of lines would say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Writes)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
