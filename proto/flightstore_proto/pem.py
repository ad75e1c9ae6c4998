"""Certificates in files: how both sides read them, and what Flight's clients call them."""

from __future__ import annotations

from pathlib import Path

from flightstore_proto.errors import ConfigError


def read(path: str | Path) -> bytes:
    """The bytes of a certificate or key. Raises ConfigError naming the file if there are none."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The certificate {path} cannot be read: {error.strerror}; name a file in PEM form "
            "that this user may read."
        ) from None


def client_options(
    ca: str | Path | None, cert: str | Path | None, key: str | Path | None
) -> dict[str, bytes]:
    """What a Flight client is made with, to trust `ca` and to show `cert`; without what is empty.

    Raises ConfigError as `read` does.
    """
    files = {"tls_root_certs": ca, "cert_chain": cert, "private_key": key}
    return {word: read(path) for word, path in files.items() if path}
