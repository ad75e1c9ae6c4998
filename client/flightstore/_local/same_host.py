"""Whether a client maps the files of its server, and if not, why."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from flightstore_proto import flightstore_pb2 as pb

# A file may be gone because it was just compacted; one that never can be opened shows every time.
_FAILURES_MAX = 3


@cache
def boot_id() -> str:
    """What tells this machine, since it was started, from all others; empty if it has no name."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@cache
def _here() -> bytes:
    ending: bytes = pb.Ticket(read=pb.ReadRequest(boot_id=boot_id())).SerializeToString()
    return ending


class SameHost:
    """What one client knows of being on the machine of its server."""

    def __init__(self, *, wanted: bool) -> None:
        self._failures = 0
        self._state = ""
        if not wanted:
            self._state = "streamed: switched off"
        elif not boot_id():
            self._state = "streamed: this system does not tell machines apart"
        self._asks = not self._state

    def asked(self, ticket: bytes) -> bytes:
        """`ticket`, which in a request for rows says where this client is."""
        if not (self._asks and pb.Ticket.FromString(ticket).HasField("read")):
            return ticket
        # Messages that are written one after the other are read as one.
        return ticket + _here()

    def worked(self) -> None:
        """Files were mapped."""
        self._failures, self._state = 0, "mapped"

    def failed(self, reason: str) -> None:
        """Files were named and could not be mapped. After the third time in a row, ask no more."""
        self._failures += 1
        self._state = f"streamed: {reason}"
        self._asks = self._failures < _FAILURES_MAX

    def described(self, server_boot_id: str) -> str:
        """ "mapped", "streamed: " and why, or nothing as long as no read was large enough."""
        if self._state or server_boot_id == boot_id():
            return self._state
        if not server_boot_id:
            return "streamed: the server does not say what machine it runs on"
        return "streamed: the server runs on another machine"
