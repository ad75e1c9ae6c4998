"""The connections that gRPC has accepted, as the kernel knows them.

Flight neither limits the size of a message nor shows who is sending one: gRPC puts it together in
memory before any handler is called. The kernel counts what came over each connection, and closes it
for us.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from flightstore_server.storage.process import descriptors

# Of the kernel's struct tcp_info: its size up to and with tcpi_bytes_received, and where that is.
_TCP_INFO_BYTES, _BYTES_RECEIVED_AT = 136, 128


@dataclass(frozen=True, slots=True)
class Connection:
    """One client's connection. `received`: bytes since it was made, as the kernel counts them."""

    fd: int
    peer: str
    received: int


def connections(port: int) -> Iterator[Connection]:
    """Those that this process has accepted on `port`."""
    for fd in descriptors():
        try:
            known = _borrowed(fd)
        except OSError:  # a file, or closed meanwhile
            continue
        try:
            with suppress(OSError):  # not of TCP, listening, or closed meanwhile
                received = _received(known)
                if known.getsockname()[1] == port:
                    yield Connection(fd, _peer_of(known), received)
        finally:
            known.detach()


def cut(connection: Connection) -> None:
    """Close it in both directions; gRPC then lets go of all that came over it."""
    try:
        known = _borrowed(connection.fd)
    except OSError:
        return
    try:
        # By a descriptor of our own: the other may be closed and given to another any moment.
        with suppress(OSError), known.dup() as own:
            if _peer_of(own) == connection.peer:
                own.shutdown(socket.SHUT_RDWR)
    finally:
        known.detach()


def _borrowed(fd: int) -> socket.socket:
    """A descriptor that may be a socket; OSError if not. Not ours to close: to be detached."""
    # Told what it is, Python does not ask the system; addresses of IPv4 fit in the larger ones.
    return socket.socket(socket.AF_INET6, socket.SOCK_STREAM, 0, fileno=fd)


def _peer_of(known: socket.socket) -> str:
    host, port, *_ = known.getpeername()
    return f"{host.removeprefix('::ffff:')}:{port}"


def _received(known: socket.socket) -> int:
    info = known.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    return int(struct.unpack_from("=Q", info, _BYTES_RECEIVED_AT)[0])
