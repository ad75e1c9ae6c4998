"""Backfilling through ccxt, against a bare loop of ccxt's own calls that stores nothing.

Both ask a simulated Binance on loopback, in a process of its own and without a limit, for the same
pages: candles with since and until, trades from id to id, 1 series and 20 at once.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import flightstore as fs
from bench.figures import Figure, compared, in_ms
from bench.floors.ingestion.simulated import BEGIN_NS, MINUTE_NS, TRADE_NS, symbols
from bench.measure import interleaved, inverse, ratio
from bench.processes import flightstore, simulated
from bench.session import Session
from flightstore_ingest.ccxt_source.exchange import Connecting, Exchange
from flightstore_ingest.config import ExchangeSection, checked
from flightstore_ingest.pace import Pace
from flightstore_ingest.service import Feed
from flightstore_ingest.sink import Sink

_PAGE = 1_000
_SINCE = "2020-09-14"  # BEGIN_NS
_FAST = {"enableRateLimit": False}


def run(session: Session) -> Iterator[Figure]:
    for kind in ("candles", "trades"):
        for series in (1, 20):
            rows = session.pick(100_000, 40_000) // series
            yield _against_bare(session, kind, series, rows)


def _against_bare(session: Session, kind: str, series: int, rows: int) -> Figure:
    folder = session.fresh(f"{kind}-{series}")
    bare = _bare_candles if kind == "candles" else _bare_trades
    with (
        simulated([kind, str(series), str(rows)]) as exchange,
        flightstore(folder / "store") as server,
        server.client() as db,
    ):
        taken = interleaved(
            session.pick(5, 3),
            {
                "bare": lambda: asyncio.run(_loops(exchange.uri, series, rows, bare)),
                "ours": lambda: _ours(db, exchange.uri, kind, series, rows),
            },
        )
    speed = series * rows / statistics.median(taken["ours"])
    return compared(
        f"speed of a backfill of {kind}, {series} series, of a bare ccxt loop's",
        inverse(ratio(taken["ours"], taken["bare"])),
        at_least=0.8,
        note=f"{in_ms(**taken)}, {speed:,.0f} rows/s",
    )


async def _loops(url: str, series: int, rows: int, one: Callable[..., Awaitable[int]]) -> None:
    exchange = Exchange("binance", Connecting(url=url, config=_FAST), ("spot",))
    await exchange.open()
    try:
        got = await asyncio.gather(*(one(exchange.api, name, rows) for name in symbols(series)))
        assert got == [rows] * series
    finally:
        await exchange.close()


async def _bare_candles(api: Any, symbol: str, rows: int) -> int:
    got, step = 0, MINUTE_NS // 10**6
    for page in range(-(-rows // _PAGE)):
        since = BEGIN_NS // 10**6 + page * _PAGE * step
        until = since + _PAGE * step - 1
        got += len(await api.fetch_ohlcv(symbol, "1m", since, _PAGE, {"until": until}))
    return got


async def _bare_trades(api: Any, symbol: str, rows: int) -> int:
    got, params = 0, {"fromId": 334}  # the simulated exchange's first aggregate
    while got < rows:
        page = await api.fetch_trades(symbol, None, _PAGE, params)
        got += len(page)
        params = {"fromId": int(page[-1]["id"]) + 1}
    return got


def _ours(db: fs.Client, url: str, kind: str, series: int, rows: int) -> None:
    for name in symbols(series):
        _forget(db, f"binance:{name}", kind)
    asyncio.run(_backfill(db, url, kind, series, rows))
    stored = db.series("binance:*", dataset=kind)
    assert stored["rows"].to_list() == [rows] * series, stored


def _forget(db: fs.Client, instrument: str, kind: str) -> None:
    try:
        db.delete(instrument, dataset=kind, timeframe="1m" if kind == "candles" else "")
    except fs.UnknownInstrument:
        pass  # the first round
    except fs.UnknownDataset:
        pass


async def _backfill(db: fs.Client, url: str, kind: str, series: int, rows: int) -> None:
    keep = {"symbols": symbols(series), "since": _SINCE}
    keep |= {"candles": ["1m"]} if kind == "candles" else {"trades": True}
    section: ExchangeSection = checked(
        {"exchange": {"binance": {"url": url, "config": _FAST, "concurrency": 20, "keep": [keep]}}},
        "bench",
    ).exchange["binance"]
    async with Sink(db) as sink:
        feed = Feed("binance", section, db, sink, Pace())
        await feed.open()
        try:
            await feed.backfill(BEGIN_NS + rows * (MINUTE_NS if kind == "candles" else TRADE_NS))
            assert not feed.refused, feed.refused
        finally:
            await feed.close()
