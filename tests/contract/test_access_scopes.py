"""A token with limits: its holder sees a smaller store, and nothing that tells of a larger one."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from pyarrow import ArrowException, flight
from tests.support.every_call import Call, calls
from tests.support.guarded import Guarded
from tests.support.rows import minutes, own, trades
from tests.support.same_host import minutes as many_minutes

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import FlightstoreError
from flightstore_server.access.grants import Role, Scope
from flightstore_server.engine.local import reads as local_reads
from flightstore_server.storage.segment import store as segments

BTC, ETH = "binance:BTC/USDT", "binance:ETH/USDT"
# What only others may know: names, and a value that is in every one of their rows.
SECRET, SECRET_DATASET, VALUE = "kraken:HIDDENCOIN/USD", "hiddennotes", 987_654.0
SCOPE = Scope(("candles", "trades"), ("binance:*",))
TRACES = [b"HIDDEN", b"hiddennotes", b"98765", struct.pack("<d", VALUE), struct.pack(">d", VALUE)]
ROWS = 10


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    server = Guarded(tmp_path_factory.mktemp("scopes") / "data")
    server.fill(BTC, ETH)
    server.fill(SECRET, close=VALUE)
    with server.connect() as db:
        db.write(SECRET, trades([(i, str(i), VALUE) for i in range(3)]), dataset="trades")
        db.write(SECRET, own([0, 1], note=[VALUE, VALUE]), dataset=SECRET_DATASET)
        db.rules.add(on="candles/kraken:*/1m", to=["5m"])
        db.snapshot("yesterday")
    yield server
    server.close()


@pytest.fixture(scope="module")
def token(guarded: Guarded) -> str:
    made = guarded.add("limited", Role.WRITE, SCOPE)
    guarded.look()
    return made


@pytest.fixture(scope="module")
def db(guarded: Guarded, token: str) -> Iterator[fs.Client]:
    with guarded.connect(token) as client:
        yield client


def _answered(client: flight.FlightClient, call: Call, token: str) -> bytes:
    """Everything that comes back, errors included."""
    headers = [(b"authorization", f"Bearer {token}".encode())]
    came = []
    try:
        came += call.send(client, flight.FlightCallOptions(timeout=30, headers=headers))
    except (flight.FlightError, ArrowException, OSError) as error:
        came += [str(error).encode(), getattr(error, "extra_info", None) or b""]
    return b"\n".join(came)


# Patterns that would match what is hidden, and names so near that it would be suggested.
@pytest.mark.parametrize("asked", ["*", "kraken:*", "*:H*", "kraken:HIDENCOIN/USD", BTC])
@pytest.mark.parametrize("dataset", ["candles", "trades", "hidennotes"])
def test_no_answer_and_no_error_has_a_trace_of_what_is_out_of_reach(
    guarded: Guarded, token: str, asked: str, dataset: str
) -> None:
    timeframe = "1m" if dataset == "candles" else ""
    with flight.FlightClient(guarded.uri) as client:
        for call in calls(asked, dataset, timeframe):
            answer = _answered(client, call, token)
            assert not [t for t in TRACES if t in answer], (call.name, answer[:2000])


def test_the_same_search_finds_the_traces_with_a_token_that_has_no_limits(
    guarded: Guarded,
) -> None:
    admin = guarded.add("admin", Role.ADMIN)
    guarded.look()
    with flight.FlightClient(guarded.uri) as client:
        found = {c.name for c in calls("*") if _has_trace(_answered(client, c, admin))}
    wanted = {"ticket read", "ticket catalog", "ticket latest", "ticket subscribe", "list_flights"}
    assert wanted <= found
    guarded.revoke("admin")


def _has_trace(answer: bytes) -> bool:
    return any(trace in answer for trace in TRACES)


def test_a_name_out_of_reach_is_refused_whether_or_not_it_exists(db: fs.Client) -> None:
    for name in (SECRET, "kraken:NONE/USD"):
        for read in (
            lambda name=name: db.candles(name, "1m"),
            lambda name=name: db.candles(name, "7m"),
            lambda name=name: db.coverage(name, "1m"),
            lambda name=name: db.gaps(name, "1m"),
            lambda name=name: db.latest(name, "1m"),
            lambda name=name: next(iter(db.live(name, "1m"))),
        ):
            with pytest.raises(fs.Unauthorized, match=r"limited to .*binance:\*"):
                read()


def test_a_pattern_means_what_is_in_reach_of_it(db: fs.Client) -> None:
    assert set(db.candles("*", "1m")["symbol"].unique()) == {"BTC/USDT", "ETH/USDT"}
    assert set(db.series()["exchange"]) == {"binance"}
    assert db.latest("*", "1m").height == 2
    assert db.candles("*", "5m", snapshot="yesterday")["exchange"].unique().to_list() == ["binance"]


def test_sql_sees_the_series_in_reach_and_no_other_table(db: fs.Client) -> None:
    assert db.sql("select distinct exchange from candles")["exchange"].to_list() == ["binance"]
    assert db.sql("select count(*) as n from candles where symbol like 'H%'")["n"].to_list() == [0]
    assert db.sql("select count(*) as n from candles")["n"].to_list() == [2 * ROWS]
    with pytest.raises(FlightstoreError):
        db.sql(f"select * from {SECRET_DATASET}")
    for hidden in ("duckdb_tables()", "duckdb_views()", "information_schema.tables"):
        with pytest.raises(fs.BadRequest):
            db.sql(f"select * from {hidden}")


def test_sql_of_everybody_does_not_widen_what_a_limited_token_has_asked_before(
    guarded: Guarded, token: str
) -> None:
    """Plans and statements are remembered for all; rows must not be."""
    query = "select count(*) as n from candles where timeframe = '1m'"
    everything = guarded.add("reader", Role.READ)
    guarded.look()
    with guarded.connect(everything) as whole, guarded.connect(token) as part:
        for _ in range(2):
            assert whole.sql(query)["n"].to_list() == [3 * ROWS]
            assert part.sql(query)["n"].to_list() == [2 * ROWS]
    guarded.revoke("reader")


def test_a_write_out_of_reach_is_refused_and_leaves_nothing(
    guarded: Guarded, db: fs.Client
) -> None:
    with pytest.raises(fs.Unauthorized, match="does not reach"):
        db.write("kraken:NEW/USD", minutes(range(2)), timeframe="1m")
    with pytest.raises(fs.Unauthorized, match="does not reach the dataset"):
        db.write(BTC, own([0], note=[1.0]), dataset="mine")
    with pytest.raises(fs.Unauthorized, match="does not reach"):
        db.write_many({BTC: minutes([50]), SECRET: minutes([50])}, timeframe="1m")
    with pytest.raises(fs.Unauthorized, match="does not reach"):
        db.delete(SECRET, timeframe="1m", start="2000", end="2001")
    with pytest.raises(fs.Unauthorized, match="does not reach"):
        db.describe(SECRET, timeframe="1m", metadata={"note": "x"})
    names = guarded.store.state.names
    assert names.get("candles", "kraken:NEW/USD", "1m") is None
    assert "mine" not in names.datasets
    assert db.candles(BTC, "1m").height == ROWS


def test_a_live_stream_does_not_tell_of_a_series_out_of_reach_that_appears_later(
    guarded: Guarded, db: fs.Client
) -> None:
    with db.live("*", "1s") as live:
        guarded.fill("kraken:HIDDENLATER/USD", "binance:SOL/USDT", timeframe="1s", close=VALUE)
        seen: set[str] = set()
        for batch in live:
            seen |= set(batch.frame["symbol"]) if batch.frame is not None else set()
            if seen:
                break
    assert seen == {"SOL/USDT"}


def test_a_series_that_appears_later_and_is_in_reach_is_there_at_once(
    guarded: Guarded, db: fs.Client
) -> None:
    assert "binance:NEW/USDT" not in _names(db)
    guarded.fill("binance:NEW/USDT")
    assert "binance:NEW/USDT" in _names(db)
    guarded.store.delete("candles", "binance:NEW/USDT", "1m", None, None)
    assert "binance:NEW/USDT" not in _names(db)
    with pytest.raises(fs.UnknownInstrument):
        db.candles("binance:NEW/USDT", "1m")


def _names(db: fs.Client) -> set[str]:
    listed = db.series().select(pl.concat_str("exchange", "symbol", separator=":").alias("name"))
    return set(listed["name"])


def test_files_of_this_machine_are_named_only_for_series_in_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_reads, "MAPPED_BYTES_MIN", 1)
    monkeypatch.setattr(segments, "HANDED_OUT_BYTES_MIN", 1)
    server = Guarded(tmp_path / "data")
    with server.connect() as everybody:
        for name in (BTC, SECRET):
            everybody.write(name, many_minutes(0, 2000, 5.0), timeframe="1m")
        everybody.flush()
    limited = server.add("limited", Role.READ, SCOPE)
    server.look()
    with fs.connect(server.uri, token=limited, same_host=True) as client:
        assert client.candles("*", "1m").height == 2000
        assert client.status().same_host == "mapped"
    request = pb.ReadRequest(dataset="candles", instruments=["*"], timeframe="1m")
    request.identity = pb.ReadRequest.IDENTITY_RUNS
    request.boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    headers = [(b"authorization", f"Bearer {limited}".encode())]
    ticket = flight.Ticket(pb.Ticket(read=request).SerializeToString())
    with flight.FlightClient(server.uri) as bare:
        reader = bare.do_get(ticket, flight.FlightCallOptions(headers=headers))
        places = pb.LocalRows.FromString(reader.schema.metadata[b"flightstore.local"])
    assert places.files
    assert not [file.path for file in places.files if "HIDDEN" in file.path]
    server.close()


def test_status_names_neither_places_nor_what_others_follow(
    guarded: Guarded, db: fs.Client
) -> None:
    token = guarded.add("follower", Role.READ)
    guarded.look()
    with guarded.connect(token) as other, other.live(SECRET, "1m", start="2024") as live:
        next(iter(live))
        status = db.status()
        assert status.data_dir == ""
        assert {consumer.kind for consumer in status.consumers} <= {"aggregates"}
        assert "subscriber" in {consumer.kind for consumer in other.status().consumers}
    guarded.revoke("follower")
