"""The server's certificates: read together, checked together, and read again when they change."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from flightstore_proto import pem
from flightstore_proto.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM bytes: the server's chain and key, and whom clients must be certified by, if anybody."""

    chain: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where certificates lie. Without `client_ca` clients need none."""

    chain: Path
    key: Path
    client_ca: Path | None = None

    def read(self) -> Certificates:
        """What the files hold. Raises ConfigError unless all of it fits together."""
        found = self._bytes()
        self._check()
        if self._bytes() != found:
            raise ConfigError(f"The files of {self.chain} are being replaced; try again.")
        return found

    def identity(self) -> tuple[object, ...]:
        """Something that is another one once a file was replaced."""
        return tuple(_identity(path) for path in self._all())

    def _all(self) -> list[Path]:
        return [self.chain, self.key, *([self.client_ca] if self.client_ca else [])]

    def _bytes(self) -> Certificates:
        chain, key, *client_ca = (pem.read(path) for path in self._all())
        return Certificates(chain, key, client_ca[0] if client_ca else None)

    def _check(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # With a password of its own, so that an encrypted key is an error and not a question.
            context.load_cert_chain(self.chain, self.key, password="")
        except (ssl.SSLError, OSError, ValueError):
            raise ConfigError(
                f"{self.chain} and {self.key} are not a certificate and its unencrypted key in PEM "
                "form; give [tls] cert and key files that belong together."
            ) from None
        try:
            if self.client_ca is not None:
                context.load_verify_locations(self.client_ca)
        except (ssl.SSLError, OSError):
            raise ConfigError(
                f"{self.client_ca} holds no certificates in PEM form; give [tls] client_ca the "
                "file of the authority that certifies clients."
            ) from None


def _identity(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
