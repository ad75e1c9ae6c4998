"""Getting a client: addresses, the first question, tokens, TLS, and hanging up."""

from __future__ import annotations

import socket

import pytest
from pyarrow import flight

import flightstore as fs
from flightstore._address import resolve
from flightstore_proto import flightstore_pb2 as pb


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("grpc://data01:9000", "grpc://data01:9000"),
        ("grpc+tls://data01:9000/", "grpc+tls://data01:9000"),
        ("grpc://data01", "grpc://data01:8815"),
        ("data01:9000", "grpc://data01:9000"),
        ("grpc://[::1]:9000", "grpc://[::1]:9000"),
    ],
)
def test_an_address_may_leave_out_scheme_and_port(given: str, meant: str) -> None:
    assert resolve(given) == meant


@pytest.mark.parametrize("wrong", ["http://data01:80", "grpc://", "grpc://a:port", "grpc://a:1/x"])
def test_an_address_that_cannot_be_understood_is_a_config_error(wrong: str) -> None:
    with pytest.raises(fs.ConfigError, match="write grpc://host:port"):
        fs.connect(wrong)


def test_the_address_and_token_come_from_the_environment(server, monkeypatch) -> None:
    monkeypatch.setenv("FLIGHTSTORE_URI", server.uri)
    with fs.connect() as db:
        assert db.uri == server.uri
        assert repr(db) == f"<flightstore.Client of {server.uri}>"
    monkeypatch.delenv("FLIGHTSTORE_URI")
    assert resolve(None) == "grpc://127.0.0.1:8815"


def test_connecting_asks_once_whether_the_server_is_ready(server) -> None:
    fs.connect(server.uri).close()
    assert server.asked == [("health", b"")]


def test_connecting_without_check_asks_nothing(server) -> None:
    fs.connect(server.uri, check=False).close()
    assert server.asked == []


def test_a_server_that_is_not_there_is_named_with_a_remedy(fake) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(fs.Unavailable, match=f"127.0.0.1:{port}.*flightstore serve") as caught:
        fs.connect(f"grpc://127.0.0.1:{port}", retry=fs.Retry(attempts=2, backoff=0))
    assert "gRPC" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_listener_that_never_answers_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"grpc://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(fs.Unavailable, match=r"within 0\.2 s|No flightstore server"):
            fs.connect(uri, timeout=fs.Timeout(connect=0.2), retry=fs.Retry(attempts=1))


def test_a_server_that_hangs_in_its_greeting_is_unavailable(server) -> None:
    def hang(_body):
        server.release.wait()
        return []

    server.script.actions["health"] = hang
    with pytest.raises(fs.Unavailable, match=r"within 0\.2 s"):
        fs.connect(server.uri, timeout=0.2, retry=fs.Retry(attempts=1))


def test_a_server_that_is_not_ready_says_why(server) -> None:
    server.script.actions["health"] = lambda _: [pb.Health(ready=False, reason="replaying the log")]
    with pytest.raises(fs.Unavailable, match="not ready: replaying the log"):
        fs.connect(server.uri, retry=fs.Retry(attempts=1))


def test_a_closed_client_says_so_and_closes_twice(db) -> None:
    db.close()
    db.close()
    with pytest.raises(fs.BadRequest, match="closed"):
        db.health()


def test_certificates_need_an_encrypted_address(tmp_path) -> None:
    with pytest.raises(fs.ConfigError, match=r"grpc\+tls://"):
        fs.connect("grpc://127.0.0.1:1", tls=fs.Tls(verify=False))
    with pytest.raises(fs.ConfigError, match=r"certificate .* cannot be read"):
        fs.connect("grpc+tls://127.0.0.1:1", tls=fs.Tls(ca=tmp_path / "absent.pem"))


def test_tls_options_are_what_flight_calls_them(tmp_path) -> None:
    pem = tmp_path / "a.pem"
    pem.write_bytes(b"PEM")
    tls = fs.Tls(ca=pem, cert=pem, key=str(pem), hostname="data01", verify=False)
    assert tls.options() == {
        "tls_root_certs": b"PEM",
        "cert_chain": b"PEM",
        "private_key": b"PEM",
        "override_hostname": "data01",
        "disable_server_verification": True,
    }


def test_one_number_is_the_deadline_of_reads_writes_and_actions() -> None:
    assert fs.Timeout.of(7) == fs.Timeout(connect=5, read=7, write=7, action=7)
    assert fs.Timeout.of(None) == fs.Timeout()


def test_deadlines_and_retries_must_make_sense() -> None:
    with pytest.raises(fs.ConfigError, match=r"Timeout\.read"):
        fs.Timeout(read=0)
    with pytest.raises(fs.ConfigError, match="attempts"):
        fs.Retry(attempts=0)
    assert list(fs.Retry(attempts=3, backoff=1).pauses()) == [1, 2]


def test_the_token_travels_as_a_bearer_header(fake, monkeypatch) -> None:
    seen: list[list[str]] = []

    class Listening(flight.ServerMiddlewareFactory):
        def start_call(self, info, headers):
            seen.append(headers.get("authorization", []))

    server = fake.server(middleware={"seen": Listening()})
    try:
        fs.connect(server.uri, token="s3cret").close()
        monkeypatch.setenv("FLIGHTSTORE_TOKEN", "from-env")
        with fs.connect(server.uri) as db:
            assert "from-env" not in repr(db)
    finally:
        server.stop()
    assert seen == [["Bearer s3cret"], ["Bearer from-env"]]
