"""A replica in a process of its own: what it has, refuses, survives, and becomes."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from tests.support.replicating import until
from tests.support.rows import MINUTE, NOON_2024, candles, own, trades
from tests.support.seeds import generator
from tests.support.server_process import ServerProcess, toml
from tests.support.stores import BTC

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb

TOKEN = "a-secret-of-this-test"
# Small files and little memory, so that log files turn, and rows go to segments and bulk files.
SMALL: dict[str, dict[str, float | str]] = {
    "log": {"file_bytes": 20_000},
    "flush": {"records": 40},
    "segments": {"bulk_put_bytes_min": 20_000, "bulk_run_bytes_min": 1, "compact_segments_min": 3},
}
ETH = "binance:ETH/USDT"


def _settings(token: str = TOKEN, **sections: dict[str, float | str]) -> str:
    return toml({**SMALL, **sections, "replication": {"token": token}})


@dataclass
class Pair:
    """A primary that comes back where it was, and its replica."""

    primary: ServerProcess
    replica: ServerProcess

    def wait(self) -> None:
        """Wait until the replica has everything."""
        with fs.connect(self.primary.uri) as there, fs.connect(self.replica.uri) as here:
            newest = there.status().last_lsn
            until(lambda: here.status().last_lsn >= newest, lambda: following(here))

    def check_equal(self) -> None:
        there, here = seen(self.primary.uri), seen(self.replica.uri)
        assert here.keys() == there.keys()
        assert not [name for name in there if there[name] != here[name]]
        assert here == there


def following(db: fs.Client) -> fs.Consumer:
    """What a replica's status says of its following."""
    [found] = [c for c in db.status().consumers if c.name == "following"]
    return found


def seen(uri: str) -> dict[tuple[str, ...], object]:
    """Everything that a client can see of every series."""
    found: dict[tuple[str, ...], object] = {}
    with fs.connect(uri) as db:
        for row in db.series(output="arrow").to_pylist():
            dataset, timeframe = row["dataset"], row["timeframe"]
            name = f"{row['exchange']}:{row['symbol']}"
            rows = db.read(dataset, name, timeframe, output="arrow")
            covered = db.coverage(name, timeframe, dataset=dataset)
            plain = rows.set_column(0, "ts", rows["ts"].cast(pa.int64())).to_pylist()
            found[dataset, name, timeframe] = (plain, str(covered), sorted(row["metadata"]))
    return found


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Pair]:
    """The primary is at work and empty; the replica is not started yet."""
    primary = ServerProcess(tmp_path / "primary", _settings(), same_port=True)
    primary.start()
    flags = ["--follow", primary.uri]
    replica = ServerProcess(tmp_path / "replica", _settings(), same_port=True, flags=flags)
    yield Pair(primary, replica)
    replica.kill()
    primary.kill()


@pytest.fixture
def pair(servers: Pair) -> Pair:
    """Both at work; the primary is empty."""
    servers.replica.start()
    return servers


def _bars(first: int, count: int, close: float = 1.0) -> pa.RecordBatch:
    return candles([NOON_2024 + (first + at) * MINUTE for at in range(count)], close)


