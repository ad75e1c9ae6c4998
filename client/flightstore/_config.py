"""How a client behaves: deadlines, retries, TLS. Small frozen values, given to `connect`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flightstore_proto import pem
from flightstore_proto.errors import ConfigError

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Timeout:
    """How many seconds each kind of call may take before it fails with DeadlineExceeded.

    connect   the health check that `connect` makes
    read      a read that returns a whole frame, from request to last row
    write     `write` and `write_many`, from first row to acknowledgement; and, for a `Writer`,
              how long to wait for room, for one acknowledgement, and for the last ones
    action    short questions and commands: coverage, status, delete, snapshots, ...; and until a
              live stream is open, which then has no deadline
    stream    calls that go on while the caller works or the server does: `batches`, an open
              `Writer`, compact, verify, backup, sync
    """

    connect: float = 5.0
    read: float = 300.0
    write: float = 300.0
    action: float = 30.0
    stream: float = DAY_SECONDS

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ConfigError(f"Timeout.{name} is a number of seconds above 0.")

    @classmethod
    def of(cls, value: Timeout | float | None) -> Timeout:
        """`value` itself, the defaults for None, or one number for reads, writes and actions."""
        if isinstance(value, Timeout):
            return value
        if value is None:
            return cls()
        seconds = float(value)
        return cls(connect=min(seconds, 5.0), read=seconds, write=seconds, action=seconds)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a call that found no server is made, and the pause before the second try.

    attempts  tries in all, at least 1
    backoff   seconds before the second try; doubled before each further one
    """

    attempts: int = 3
    backoff: float = 0.2

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.backoff < 0:
            raise ConfigError("Retry needs attempts of at least 1 and a backoff of at least 0.")

    def pauses(self) -> Iterator[float]:
        """Seconds to wait after each try but the last."""
        for attempt in range(self.attempts - 1):
            yield self.backoff * 2**attempt


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificates for `grpc+tls://`; everything optional.

    ca        file with the authorities to trust, PEM; default: those of the system
    cert, key files with this client's own certificate and key, PEM, for mutual TLS
    hostname  name to expect in the server's certificate instead of the host in the address
    verify    False accepts any certificate: for tests only
    """

    ca: str | Path | None = None
    cert: str | Path | None = None
    key: str | Path | None = None
    hostname: str | None = None
    verify: bool = True

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Tls | None:
        """What $FLIGHTSTORE_CA, $FLIGHTSTORE_CERT and $FLIGHTSTORE_KEY name; None if nothing."""
        names = ("ca", "cert", "key")
        ca, cert, key = (environment.get(f"FLIGHTSTORE_{name.upper()}") for name in names)
        return cls(ca or None, cert or None, key or None) if ca or cert or key else None

    def options(self) -> dict[str, object]:
        """As keyword arguments of a Flight client. Raises ConfigError if a file is unreadable."""
        options: dict[str, object] = {**pem.client_options(self.ca, self.cert, self.key)}
        if self.hostname is not None:
            options["override_hostname"] = self.hostname
        if not self.verify:
            options["disable_server_verification"] = True
        return options


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and how to speak to it: all that another process needs to connect to it too.

    Picklable, with the token in it; its repr shows no token.
    """

    uri: str
    token: str | None = field(repr=False)
    timeout: Timeout
    retry: Retry
    tls: Tls | None
    same_host: bool = True
