"""Tokens that come, go and expire while the server runs, and what that does to calls under way."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Thread

import pytest
from adbc_driver_flightsql import DatabaseOptions, dbapi
from pyarrow import flight
from tests.support.guarded import Guarded
from tests.support.replicating import DEADLINE_SECONDS, until
from tests.support.rows import minutes
from tests.support.wire import SECONDS

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.access.grants import Role

BTC = "binance:BTC/USDT"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    server = Guarded(tmp_path / "data")
    server.fill(BTC)
    yield server
    server.close()


def _end_of(stream: Iterable[object]) -> BaseException:
    """The error that `stream` ends with, soon; a stream that goes on is a failure."""
    ended: Future[BaseException] = Future()

    def follow() -> None:
        try:
            for _ in stream:
                pass
            ended.set_exception(AssertionError("the stream ended well"))
        except (fs.FlightstoreError, flight.FlightError) as error:
            ended.set_result(error)

    Thread(target=follow, daemon=True).start()
    return ended.result(DEADLINE_SECONDS)


def test_without_tokens_nobody_needs_one_and_with_the_first_everybody_does(
    guarded: Guarded,
) -> None:
    with guarded.connect() as anybody, guarded.connect() as follower:
        live = iter(follower.live(BTC, "1m"))
        assert anybody.candles(BTC, "1m").height == 10
        token = guarded.add("first", Role.READ)
        guarded.look()
        with pytest.raises(fs.Unauthorized, match="flightstore token create"):
            anybody.candles(BTC, "1m")
        assert isinstance(_end_of(live), fs.Unauthorized)
    with guarded.connect(token) as somebody:
        assert somebody.candles(BTC, "1m").height == 10


def test_a_server_notices_new_and_revoked_tokens_by_itself(guarded: Guarded) -> None:
    guarded.add("first", Role.READ)
    guarded.look()
    token = guarded.add("second", Role.READ)
    with guarded.connect(token) as db:
        until(lambda: _is_let_in(db))
        guarded.revoke("second")
        until(lambda: not _is_let_in(db))


def _is_let_in(db: fs.Client) -> bool:
    try:
        db.candles(BTC, "1m")
    except fs.Unauthorized:
        return False
    return True


def test_a_live_stream_ends_with_its_token_and_others_go_on(guarded: Guarded) -> None:
    kept, lost = guarded.add("kept", Role.READ), guarded.add("lost", Role.READ)
    guarded.look()
    with guarded.connect(kept) as stays, guarded.connect(lost) as goes:
        going, staying = iter(goes.live(BTC, "1m")), iter(stays.live(BTC, "1m", start="2024"))
        next(staying)
        guarded.revoke("lost")
        assert "was revoked" in str(_end_of(going))
        guarded.fill(BTC, close=7.0)
        assert next(batch for batch in staying if not batch.history).frame.height == 10


def test_a_live_stream_ends_when_its_token_expires(guarded: Guarded) -> None:
    soon = time.time_ns() + 10**9
    token = guarded.add("short", Role.READ, expires=soon)
    guarded.look()
    with guarded.connect(token) as db:
        assert "has expired" in str(_end_of(db.live(BTC, "1m")))


def test_an_open_writer_writes_nothing_more_once_its_token_is_revoked(guarded: Guarded) -> None:
    token = guarded.add("writer", Role.WRITE)
    guarded.look()
    with guarded.connect(token) as db:
        writer = db.writer("candles", "1m")
        writer.write(BTC, minutes([20]))
        writer.flush()
        guarded.revoke("writer")
        guarded.gate.look()
        with pytest.raises(fs.Unauthorized, match="revoked"):
            writer.write(BTC, minutes([21]))
            writer.close()
    with guarded.connect(guarded.add("reader", Role.READ)) as db:
        guarded.look()
        assert db.candles(BTC, "1m").height == 11


def test_a_replica_is_let_go_of_when_its_token_is_revoked(guarded: Guarded) -> None:
    token = guarded.add("copy", Role.ADMIN)
    guarded.look()
    headers = [(b"authorization", f"Bearer {token}".encode())]
    ticket = flight.Ticket(pb.Ticket(replicate=pb.ReplicateRequest()).SerializeToString())
    with flight.FlightClient(guarded.uri) as client:
        reader = client.do_get(ticket, flight.FlightCallOptions(timeout=60, headers=headers))
        reader.read_chunk()
        guarded.revoke("copy")
        assert isinstance(_end_of(reader), flight.FlightUnauthorizedError)


def test_a_file_of_tokens_that_goes_lets_nobody_in(guarded: Guarded) -> None:
    token = guarded.add("first", Role.ADMIN)
    guarded.look()
    (guarded.store.files.root / "tokens.json").unlink()
    guarded.look()
    for shown in (token, None):
        with guarded.connect(shown) as db, pytest.raises(fs.Unauthorized):
            db.candles(BTC, "1m")


def test_a_file_of_tokens_that_is_damaged_leaves_those_of_before_in_force(
    guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    token = guarded.add("first", Role.READ)
    guarded.look()
    (guarded.store.files.root / "tokens.json").write_text("{}")
    guarded.look()
    assert "cannot be read" in caplog.text
    with guarded.connect(token) as db:
        assert db.candles(BTC, "1m").height == 10
    with guarded.connect() as nobody, pytest.raises(fs.Unauthorized):
        nobody.candles(BTC, "1m")


def test_adbc_shows_its_token_as_a_header_or_as_a_password(guarded: Guarded) -> None:
    token = guarded.add("tool", Role.READ)
    guarded.look()
    ways = [
        {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"},
        {"username": "anybody", "password": token},
    ]
    for options in ways:
        assert _counted_with(guarded.uri, options) == 10
    with pytest.raises(dbapi.Error, match=r"not one of this server's|(?i:unauthenticated)"):
        _counted_with(guarded.uri, {"username": "anybody", "password": "wrong"})


def _counted_with(uri: str, options: dict[str, str]) -> int:
    with dbapi.connect(uri, options, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) as n from candles")
        [(count,)] = cursor.fetchall()
        return int(count)


def test_flights_own_handshake_answers_what_to_send_from_then_on(guarded: Guarded) -> None:
    token = guarded.add("tool", Role.READ)
    guarded.look()
    with flight.FlightClient(guarded.uri) as client:
        header = client.authenticate_basic_token(b"anybody", token.encode())
        assert header == (b"authorization", f"Bearer {token}".encode())
        options = flight.FlightCallOptions(timeout=30, headers=[header])
        assert list(client.do_action(flight.Action("health", b""), options))
        with pytest.raises(flight.FlightUnauthenticatedError):
            client.authenticate_basic_token(b"anybody", b"wrong")
        with pytest.raises(flight.FlightUnauthenticatedError):
            list(client.do_action(flight.Action("health", b""), SECONDS))
