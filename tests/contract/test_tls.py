"""TLS from end to end: clients, replicas, the command line, and certificates that are replaced."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.certificates import Authority, Pair
from tests.support.guarded import Guarded
from tests.support.replicating import until
from tests.support.rows import minutes
from tests.support.server_process import ServerProcess, toml

import flightstore as fs
from flightstore.cli import main
from flightstore_server.access import tokens_file
from flightstore_server.access.certificates import CertificateFiles
from flightstore_server.access.grants import EVERYTHING, Role
from flightstore_server.access.tokens import issue
from flightstore_server.flight import listener
from flightstore_server.storage.files import open_root

BTC = "binance:BTC/USDT"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "certificates")


@pytest.fixture
def own(authority: Authority) -> Pair:
    return authority.certify("server")


@pytest.fixture
def guarded(tmp_path: Path, own: Pair) -> Iterator[Guarded]:
    server = Guarded(tmp_path / "data", CertificateFiles(own.cert, own.key))
    server.fill(BTC)
    yield server
    server.close()


def test_a_new_certificate_is_taken_while_a_live_stream_goes_on(
    guarded: Guarded, authority: Authority, tmp_path: Path
) -> None:
    """Flight fixes certificates when it makes a server, so another one takes over the port."""
    other = Authority(tmp_path / "other", "other")
    tls = fs.Tls(authority.ca)
    with guarded.connect(tls=tls) as follower, guarded.connect(tls=tls) as writer:
        live = iter(follower.live(BTC, "1m", start="2024"))
        assert next(live).frame.height == 10
        renewed = other.certify("renewed")
        certificate = authority.ca.with_name("server.pem")
        authority.ca.with_name("server.key").write_bytes(renewed.key.read_bytes())
        certificate.write_bytes(renewed.cert.read_bytes())
        guarded.listener.refresh()
        with guarded.connect(tls=fs.Tls(other.ca)) as newcomer:
            newcomer.write(BTC, minutes([30]), timeframe="1m")
        assert next(batch for batch in live if not batch.history).frame.height == 1
        with pytest.raises(fs.Unavailable):
            writer.candles(BTC, "1m")  # which trusts the authority of before


@pytest.mark.parametrize("broken", ["cert", "key", "both", "gone"])
def test_broken_certificates_leave_those_of_before_in_force(
    guarded: Guarded,
    authority: Authority,
    own: Pair,
    broken: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    another = authority.certify("another")
    if broken == "cert":
        own.cert.write_text("no certificate")
    elif broken == "key":
        own.key.write_bytes(another.key.read_bytes())
    elif broken == "both":
        own.cert.write_bytes(b"")
        own.key.write_bytes(b"")
    else:
        own.key.unlink()
    port = guarded.listener.port
    for _ in range(3):
        guarded.listener.refresh()
    assert guarded.listener.port == port
    assert caplog.text.count("stay in force") == 1
    with guarded.connect(tls=fs.Tls(authority.ca)) as db:
        assert db.candles(BTC, "1m").height == 10
    own.cert.write_bytes(another.cert.read_bytes())
    own.key.write_bytes(another.key.read_bytes())
    guarded.listener.refresh()
    with guarded.connect(tls=fs.Tls(authority.ca)) as db:
        assert db.candles(BTC, "1m").height == 10


def test_a_port_that_cannot_be_opened_anew_is_opened_as_it_was(
    guarded: Guarded, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flight may refuse what looked good; a server without a port would serve nobody."""
    before, opened = guarded.listener._terms, guarded.listener._opened
    tried = []

    def refusing(port: int, terms: object) -> object:
        tried.append(terms)
        if terms != before:
            raise pa.ArrowInvalid("Flight does not like it")
        return opened(port, terms)

    monkeypatch.setattr(guarded.listener, "_opened", refusing)
    monkeypatch.setattr(listener, "_FREE_SECONDS", 0.0)
    authority.certify("server")
    for _ in range(3):
        guarded.listener.refresh()
    assert len(tried) == 2
    with guarded.connect(tls=fs.Tls(authority.ca)) as db:
        assert db.candles(BTC, "1m").height == 10


