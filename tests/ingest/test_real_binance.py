"""Eleven recorded minutes of Binance's single trades, told again by a simulated exchange.

19,904 frames of the stream `@trade`, word for word; 735 of the trades share a millisecond.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.ingesting import MINUTE, SECOND, Ingesting
from tests.support.recorded import SPOT_FILE, SPOT_ROWS, binance_trades, same_bits

from flightstore_ingest.pace import Pace
from flightstore_ingest.simulate import Clock, Fault, Market
from flightstore_ingest.simulate.recorded import trades_of_binance_frames
from flightstore_proto.timerange import format_ns

pytestmark = pytest.mark.data

BTC = Market("BTC/USDT")
SPEED = 60.0
LOST, BURST = 4_000, 3_000  # frames until a connection breaks; frames that come at once
SINGLE = {"trades": "single", "config": {"apiKey": "of the test"}}


@pytest.fixture(scope="module")
def trades(market_data: Path) -> pa.Table:
    """The recorded trades, read without the service."""
    return binance_trades(market_data)


def ahead(folder: Path, trades: pa.Table) -> int:
    """By how many ns the exchange's clock was ahead of the recorder's, at most."""
    with lzma.open(folder / SPOT_FILE, "rt") as lines:
        heard = [int(line.partition(" ")[0]) for line in lines]
    happened = trades.column("ts").cast("int64").to_pylist()
    return max(t - h for t, h in zip(happened, heard, strict=True))


@pytest.fixture(scope="module")
def ingested(
    tmp_path_factory: pytest.TempPathFactory, market_data: Path, trades: pa.Table
) -> Iterator[Ingesting]:
    """The service, after it has followed the recording through all that goes wrong.

    The first 3,000 frames come at once, and the connection breaks three times. The time the
    exchange tells is as far behind its trades as the recorder's clock was.
    """
    tape = trades_of_binance_frames(market_data / SPOT_FILE, BTC)
    first, last = tape.trades.ts[0], tape.trades.ts[-1]
    since = first - first % MINUTE
    clock = Clock(since, speed=SPEED)
    clock.skew_ns = -ahead(market_data, trades)
    faults = [
        Fault("burst", frames=BURST, like='"e":"trade"'),
        Fault("close", frames=LOST, times=3, like='"e":"trade"'),
    ]
    keep = {"symbols": ["BTC/USDT"], "trades": True, "since": format_ns(since)}
    with Ingesting(
        tmp_path_factory.mktemp("binance"),
        "binance",
        tape,
        clock=clock,
        since=since,
        keep=keep,
        section=SINGLE,
        faults=faults,
        pace=Pace(confirm=60.0),
    ) as it:
        it.run_for(lambda: _complete(it, since, last + 20 * SECOND))
        yield it


def _complete(it: Ingesting, start: int, end: int) -> bool:
    return it.exchange.now() > end and any(
        low <= start and end <= high for low, high in it.covered("trades")
    )


def test_the_recorded_clock_was_more_than_a_second_behind(
    market_data: Path, trades: pa.Table
) -> None:
    assert trades.num_rows == SPOT_ROWS
    assert 1.2 * SECOND < ahead(market_data, trades) < 1.3 * SECOND


def test_every_recorded_trade_is_stored_once(ingested: Ingesting, trades: pa.Table) -> None:
    stored = ingested.store.db.trades("binance:BTC/USDT", output="arrow")
    assert same_bits(stored, trades)


def test_one_range_is_covered_from_the_start_to_after_the_last_trade(ingested: Ingesting) -> None:
    [(low, high)] = ingested.covered("trades")
    assert low == ingested.since
    assert high > ingested.tapes[0].trades.ts[-1]


def test_the_connection_broke_three_times(ingested: Ingesting) -> None:
    log = ingested.exchange.log
    assert [entry.fault for entry in log.websockets(1006)].count("close") == 3
    # The burst came whole, and most of the rest live: 4,000 frames before each break.
    assert ingested.feed.keepers[0].progress.rows_live >= BURST


def test_what_was_lost_was_asked_for_by_id(ingested: Ingesting) -> None:
    log = ingested.exchange.log
    asked = log.matching("/historicalTrades")
    assert any("fromId" in request.query for request in asked)
    assert not log.matching("/aggTrades")
    assert all(request.status == 200 for request in asked)
