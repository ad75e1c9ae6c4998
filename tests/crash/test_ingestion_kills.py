"""An ingestion that is killed over and over claims nothing that it has not, and ends complete."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import polars as pl
import pytest
from tests.support.ingest_process import IngestProcess
from tests.support.seeds import generator, scaled
from tests.support.serving import Serving

import flightstore as fs
from flightstore_ingest.simulate import Clock, Market, SimulatedExchange, running, seeded
from flightstore_proto.timerange import format_ns

MINUTE = 60 * 10**9
BEGIN = 1_700_006_400 * 10**9  # 2023-11-15 00:00 UTC
SYMBOLS = ("BTC/USDT", "ETH/USDT")
# So few rows a page and so much history that each life gets through a small part of it.
PAGE_ROWS = 20
MINUTES_PER_KILL = 12
LIFE_SECONDS, END_SECONDS = 20.0, 120.0


class Ingested:
    """A store, a simulated exchange, and an ingestion between them that does not live long."""

    def __init__(self, root: Path, name: str, rng: random.Random, kills: int) -> None:
        self._rng = rng
        self._end = BEGIN + kills * MINUTES_PER_KILL * MINUTE
        self._tapes = {
            symbol: seeded(Market(symbol), BEGIN, self._end, 4.0, rng.randrange(2**32))
            for symbol in SYMBOLS
        }
        clock = Clock(self._end + MINUTE, speed=1.0)
        tapes = list(self._tapes.values())
        self.exchange = SimulatedExchange(name, tapes, clock=clock, page_cap=PAGE_ROWS)
        self.store = Serving(root / "data")
        self._config = root / "ingest.toml"
        self.ingestion = IngestProcess(self._config)

    def configure(self, url: str) -> None:
        self._config.write_text(
            f"""
[store]
uri = {json.dumps(self.store.uri)}

[exchange.{self.exchange.name}]
url = {json.dumps(url)}
config = {{ enableRateLimit = false, timeout = 3000 }}

[[exchange.{self.exchange.name}.keep]]
symbols = {json.dumps(SYMBOLS)}
candles = ["1m"]
trades = true
since = "{format_ns(BEGIN)}"
"""
        )

    def live_shortly(self) -> None:
        """Start it, and kill it after some requests."""
        asked = len(self.exchange.log) + self._rng.randrange(1, 40)
        self.ingestion.start()
        self._wait(lambda: len(self.exchange.log) >= asked, LIFE_SECONDS)
        self.ingestion.kill()

    def finish(self) -> None:
        """Have it complete what is left, and stop as it should."""
        self.ingestion.start()
        assert self._wait(self._complete, END_SECONDS), self.ingestion.log()[-4000:]
        self.ingestion.wait_until_at_work()
        assert self.ingestion.terminate() == 0, self.ingestion.log()[-4000:]

    def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether it came true in time; what was fetched entirely asks for no more pages."""
        deadline = monotonic() + seconds
        while not condition():
            if monotonic() > deadline:
                return False
            threading.Event().wait(0.01)
        return True

    def _complete(self) -> bool:
        return all(self._covered(*series) == [(BEGIN, self._end)] for series in self._series())

    def check(self) -> None:
        """What is covered is what the exchange has of it, and nothing else is stored at all."""
        for dataset, symbol, timeframe in self._series():
            # Before the rows: a put that was on its way at the kill may be committed in between.
            covered = self._covered(dataset, symbol, timeframe)
            stored = self._stored(dataset, symbol, timeframe)
            record = self._record(dataset, symbol).select(stored.columns)
            invented = stored.join(record, on=stored.columns, how="anti")
            assert invented.is_empty(), f"{symbol} {dataset}: {invented}"
            assert stored["ts"].is_unique().all() or dataset == "trades"
            for low, high in covered:
                there, wanted = _within(stored, low, high), _within(record, low, high)
                assert there.equals(wanted), f"{symbol} {dataset}: covered, and not complete"

    def _series(self) -> Iterator[tuple[str, str, str]]:
        for symbol in SYMBOLS:
            yield "candles", symbol, "1m"
            yield "trades", symbol, ""

    def _instrument(self, symbol: str) -> str:
        return f"{self.exchange.name}:{symbol}"

    def _stored(self, dataset: str, symbol: str, timeframe: str) -> pl.DataFrame:
        try:
            return self.store.db.read(dataset, self._instrument(symbol), timeframe)
        except (fs.UnknownInstrument, fs.UnknownDataset):
            return self._record(dataset, symbol).clear()

    def _covered(self, dataset: str, symbol: str, timeframe: str) -> list[tuple[int, int]]:
        """As far as the record goes."""
        try:
            known = self.store.db.coverage(self._instrument(symbol), timeframe, dataset=dataset)
        except (fs.UnknownInstrument, fs.UnknownDataset):
            return []
        ranges = known.select(pl.col("start", "end").dt.epoch("ns")).rows()
        return [(max(low, BEGIN), min(high, self._end)) for low, high in ranges]

    def _record(self, dataset: str, symbol: str) -> pl.DataFrame:
        tape = self._tapes[symbol]
        if dataset == "candles":
            now = self.exchange.now()  # minutes after the last trade have bars without volume
            table = tape.bar_table("1m", BEGIN, now, now=now)
        elif self.exchange.name == "binance":
            table = tape.aggregate_table(BEGIN, self._end)
        else:
            table = tape.table(BEGIN, self._end)
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return frame


def _within(rows: pl.DataFrame, low: int, high: int) -> pl.DataFrame:
    ts = pl.col("ts").dt.epoch("ns")
    return rows.filter((ts >= low) & (ts < high))


@pytest.mark.long
@pytest.mark.parametrize("name", ["binance", pytest.param("kraken", marks=pytest.mark.nightly)])
def test_an_ingestion_that_is_killed_again_and_again_loses_and_invents_nothing(
    tmp_path: Path, request: pytest.FixtureRequest, name: str
) -> None:
    rng = generator(f"ingestion kills of {name}")
    kills, began = scaled(request.config, ci=30, nightly=1_000), monotonic()
    it = Ingested(tmp_path, name, rng, kills)
    try:
        with running(it.exchange) as url:
            it.configure(url)
            for _ in range(kills):
                it.live_shortly()
                it.check()
            it.finish()
            it.check()
    finally:
        it.ingestion.kill()
        it.store.close()
    print(f"{kills} kills in {monotonic() - began:.0f} s")
