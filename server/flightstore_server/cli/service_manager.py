"""What systemd is told: ready, stopping. The protocol of sd_notify(3): a datagram of text."""

from __future__ import annotations

import logging
import os
import socket

log = logging.getLogger(__name__)
READY, STOPPING = "READY=1", "STOPPING=1"


def tell(state: str) -> None:
    """Tell whoever started this process, if it asked for that by NOTIFY_SOCKET."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # a name that no file has
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(state.encode(), address)
    except OSError as error:
        log.warning("the service manager cannot be told %s: %s", state, error)
