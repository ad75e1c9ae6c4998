"""Client: everything a server offers, as one object; and how to get one."""

from __future__ import annotations

import os

from flightstore._address import is_tls, resolve
from flightstore._admin import Admin
from flightstore._asof import AsOf
from flightstore._closing import Closing
from flightstore._config import Endpoint, Retry, Timeout, Tls
from flightstore._connection import Connection
from flightstore._follows import Follows
from flightstore._holdings import Holdings
from flightstore._latest import Latest
from flightstore._plans import Plans
from flightstore._reads import Reads
from flightstore._scan import Scans
from flightstore._sql import Sql
from flightstore._training import Training
from flightstore._writes import Writes
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import DeadlineExceeded, Unavailable


class Client(
    Plans, Reads, Latest, AsOf, Scans, Sql, Follows, Holdings, Training, Writes, Admin, Closing
):
    """A connection to a flightstore server. Made by `connect`; a context manager.

    Safe to use from several threads. Not to be carried into a forked process, where gRPC
    does not work: start processes by 'spawn', and connect there or send them a `plan`'s parts.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def uri(self) -> str:
        """The server's address."""
        return self._connection.uri

    def close(self) -> None:
        """Hang up. Closing twice is harmless; anything else afterwards raises BadRequest."""
        self._connection.close()

    def __repr__(self) -> str:
        return f"<flightstore.Client of {self.uri}>"


def connect(
    uri: str | None = None,
    *,
    token: str | None = None,
    timeout: Timeout | float | None = None,
    tls: Tls | None = None,
    retry: Retry | None = None,
    check: bool = True,
    same_host: bool | None = None,
) -> Client:
    """A client of the server at `uri`.

    uri      grpc://host:port or grpc+tls://host:port; default $FLIGHTSTORE_URI, then
             grpc://127.0.0.1:8815. The port may be left out
    token    bearer token; default $FLIGHTSTORE_TOKEN
    timeout  a Timeout, or seconds for reads, writes and actions alike
    tls      certificates other than the system's, for grpc+tls://; default those that
             $FLIGHTSTORE_CA, $FLIGHTSTORE_CERT and $FLIGHTSTORE_KEY name
    retry    how often to try while no server is to be found
    check    ask the server once whether it is ready; False connects at the first call
    same_host  False has all rows sent, also by a server on this machine, whose files are mapped
             otherwise; default $FLIGHTSTORE_SAME_HOST, then True. `status().same_host` says which

    Raises Unavailable if no server answers within `Timeout.connect` seconds or it is not ready,
    Unauthorized if it does not accept the token, ConfigError for an address it cannot understand.
    """
    address = resolve(uri)
    connection = Connection(
        Endpoint(
            address,
            token or os.environ.get("FLIGHTSTORE_TOKEN"),
            Timeout.of(timeout),
            retry or Retry(),
            tls or (Tls.of(os.environ) if is_tls(address) else None),
            same_host if same_host is not None else _maps_files(),
        )
    )
    if check:
        try:
            connection.retrying(lambda: _greet(connection))
        except BaseException:
            connection.close()
            raise
    return Client(connection)


def _maps_files() -> bool:
    return os.environ.get("FLIGHTSTORE_SAME_HOST") != "0"


def _greet(connection: Connection) -> None:
    try:
        health = connection.action("health", None, pb.Health, deadline="connect")
    except DeadlineExceeded:
        raise Unavailable(
            f"No answer from {connection.uri} within {connection.timeout.connect:g} s: "
            "is that a flightstore server, and is the address right?"
        ) from None
    if not health.ready:
        reason = health.reason or "it is starting"
        raise Unavailable(f"The server at {connection.uri} is not ready: {reason}.")
