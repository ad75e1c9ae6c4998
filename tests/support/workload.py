"""One of everything a store can do, small enough to be repeated for every fault there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from tests.support.rows import MINUTE, candles, trades
from tests.support.stores import BTC, SMALL, put

from flightstore_server.engine.store import Store

ETH = "binance:ETH/USDT"
SECOND = 10**9
# A put of more than 30 bars is bulk; log files hold few
# groups; old log files go at once.
LIMITS = replace(SMALL, bulk_put_bytes_min=30 * 48, log_file_bytes=1_100)


@dataclass(frozen=True, slots=True)
class Step:
    """One call. `put_id` is set where sending it again must change nothing."""

    name: str
    act: Callable[[Store], object]
    put_id: int = 0


def put_bars(number: int, first: int, bars: int, close: float, instrument: str = BTC) -> Step:
    def act(store: Store) -> object:
        rows = candles([(first + i) * MINUTE for i in range(bars)], close)
        covers = [(first * MINUTE, (first + bars) * MINUTE)]
        return put(store, rows, instrument=instrument, put_id=number, covers=covers)

    return Step(f"put {bars} bars of {instrument} from {first}", act, number)


def put_trades(number: int, first: int) -> Step:
    rows = [((first + i // 2) * SECOND, str(first * 10 + i), 5.0 + i) for i in range(4)]

    def act(store: Store) -> object:
        return put(store, trades(rows), dataset="trades", timeframe="", put_id=number)

    return Step(f"put trades from {first}", act, number)


def delete(start: int | None, end: int | None, instrument: str = BTC) -> Step:
    def act(store: Store) -> object:
        bounds = [None if at is None else at * MINUTE for at in (start, end)]
        return store.delete("candles", instrument, "1m", *bounds)

    return Step(f"delete {instrument} {start}..{end}", act)


def describe(key: str) -> Step:
    return Step("describe", lambda store: store.describe("candles", BTC, "1m", {key: "x"}))


FLUSH = Step("flush", lambda store: store.flush())
COMPACT = Step("compact", lambda store: store.compact(full=True))
UPKEEP = Step("upkeep", lambda store: store.upkeep())


def snapshot(name: str) -> Step:
    return Step(f"snapshot {name}", lambda store: store.snapshot(name))


def drop(name: str) -> Step:
    return Step(f"drop {name}", lambda store: store.drop_snapshot(name))


def steps() -> list[Step]:
    """The workload: every kind of write, before and after every kind of rearrangement."""
    number = count(1)
    return [
        put_bars(next(number), 0, 5, 1.0),
        put_trades(next(number), 100),
        put_bars(next(number), 3, 4, 2.0),
        FLUSH,
        put_bars(next(number), 50, 40, 3.0),
        put_bars(next(number), 60, 5, 4.0),
        describe("unit"),
        put_bars(next(number), 0, 6, 5.0, ETH),
        snapshot("one"),
        delete(52, 58),
        put_bars(next(number), 2, 3, 6.0),
        FLUSH,
        COMPACT,
        UPKEEP,
        put_bars(next(number), 55, 3, 7.0),
        delete(None, None, ETH),
        put_bars(next(number), 1, 2, 8.0, ETH),
        put_trades(next(number), 101),
        FLUSH,
        drop("one"),
        COMPACT,
        UPKEEP,
        put_bars(next(number), 200, 35, 9.0),
        delete(210, 220),
        put_bars(next(number), 215, 2, 10.0),
    ]
