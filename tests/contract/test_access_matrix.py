"""Every call there is, with every credential there is, over every transport there is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyarrow import ArrowException, flight
from tests.support.certificates import Authority
from tests.support.every_call import Call, calls, rpcs
from tests.support.guarded import REPLICATION_TOKEN, Guarded

from flightstore_server.access.certificates import CertificateFiles
from flightstore_server.access.grants import Role, Scope
from flightstore_server.flight.service import Service

BTC = "binance:BTC/USDT"
EVERY_CALL = calls(BTC)
LIMITED = Scope(("candles",), ("binance:*",))
REFUSED = (flight.FlightUnauthenticatedError, flight.FlightUnauthorizedError)
NOBODY = Role.NONE


@dataclass(frozen=True)
class Credential:
    """What a caller shows, and what it should be good for."""

    token: str | None
    role: Role = NOBODY
    limited: bool = False
    replicates: bool = False

    def allows(self, call: Call) -> bool:
        if call.role is None:
            return self.replicates
        return self.role >= call.role and not (self.limited and call.whole)


@dataclass(frozen=True)
class Setting:
    """A server, how to reach it, and what to show there."""

    server: Guarded
    transport: dict[str, object]
    credentials: dict[str, Credential]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=["plain", "tls", "mutual tls"])
def setting(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    authority: Authority,
) -> Iterator[Setting]:
    root = tmp_path_factory.mktemp("matrix") / "data"
    files, transport = _secured(request.param, authority)
    server = Guarded(root, files)
    server.fill(BTC)
    credentials = _credentials(server)
    server.look()
    yield Setting(server, transport, credentials)
    server.close()


def _secured(kind: str, authority: Authority) -> tuple[CertificateFiles | None, dict[str, object]]:
    if kind == "plain":
        return None, {}
    own, transport = authority.certify("server"), {"tls_root_certs": authority.ca.read_bytes()}
    if kind == "tls":
        return CertificateFiles(own.cert, own.key), transport
    client = authority.certify("client")
    shown = {"cert_chain": client.cert.read_bytes(), "private_key": client.key.read_bytes()}
    return CertificateFiles(own.cert, own.key, authority.ca), {**transport, **shown}


def _credentials(server: Guarded) -> dict[str, Credential]:
    revoked = server.add("revoked", Role.ADMIN)
    server.look()
    made = {
        "none": Credential(None),
        "garbage": Credential("fs_12345678_" + "0" * 64),
        "no token's form": Credential("let me in"),
        "an id without its secret": Credential(server.add("known", Role.ADMIN)[:12] + "0" * 64),
        "expired": Credential(server.add("expired", Role.ADMIN, expires=time.time_ns())),
        "revoked": Credential(revoked),
        "replica": Credential(REPLICATION_TOKEN, replicates=True),
        "read": Credential(server.add("read", Role.READ), Role.READ),
        "write": Credential(server.add("write", Role.WRITE), Role.WRITE),
        "admin": Credential(server.add("admin", Role.ADMIN), Role.ADMIN, replicates=True),
        "read, limited": Credential(server.add("r", Role.READ, LIMITED), Role.READ, limited=True),
        "write, limited": Credential(
            server.add("w", Role.WRITE, LIMITED), Role.WRITE, limited=True
        ),
    }
    server.revoke("revoked")
    return made


def _outcome(client: flight.FlightClient, call: Call, token: str | None) -> str:
    """passed, refused or unreachable."""
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    options = flight.FlightCallOptions(timeout=30, headers=headers)
    try:
        for _ in call.send(client, options):
            pass
    except (flight.FlightError, ArrowException, OSError) as error:
        return _meaning(error)
    return "passed"


def _meaning(error: Exception) -> str:
    # GetSchema tells no codes: in pyarrow its errors have a text and nothing else.
    said = str(error)
    if isinstance(error, flight.FlightUnavailableError) or "returned unavailable" in said:
        return "unreachable"
    if isinstance(error, REFUSED) or "Unauthenticated" in said or "needs a token of" in said:
        return "refused"
    return "passed"  # it was looked at, and found wanting for another reason


def test_every_rpc_has_a_handler_of_its_own_and_a_call_here() -> None:
    assert rpcs() <= vars(Service).keys()
    reached = {
        "do_get": "ticket read",
        "do_action": "action health",
        **{name: name for name in rpcs() - {"do_get", "do_action"}},
    }
    assert set(reached.values()) <= {call.name for call in EVERY_CALL}


def test_just_the_calls_that_a_credential_allows_are_let_through(setting: Setting) -> None:
    wrong = []
    with flight.FlightClient(setting.server.uri, **setting.transport) as client:
        for name, credential in setting.credentials.items():
            for call in EVERY_CALL:
                outcome = _outcome(client, call, credential.token)
                if outcome != ("passed" if credential.allows(call) else "refused"):
                    wrong.append((name, call.name, outcome))
    assert not wrong


def test_nobody_is_heard_who_speaks_to_tls_wrongly(
    setting: Setting, authority: Authority, tmp_path: Path
) -> None:
    if not setting.transport:
        return
    other = Authority(tmp_path / "other", "other")
    stranger = other.certify("stranger")
    right = {"tls_root_certs": authority.ca.read_bytes()}
    shown = {"cert_chain": stranger.cert.read_bytes(), "private_key": stranger.key.read_bytes()}
    ways: list[tuple[str, dict[str, object]]] = [
        (setting.server.uri, {"tls_root_certs": other.ca.read_bytes()}),
        (setting.server.uri.replace("grpc+tls", "grpc"), {}),
    ]
    if "cert_chain" in setting.transport:
        ways += [(setting.server.uri, right), (setting.server.uri, {**right, **shown})]
    admin = setting.credentials["admin"].token
    for uri, transport in ways:
        with flight.FlightClient(uri, **transport) as client:
            outcomes = {call.name: _outcome(client, call, admin) for call in EVERY_CALL}
        assert set(outcomes.values()) == {"unreachable"}, (uri, list(transport), outcomes)
