"""Other addresses for an exchange: a proxy in between, a test server, a mirror."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


def swapped(addresses: Any, origin: str) -> Any:
    """`addresses` (ccxt's nested `urls`) with scheme, host and port of `origin`, paths kept.

    Websocket addresses become ws:// or wss:// as the origin is http:// or https://.
    """
    if isinstance(addresses, Mapping):
        return {name: swapped(value, origin) for name, value in addresses.items()}
    if not isinstance(addresses, str) or "://" not in addresses:
        return addresses
    scheme, _, rest = addresses.partition("://")
    path = rest.partition("/")[2]
    ours = urlsplit(origin)
    secure = "s" if ours.scheme in ("https", "wss") else ""
    new = ("ws" if scheme.startswith("ws") else "http") + secure
    base = f"{new}://{ours.netloc}{ours.path.rstrip('/')}"
    return f"{base}/{path}" if path else base


def merged(addresses: Any, own: Mapping[str, Any]) -> Any:
    """`addresses` with those of `own` in their places, at any depth."""
    if not isinstance(addresses, Mapping):
        return own
    result = dict(addresses)
    for name, value in own.items():
        result[name] = merged(result.get(name), value) if isinstance(value, Mapping) else value
    return result
