"""What the service tells the store about its series."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from flightstore_ingest.progress import Progress
from flightstore_ingest.reporting import Reporter
from flightstore_ingest.source import Series

NOW = 1_700_006_400 * 10**9
BTC = Series("candles", "binance:BTC/USDT", "1m")
TRADES = Series("trades", "binance:BTC/USDT")
BAR = {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": 1.0}


def feed_of(*series: Series, asked: int = 0, name: str = "binance") -> SimpleNamespace:
    """What a reporter sees of a feed."""
    return SimpleNamespace(
        name=name,
        keepers=[SimpleNamespace(series=s, progress=Progress(s)) for s in series],
        source=SimpleNamespace(now=lambda: NOW, requests=lambda _: asked),
        refused={},
        gone=set(),
    )


def texts(store, series: Series = BTC) -> dict[str, str]:
    found = store.db.series(
        series.instrument, dataset=series.dataset, timeframe=series.timeframe or None
    )
    return json.loads(found["metadata"][0]) if found.height else {}


def report(reporter: Reporter, *, final: bool = False) -> None:
    asyncio.run(reporter.report(final=final))


def test_an_error_is_told_even_of_a_series_without_rows(store):
    feed = feed_of(BTC, TRADES)
    feed.keepers[0].progress.error = "binance: 503"
    report(Reporter(store.db, [feed]))
    assert texts(store) == {"error": "binance: 503", "error_at": "2023-11-15T00:00:00Z"}
    assert texts(store, TRADES) == {}


def test_an_error_goes_once_something_has_worked_and_not_before(store):
    store.db.write(BTC.instrument, None, timeframe="1m", metadata={"error": "x", "error_at": "y"})
    feed = feed_of(BTC)
    reporter = Reporter(store.db, [feed])
    report(reporter)
    assert texts(store)["error"] == "x"
    feed.keepers[0].progress.pages = 1
    report(reporter)
    assert texts(store) == {}


def test_what_has_not_changed_is_not_written_again(store):
    feed = feed_of(BTC)
    feed.keepers[0].progress.error = "binance: 503"
    reporter = Reporter(store.db, [feed])
    report(reporter)
    before = store.db.health()
    report(reporter)
    assert store.db.health() == before


def test_requests_add_up_over_runs(store):
    for asked in (5, 7):
        report(Reporter(store.db, [feed_of(BTC, asked=asked)]), final=True)
    assert texts(store) == {"requests": "12"}


def test_a_market_that_is_gone_ended_after_its_last_row(store):
    row = [{"ts": NOW // 1_000_000, **BAR}]
    store.db.write(BTC.instrument, row, timeframe="1m")
    feed = feed_of()
    feed.gone = {BTC, Series("candles", "binance:TYPO/USDT", "1m")}
    report(Reporter(store.db, [feed]))
    assert texts(store) == {"ended": "2023-11-15T00:01:00Z"}
    assert store.db.series().height == 1


def test_a_market_that_is_back_has_not_ended(store):
    row = [{"ts": NOW // 1_000_000, **BAR}]
    store.db.write(BTC.instrument, row, timeframe="1m", metadata={"ended": "2023-11-15T00:01:00Z"})
    feed = feed_of(BTC)
    reporter = Reporter(store.db, [feed])
    report(reporter)
    assert "ended" in texts(store)
    feed.keepers[0].progress.last_ts = NOW + 60 * 10**9
    report(reporter)
    assert "ended" not in texts(store)


def test_an_exchange_that_is_not_open_is_told_for_each_of_its_series(store):
    wanted = {"wanted_from": "2023-11-14T00:00:00Z"}
    store.db.write(BTC.instrument, None, timeframe="1m", metadata=wanted)
    feed = feed_of()
    feed.refused = {"binance": "binance: 451"}
    report(Reporter(store.db, [feed]))
    assert texts(store)["error"] == "binance: 451"


class Reconnecting:
    """A client of the store as it is at the time, also after a restart."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store.db, name)


@pytest.mark.parametrize("final", [False, True])
def test_a_store_that_is_away_is_told_later(store, final):
    feed = feed_of(BTC)
    feed.keepers[0].progress.error = "binance: 503"
    reporter = Reporter(Reconnecting(store), [feed])
    store.service.shutdown()
    report(reporter, final=final)
    store.restart()
    report(reporter)
    assert texts(store)["error"] == "binance: 503"
