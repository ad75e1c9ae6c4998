"""Whom a running server lets in. The tokens file may change at any time; it is looked at again."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import threading
import time
from collections.abc import Callable

from flightstore_proto.errors import FlightstoreError, Unauthorized
from flightstore_server.access import tokens_file
from flightstore_server.access.grants import Access, Role
from flightstore_server.access.tokens import Token, parts_of
from flightstore_server.storage import layout
from flightstore_server.storage.files import Files

log = logging.getLogger(__name__)
# How old what is known of the file may be.
LOOK_SECONDS = 0.5
_BEARER, _BASIC = "bearer", "basic"
_OPEN = Access(Role.ADMIN)
_OPEN_TO_REPLICAS = Access(Role.ADMIN, replicates=True)
_REPLICA = Access(Role.NONE, replicates=True)
_NO_TOKEN = (
    "This server wants a token: give connect(token=...), --token or $FLIGHTSTORE_TOKEN one that "
    "`flightstore token create` has made on the server's machine."
)
_BAD_TOKEN = (
    "The token is not one of this server's, or was revoked; have a new one made with "
    "`flightstore token create` on the server's machine."
)
_EXPIRED = (
    "The token has expired; have a new one made with `flightstore token create` on the server's "
    "machine."
)


class Gate:
    """Answers who somebody is. Safe to use from several threads.

    While there is no tokens file, everybody may do everything, but replicas still need the
    replication token. Once there was one, it stays so until the server ends: with the file gone,
    nobody is let in.
    """

    def __init__(
        self, files: Files, *, replication_token: str = "", clock: Callable[[], int] = time.time_ns
    ) -> None:
        """Raises Corrupt or DataDirError if the tokens file cannot be read."""
        self._files = files
        self._replication_token = replication_token.encode()
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = files.identity(layout.TOKENS)
        self._tokens = _by_id(tokens_file.load(files))
        self._look_at = time.monotonic() + LOOK_SECONDS

    @property
    def wants_tokens(self) -> bool:
        """Whether there is access control."""
        return self._known() is not None

    @property
    def takes_credentials(self) -> bool:
        """Whether what callers say of who they are makes a difference."""
        return self.wants_tokens or bool(self._replication_token)

    def admit(self, authorization: str | None) -> Access:
        """What the caller may do who sent this `authorization` header.

        Raises Unauthorized if it takes a valid token and this is none.
        """
        tokens = self._known()
        text = _credential(authorization)
        if self._replication_token and hmac.compare_digest(text.encode(), self._replication_token):
            return _OPEN_TO_REPLICAS if tokens is None else _REPLICA
        if tokens is None:
            return _OPEN
        if not text:
            raise Unauthorized(_NO_TOKEN)
        parts = parts_of(text)
        token = tokens.get(parts[0]) if parts is not None else None
        if parts is None or token is None or not token.is_proved_by(parts[1]):
            raise Unauthorized(_BAD_TOKEN)
        self._check_age(token)
        return token.access

    def bearer(self, authorization: str | None) -> str:
        """The header that says the same as `authorization` in the words that all calls may use."""
        return f"Bearer {_credential(authorization)}"

    def check(self, access: Access) -> None:
        """Raises Unauthorized once what `access` was given for is no longer valid."""
        tokens = self._known()
        if tokens is None or access.role == Role.NONE:
            return
        token = tokens.get(access.token)
        if token is None:
            raise Unauthorized(_BAD_TOKEN if access.token else _NO_TOKEN)
        self._check_age(token)

    def _check_age(self, token: Token) -> None:
        if token.is_expired(self._clock()):
            raise Unauthorized(_EXPIRED)

    def look(self) -> None:
        """Have what the tokens file says now be in force, however lately it was looked at."""
        with self._lock:
            self._look()

    def _known(self) -> dict[str, Token] | None:
        """The tokens by id, as the file had them a moment ago; None without access control."""
        if time.monotonic() >= self._look_at:
            with self._lock:
                if time.monotonic() >= self._look_at:
                    self._look()
                    self._look_at = time.monotonic() + LOOK_SECONDS
        return self._tokens

    def _look(self) -> None:
        try:
            seen = self._files.identity(layout.TOKENS)
            if seen == self._seen:
                return
            tokens = _by_id(tokens_file.load(self._files))
        except (OSError, FlightstoreError) as error:
            log.error("the tokens file cannot be read, those of before stay valid: %s", error)
            return
        self._seen = seen
        if tokens is None:
            log.error("the tokens file is gone: nobody is let in until tokens are made anew")
        elif self._tokens is None:
            log.warning("there are tokens now: every call needs one from here on")
        self._tokens = tokens or {}


def _by_id(tokens: list[Token] | None) -> dict[str, Token] | None:
    return None if tokens is None else {token.id: token for token in tokens}


def _credential(authorization: str | None) -> str:
    """The token in the header: `Bearer <token>`, or of `Basic` the password, whoever the user is.

    Tools that know no tokens (JDBC, Grafana) send the latter.
    """
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == _BEARER:
        return value.strip()
    if scheme.lower() != _BASIC:
        return ""
    try:
        decoded = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded.partition(":")[2]
