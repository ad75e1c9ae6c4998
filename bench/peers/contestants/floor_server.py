"""The other end of floor.py's socket: `python -m bench.peers.contestants.floor_server FOLDER`.

A request is one line, the name of a file in FOLDER; the answer is its size in eight bytes, and what
is in it, out of memory.
"""

from __future__ import annotations

import socket
import sys
from functools import cache
from pathlib import Path

from bench.peers.contestants.child import serve_until_orphaned

SIZE_BYTES = 8


def main(folder: Path) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    serve_until_orphaned(listening.getsockname()[1], lambda: _serve(listening, folder))


def _serve(listening: socket.socket, folder: Path) -> None:
    @cache
    def answer(name: str) -> bytes:
        rows = (folder / name).read_bytes()
        return len(rows).to_bytes(SIZE_BYTES, "little") + rows

    connection, _ = listening.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile("rb") as requests:
        for line in requests:
            connection.sendall(answer(line.decode().strip()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
