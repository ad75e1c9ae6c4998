"""A store with five minutes and hours of minutes, and what is read from it."""

from __future__ import annotations

from pathlib import Path

from tests.model.derived_driver import bars_of
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.stores import BTC, SMALL, put, read, stepped

from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.queries import Query
from flightstore_server.engine.series import Series
from flightstore_server.engine.store import Store

TIMES = [NOON_2024 + minute * MINUTE for minute in range(20)]
FIVES = [TIMES[0], TIMES[5], TIMES[10], TIMES[15]]


def filled(root: Path, limits: Limits = SMALL) -> Store:
    """Twenty minutes of 1.0, and what two rules derive from them."""
    store = stepped(root, limits)
    store.rules.add(pb.Rule(name="fives", on="candles/*/1m", to=["5m"]))
    store.rules.add(pb.Rule(name="hours", on="candles/*/5m", to=["1h"]))
    put(store, candles(TIMES))
    return store


def bars(
    store: Store,
    timeframe: str = "5m",
    *,
    start: int | None = None,
    end: int | None = None,
    snapshot: str = "",
) -> dict[int, float]:
    """The closes of a series by time."""
    found = read(store, timeframe=timeframe, start=start, end=end, snapshot=snapshot)
    return {bar[0]: bar[4] for bar in bars_of(found)}


def closed(store: Store, timeframe: str) -> list[int]:
    """The times of the bars that are over."""
    query = Query("candles", [BTC], timeframe, closed=True)
    selection = store.reader.select(query)
    return [bar[0] for bar in bars_of(list(selection.rows(selection.views[0])))]


def series(store: Store, timeframe: str) -> Series:
    found = store.state.names.get("candles", BTC, timeframe)
    assert found is not None
    return found
