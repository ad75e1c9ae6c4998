"""Nobody serves other machines by accident: a public address takes TLS and tokens."""

from __future__ import annotations

import ipaddress
import socket

from flightstore_proto.errors import ConfigError
from flightstore_server.config import Config
from flightstore_server.storage import layout


def refuse_public(settings: Config) -> None:
    """Raises ConfigError if other machines reach the address and something is missing for that."""
    server = settings.server
    if server.insecure or all(ipaddress.ip_address(a).is_loopback for a in _addresses(server.host)):
        return
    missing = []
    if settings.tls.files() is None:
        missing.append("no TLS (give [tls] cert and key)")
    if not (server.data_dir / layout.TOKENS).exists():
        directory = f"--data-dir {server.data_dir}"
        missing.append(
            f"no tokens (make one with `flightstore token create NAME --role admin {directory}`)"
        )
    if missing:
        raise ConfigError(
            f"{server.host} can be reached from other machines, and this server has "
            f"{' and '.join(missing)}; do that, listen on 127.0.0.1, or say --insecure if the "
            "network itself is trusted."
        )


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f"{host} is not an address: {error.strerror}.") from None
    return [str(info[4][0]) for info in found]