def test_a_port_that_was_lost_is_opened_again_as_soon_as_it_can_be(
    guarded: Guarded, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways of opening it once failed, and nobody ever tried again."""
    opened = guarded.listener._opened

    def failing(port: int, terms: object) -> object:
        raise pa.ArrowInvalid("no sockets left")

    monkeypatch.setattr(guarded.listener, "_opened", failing)
    monkeypatch.setattr(listener, "_FREE_SECONDS", 0.0)
    authority.certify("server")
    guarded.listener.refresh()
    monkeypatch.setattr(guarded.listener, "_opened", opened)
    monkeypatch.setattr(listener, "_FREE_SECONDS", 5.0)
    guarded.listener.refresh()
    with guarded.connect(tls=fs.Tls(authority.ca)) as db:
        assert db.candles(BTC, "1m").height == 10


def test_an_expired_certificate_is_not_trusted(tmp_path: Path, authority: Authority) -> None:
    expired = authority.certify("expired", days=-1)
    server = Guarded(tmp_path / "data", CertificateFiles(expired.cert, expired.key))
    with server.connect(tls=fs.Tls(authority.ca)) as db, pytest.raises(fs.Unavailable):
        db.candles(BTC, "1m")
    server.close()


def test_certificates_and_token_come_from_the_environment(
    guarded: Guarded,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    token = guarded.add("me", Role.READ)
    guarded.look()
    monkeypatch.setenv("FLIGHTSTORE_URI", guarded.uri)
    monkeypatch.setenv("FLIGHTSTORE_CA", str(authority.ca))
    monkeypatch.setenv("FLIGHTSTORE_TOKEN", token)
    with fs.connect() as db:
        assert db.candles(BTC, "1m").height == 10
    assert main(["ls", "--json"]) == 0
    assert "BTC/USDT" in capsys.readouterr().out


def test_a_certificate_of_ones_own_comes_from_the_environment(
    tmp_path: Path, authority: Authority, own: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Guarded(tmp_path / "mutual", CertificateFiles(own.cert, own.key, authority.ca))
    monkeypatch.setenv("FLIGHTSTORE_CA", str(authority.ca))
    with pytest.raises(fs.Unavailable):
        fs.connect(server.uri, retry=fs.Retry(attempts=1))
    mine = authority.certify("me")
    monkeypatch.setenv("FLIGHTSTORE_CERT", str(mine.cert))
    monkeypatch.setenv("FLIGHTSTORE_KEY", str(mine.key))
    with fs.connect(server.uri) as db:
        assert db.status().series == 0
    server.close()


def test_a_replica_follows_over_mutual_tls_and_a_process_takes_new_certificates(
    tmp_path: Path, authority: Authority, own: Pair
) -> None:
    tls = {"cert": str(own.cert), "key": str(own.key), "client_ca": str(authority.ca)}
    replication = {"token": "a-secret-of-this-test"}
    primary = ServerProcess(tmp_path / "primary", toml({"tls": tls, "replication": replication}))
    mine = authority.certify("replica")
    shown = {"ca": str(authority.ca), "cert": str(mine.cert), "key": str(mine.key)}
    replica = ServerProcess(tmp_path / "copy")
    try:
        primary.start()
        assert primary.uri.startswith("grpc+tls://")
        follow = {**replication, "follow": primary.uri, **shown}
        replica.configure(toml({"replication": follow}))
        with _connected(primary, authority, mine) as db:
            db.write(BTC, minutes(range(10)), timeframe="1m")
        replica.start()
        with fs.connect(replica.uri) as copy:
            until(lambda: copy.status().series == 1)
            before = _shown(primary, authority, mine)
            authority.certify("server")
            os.kill(primary.pid, signal.SIGHUP)
            until(lambda: _shown(primary, authority, mine) not in (None, before))
            with _connected(primary, authority, mine) as db:
                db.write(BTC, minutes([30]), timeframe="1m")
            until(lambda: copy.candles(BTC, "1m").height == 11)
        assert primary.terminate() == 0
    finally:
        replica.kill()
        primary.kill()


def test_a_signal_has_certificates_and_tokens_taken_at_once(
    tmp_path: Path, authority: Authority, own: Pair
) -> None:
    """Of a server that looks by itself once an hour, so that it is the signal that is proved."""
    rarely = "from flightstore_server.flight import lifecycle; lifecycle._REFRESH_SECONDS = 3600.0"
    tls = toml({"tls": {"cert": str(own.cert), "key": str(own.key)}})
    server = ServerProcess(tmp_path / "data", tls, before=rarely)
    try:
        server.start()
        with _connected(server, authority, own) as db:
            db.write(BTC, minutes(range(10)), timeframe="1m")
        before = _shown(server, authority, own)
        renewed = authority.certify("server")
        token, text = issue("me", Role.READ, EVERYTHING, now_ns=time.time_ns())
        tokens_file.change(open_root(server.data_dir), lambda tokens: [*tokens, token])
        assert _shown(server, authority, renewed) == before
        os.kill(server.pid, signal.SIGHUP)
        until(lambda: _shown(server, authority, renewed) not in (None, before))
        with pytest.raises(fs.Unauthorized):
            _connected(server, authority, renewed)
        with fs.connect(server.uri, token=text, tls=fs.Tls(authority.ca)) as db:
            assert db.candles(BTC, "1m").height == 10
    finally:
        server.kill()


def _connected(server: ServerProcess, authority: Authority, pair: Pair) -> fs.Client:
    return fs.connect(server.uri, tls=fs.Tls(authority.ca, pair.cert, pair.key))


def _shown(server: ServerProcess, authority: Authority, pair: Pair) -> bytes | None:
    """The certificate that the server shows; None while its port is handed over."""
    host, _, port = server.uri.rpartition("/")[2].rpartition(":")
    context = ssl.create_default_context(cafile=authority.ca)
    context.load_cert_chain(pair.cert, pair.key)
    with (
        suppress(ConnectionError, ssl.SSLEOFError),
        socket.create_connection((host, int(port)), 10) as plain,
        context.wrap_socket(plain, server_hostname=host) as wrapped,
    ):
        return wrapped.getpeercert(binary_form=True)
    return None
