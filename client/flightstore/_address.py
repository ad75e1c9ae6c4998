"""Where the server is: an address in the forms people write it."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from flightstore_proto.errors import ConfigError, shown

DEFAULT_URI = "grpc://127.0.0.1:8815"
DEFAULT_PORT = 8815
_SCHEMES = ("grpc", "grpc+tcp", "grpc+tls")


def resolve(uri: str | None) -> str:
    """`uri` with scheme and port filled in; None is $FLIGHTSTORE_URI or the local default.

    Accepts `grpc://host:port`, `grpc+tls://host:port`, and either part left out. Raises
    ConfigError for anything else.
    """
    text = uri if uri is not None else os.environ.get("FLIGHTSTORE_URI") or DEFAULT_URI
    if "://" not in text:
        text = f"grpc://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port or DEFAULT_PORT
    except ValueError:
        raise ConfigError(_REMEDY.format(shown(text))) from None
    if parts.scheme not in _SCHEMES or not parts.hostname or parts.path not in ("", "/"):
        raise ConfigError(_REMEDY.format(shown(text)))
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def is_tls(uri: str) -> bool:
    """Whether a resolved address asks for TLS."""
    return uri.startswith("grpc+tls://")


_REMEDY = "{} is not an address of a server: write grpc://host:port or grpc+tls://host:port."
