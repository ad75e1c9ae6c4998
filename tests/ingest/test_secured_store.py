"""The ingestion as a process of its own, with a store that takes certificates and a token."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import polars as pl
import pytest
from tests.support.certificates import Authority, Pair
from tests.support.guarded import Guarded
from tests.support.ingest_process import IngestProcess
from tests.support.ingesting import HOUR, MIDNIGHT, MINUTE, tape_of

import flightstore as fs
from flightstore_ingest.simulate import Clock, SimulatedExchange, running
from flightstore_proto.timerange import format_ns
from flightstore_server.access.certificates import CertificateFiles
from flightstore_server.access.grants import Role, Scope

SINCE = MIDNIGHT - 3 * HOUR
BTC = "binance:BTC/USDT"
SECONDS = 60.0


@dataclass
class Secured:
    """A store behind mutual TLS, an exchange, and an ingestion that has `mine` and `token`."""

    store: Guarded
    authority: Authority
    mine: Pair
    token: str
    db: fs.Client  # of somebody who looks on
    config: Path
    url: str

    def configure(self, token: str) -> None:
        """Write ingest.toml, to be read by the next start."""
        self.config.write_text(
            f"""
[store]
uri = {json.dumps(self.store.uri)}
token = {json.dumps(token)}
ca = {json.dumps(str(self.authority.ca))}
cert = {json.dumps(str(self.mine.cert))}
key = {json.dumps(str(self.mine.key))}

[exchange.binance]
url = {json.dumps(self.url)}
speed = 60.0
config = {{ enableRateLimit = false, timeout = 3000 }}

[[exchange.binance.keep]]
symbols = ["BTC/USDT"]
candles = ["1m"]
since = "{format_ns(SINCE)}"
"""
        )

    def covered(self) -> tuple[int, int]:
        """The one range that the store has complete; (0, 0) before there is any."""
        try:
            found = self.db.coverage(BTC, "1m").select(pl.col("start", "end").dt.epoch("ns"))
        except (fs.UnknownInstrument, fs.UnknownDataset):
            return (0, 0)
        return found.row(0) if len(found) == 1 else (0, 0)


@pytest.fixture
def exchange() -> SimulatedExchange:
    """Binance, an hour of which passes each minute."""
    tape = tape_of(SINCE, MIDNIGHT + 12 * HOUR)
    return SimulatedExchange("binance", [tape], clock=Clock(MIDNIGHT, speed=60.0))


@pytest.fixture
def secured(
    tmp_path: Path, exchange: SimulatedExchange, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Secured]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where ingestions of one machine meet
    authority = Authority(tmp_path / "certificates")
    own = authority.certify("server")
    store = Guarded(tmp_path / "data", CertificateFiles(own.cert, own.key, authority.ca))
    token = store.add("ingest", Role.WRITE, Scope(("candles",), ("binance:*",)))
    reader = store.add("reader", Role.READ)
    store.look()
    mine = authority.certify("ingestion")
    tls = fs.Tls(authority.ca, mine.cert, mine.key)
    with running(exchange) as url, store.connect(reader, tls) as db:
        it = Secured(store, authority, mine, token, db, tmp_path / "ingest.toml", url)
        it.configure(token)
        yield it
    store.close()


@pytest.fixture
def ingestion(secured: Secured) -> Iterator[IngestProcess]:
    process = IngestProcess(secured.config)
    yield process
    process.kill()


def _wait(condition: Callable[[], bool], ingestion: IngestProcess) -> None:
    deadline = monotonic() + SECONDS
    while not condition():
        assert monotonic() < deadline, ingestion.log()[-4000:]
        threading.Event().wait(0.1)


def test_a_backfill_completes_and_goes_on_when_the_certificate_is_renewed(
    secured: Secured, exchange: SimulatedExchange, ingestion: IngestProcess
) -> None:
    ingestion.start()
    _wait(lambda: secured.covered()[1] >= MIDNIGHT, ingestion)
    before = secured.covered()[1]
    secured.authority.certify("server")
    secured.store.look()
    _wait(lambda: secured.covered()[1] > before, ingestion)
    assert ingestion.running()
    assert ingestion.terminate() == 0, ingestion.log()[-4000:]
    low, high = secured.covered()
    rows, ts = secured.db.candles(BTC, "1m"), pl.col("ts").dt.epoch("ns")
    rows = rows.filter((ts >= low) & (ts < high))
    wanted = pl.from_arrow(exchange.tapes["BTC/USDT"].bar_table("1m", low, high))
    assert isinstance(wanted, pl.DataFrame)
    assert low <= SINCE
    assert rows.equals(wanted.select(rows.columns))
    assert secured.token not in ingestion.log()
    assert high >= before + MINUTE


def test_a_token_that_is_refused_ends_it_with_what_to_do(
    secured: Secured, ingestion: IngestProcess
) -> None:
    secured.configure("fs_12345678_" + "0" * 64)
    ingestion.start()
    _wait(lambda: not ingestion.running(), ingestion)
    assert "flightstore token create" in ingestion.log()
    assert "0" * 64 not in ingestion.log()
    assert secured.covered() == (0, 0)