def _write(db: fs.Client, chance: random.Random, number: int) -> None:
    """One change of one kind or another."""
    kind = chance.choice(["small", "small", "bulk", "trades", "own", "delete", "describe", "drop"])
    at = chance.randrange(2_000)
    span = (NOON_2024 + at * MINUTE, NOON_2024 + (at + 50) * MINUTE)
    ms = {"start": span[0] // 10**6, "end": span[1] // 10**6}
    try:
        if kind == "small":
            covers = [(ms["start"], ms["end"])]
            db.write(BTC, _bars(at, 30, float(number)), timeframe="1m", covers=covers)
        elif kind == "bulk":
            db.write(ETH, _bars(at, 600, float(number)), timeframe="1m")
        elif kind == "trades":
            db.write(BTC, trades([(span[0], str(number), 1.0)]), dataset="trades")
        elif kind == "own":
            rows = own([span[0]], **{f"c{number % 5}": [float(number)]})
            db.write(BTC, rows, dataset="mine")
        elif kind == "delete":
            db.delete(BTC, timeframe="1m", **ms)
        elif kind == "describe":
            db.describe(BTC, timeframe="1m", metadata={"number": str(number)})
        else:
            db.delete(ETH, timeframe="1m")
    except fs.UnknownInstrument:
        pass  # nothing to delete yet


def test_a_replica_has_what_its_primary_has(servers: Pair) -> None:
    chance = generator("replica")
    with fs.connect(servers.primary.uri) as db:
        for number in range(60):
            _write(db, chance, number)
        servers.replica.start()
        for number in range(60, 120):
            _write(db, chance, number)
        covers = [((NOON_2024 - MINUTE) // 10**6, NOON_2024 // 10**6)]
        db.write(BTC, None, timeframe="1m", covers=covers)
    servers.wait()
    servers.check_equal()
    with fs.connect(servers.primary.uri) as db, fs.connect(servers.replica.uri) as copy:
        for ask in (_in_sql, _newest, _by_the_hour):
            assert ask(db).equals(ask(copy))


def _in_sql(db: fs.Client) -> pl.DataFrame:
    counted = (
        "select symbol, timeframe, count(*), sum(volume) from candles group by all order by all"
    )
    return db.sql(counted)


def _newest(db: fs.Client) -> pl.DataFrame:
    return db.latest("*", "1m")


def _by_the_hour(db: fs.Client) -> pl.DataFrame:
    return db.candles(BTC, "1h", timezone="Asia/Kolkata")


def test_a_replica_that_is_killed_again_and_again_misses_nothing(pair: Pair) -> None:
    chance = generator("killed replica")
    with fs.connect(pair.primary.uri) as db:
        for round_ in range(4):
            for number in range(chance.randrange(1, 40)):
                _write(db, chance, round_ * 40 + number)
            pair.replica.kill()
            for number in range(chance.randrange(0, 10)):
                _write(db, chance, round_ * 40 + number)
            pair.replica.launch()
            if chance.random() < 0.3:
                pair.replica.kill()  # while it recovers
                pair.replica.launch()
            pair.replica.wait_until_ready()
    pair.wait()
    pair.check_equal()


def test_a_replica_reads_on_while_its_primary_is_away_and_finds_it_again(pair: Pair) -> None:
    with fs.connect(pair.primary.uri) as db:
        db.write(BTC, _bars(0, 10), timeframe="1m")
    pair.wait()
    pair.primary.kill()
    with fs.connect(pair.replica.uri) as here:
        until(lambda: following(here).state == "connecting", lambda: following(here))
        assert here.candles(BTC, "1m").height == 10
        assert "cannot be followed now" in following(here).error
        pair.primary.start()
        with fs.connect(pair.primary.uri) as db:
            db.write(BTC, _bars(10, 10), timeframe="1m")
        pair.wait()
        assert here.candles(BTC, "1m").height == 20
        until(lambda: following(here).state == "running" and not following(here).error)


def _write_until(
    uri: str,
    chance: random.Random,
    numbers: Iterable[int],
    started: threading.Event,
    stop: threading.Event,
) -> None:
    """Write until the server is gone; says when the first writes are through."""
    with fs.connect(uri, retry=None) as db:
        for number in numbers:
            try:
                _write(db, chance, number)
            except fs.FlightstoreError:
                return
            if number % 10 == 5:
                started.set()
            if stop.is_set():
                return


def test_a_primary_that_is_killed_while_it_writes_is_followed_to_the_last_record(
    pair: Pair,
) -> None:
    chance = generator("killed primary")
    for round_ in range(3):
        stop = threading.Event()
        started = threading.Event()
        numbers = range(round_ * 1_000, round_ * 1_000 + 1_000)
        work = (pair.primary.uri, chance, numbers, started, stop)
        writer = threading.Thread(target=_write_until, args=work)
        writer.start()
        assert started.wait(30)
        pair.primary.kill()
        stop.set()
        writer.join()
        pair.primary.start()
        pair.wait()
        pair.check_equal()


@pytest.mark.parametrize(
    ("token", "said"),
    [("", "token is missing or not this server's"), ("wrong", "token is missing or not")],
)
def test_a_replica_without_the_token_is_refused(servers: Pair, token: str, said: str) -> None:
    servers.replica.configure(_settings(token))
    with pytest.raises(AssertionError, match=said):
        servers.replica.start()
    assert TOKEN not in servers.primary.log() + servers.replica.log()


@pytest.mark.parametrize("kind", ["copy", "replicate", "segment"])
def test_a_server_without_a_token_has_no_replicas(db: fs.Client, kind: str) -> None:
    requests = {
        "copy": pb.Ticket(copy=pb.CopyRequest()),
        "replicate": pb.Ticket(replicate=pb.ReplicateRequest()),
        "segment": pb.Ticket(segment=pb.SegmentRequest(file="catalog.sqlite")),
    }
    ticket = fl.Ticket(requests[kind].SerializeToString())
    with fl.FlightClient(db.uri) as client, pytest.raises(fl.FlightUnauthorizedError) as caught:
        client.do_get(ticket).read_all()
    said = pb.ErrorDetail.FromString(caught.value.extra_info)
    assert said.code == "unauthorized"
    assert "FLIGHTSTORE_REPLICATION_TOKEN" in said.message


def test_nothing_is_written_to_a_replica(pair: Pair) -> None:
    with fs.connect(pair.primary.uri) as db:
        db.write(BTC, _bars(0, 10), timeframe="1m")
    pair.wait()
    said = f"This server is a replica of {pair.primary.uri}; write there, or promote it."
    with fs.connect(pair.replica.uri) as here:
        with pytest.raises(fs.ReadOnly, match=said):
            here.write(BTC, _bars(0, 10), timeframe="1m")
        with pytest.raises(fs.ReadOnly, match=said):
            here.delete(BTC, timeframe="1m")
        with pytest.raises(fs.ReadOnly, match=said):
            here.describe(BTC, timeframe="1m", metadata={"a": "b"})
        health = here.health()
        assert (health.ready, health.read_only, health.reason) == (True, True, said)
        assert here.status().following == pair.primary.uri
        here.snapshot("mine")
        here.compact(full=True)
    pair.check_equal()


def test_a_promoted_replica_is_a_primary_for_good(pair: Pair) -> None:
    with fs.connect(pair.primary.uri) as db:
        db.write(BTC, _bars(0, 10), timeframe="1m")
    pair.wait()
    pair.primary.kill()
    with fs.connect(pair.replica.uri) as here:
        assert not here.promote().read_only
        assert here.status().following == ""
        here.write(BTC, _bars(10, 10), timeframe="1m")
        with pytest.raises(fs.BadRequest, match="not a replica"):
            here.promote()
    pair.replica.kill()
    with pytest.raises(AssertionError, match="or was promoted"):
        pair.replica.start()
    pair.replica.flags = []
    pair.replica.start()
    with fs.connect(pair.replica.uri) as here:
        assert here.candles(BTC, "1m").height == 20
        here.write(BTC, _bars(20, 10), timeframe="1m")


def test_a_replica_does_not_start_without_its_primary_named(pair: Pair) -> None:
    pair.replica.kill()
    pair.replica.flags = []
    with pytest.raises(AssertionError, match="and promote it if that server is gone for"):
        pair.replica.start()


def test_a_copy_that_was_killed_is_made_anew(servers: Pair) -> None:
    chance = generator("killed copy")
    with fs.connect(servers.primary.uri) as db:
        for number in range(60):
            name = f"binance:S{number}/USDT"
            db.write(name, _bars(0, 500, float(number)), timeframe="1m")
        db.flush()
    for _ in range(3):
        servers.replica.launch()
        until(partial(_has_files, servers.replica.data_dir, chance.randrange(1, 60)))
        servers.replica.kill()
    servers.replica.start()
    servers.wait()
    servers.check_equal()


def _has_files(data_dir: Path, least: int) -> bool:
    return len(list((data_dir / "segments").rglob("*.arrow"))) >= least


def test_a_stopping_primary_does_not_wait_for_its_replicas(pair: Pair) -> None:
    with fs.connect(pair.primary.uri) as db:
        until(lambda: any(c.kind == "replica" for c in db.status().consumers))
    assert pair.primary.terminate() == 0
    assert "streams were still open" not in pair.primary.log()
    assert pair.replica.terminate() == 0
    assert "streams were still open" not in pair.replica.log()
