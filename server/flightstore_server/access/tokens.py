"""Tokens: `fs_<id>_<secret>`. The id names one, the secret proves it, and only its digest is kept.

A secret has 256 random bits, so a plain SHA-256 of it cannot be searched for; the slow functions
that passwords need would only make every call slow.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from flightstore_server.access.grants import Access, Role, Scope

_ID_BYTES, _SECRET_BYTES = 4, 32
_TOKEN = re.compile(r"fs_([0-9a-f]{8})_([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token. `created` and `expires` are nanoseconds since 1970; None: never.

    `digest` is the SHA-256 of its secret, in hexadecimal digits.
    """

    id: str
    name: str
    role: Role
    scope: Scope
    digest: str = field(repr=False)
    created: int
    expires: int | None = None

    def is_proved_by(self, secret: str) -> bool:
        return hmac.compare_digest(_digest(secret), self.digest)

    def is_expired(self, now_ns: int) -> bool:
        return self.expires is not None and now_ns >= self.expires

    @property
    def access(self) -> Access:
        """What it allows while it has not expired."""
        return Access(self.role, self.scope, self.id, replicates=self.role == Role.ADMIN)


def issue(
    name: str, role: Role, scope: Scope, *, now_ns: int, expires: int | None = None
) -> tuple[Token, str]:
    """A new token: what is kept of it, and its text, which nobody can make again."""
    identity, secret = secrets.token_hex(_ID_BYTES), secrets.token_hex(_SECRET_BYTES)
    token = Token(identity, name, role, scope, _digest(secret), now_ns, expires)
    return token, f"fs_{identity}_{secret}"


def parts_of(text: str) -> tuple[str, str] | None:
    """Id and secret of a token's text; None if it is none."""
    match = _TOKEN.fullmatch(text)
    return None if match is None else (match[1], match[2])


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
