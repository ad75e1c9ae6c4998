"""Who a call is from, by its authorization header. Flight shows headers to middleware only.

Middleware costs every call some 50 µs, so there is none where nobody's word makes a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow.flight as fl

from flightstore_proto.errors import Unauthorized
from flightstore_server.access.gate import Gate
from flightstore_server.access.grants import Access
from flightstore_server.flight.errors import detail_of

AUTHORIZATION = "authorization"


class Admitted(fl.ServerMiddleware):  # type: ignore[misc]
    """A call whose caller is known."""

    def __init__(self, access: Access, answered: str) -> None:
        self.access = access
        self._answered = answered

    def sending_headers(self) -> dict[str, str]:
        """Of a handshake: what to send with every call, in place of user and password."""
        return {AUTHORIZATION: self._answered} if self._answered else {}


class Door(fl.ServerMiddlewareFactory):  # type: ignore[misc]
    """Lets in whom the gate admits, whatever is called: also what no handler is there for."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def start_call(self, info: fl.CallInfo, headers: Mapping[str, Sequence[str]]) -> Admitted:
        authorization = next(iter(headers.get(AUTHORIZATION, ())), None)
        try:
            access = self._gate.admit(authorization)
        except Unauthorized as error:
            raise unauthenticated(error) from None
        is_handshake = info.method == fl.FlightMethod.HANDSHAKE
        return Admitted(access, self._gate.bearer(authorization) if is_handshake else "")


class Handshakes(fl.ServerAuthHandler):  # type: ignore[misc]
    """Lets handshakes take place: whom they are with, the middleware has found out already."""

    def authenticate(self, outgoing: object, incoming: Iterator[bytes]) -> None:
        """Nothing more is to be said."""

    def is_valid(self, token: bytes) -> bytes:
        return b""


def access_of(context: fl.ServerCallContext, gate: Gate) -> Access:
    """What the caller may do. Raises Unauthorized where nobody was asked, and somebody must be."""
    admitted = context.get_middleware(AUTHORIZATION)
    if admitted is None:
        return gate.admit(None)
    access: Access = admitted.access
    return access


def unauthenticated(error: Unauthorized) -> fl.FlightUnauthenticatedError:
    """`error` as it leaves the server before any handler has seen the call."""
    detail = detail_of(error)
    return fl.FlightUnauthenticatedError(detail.message, extra_info=detail.SerializeToString())
