"""A store with a little of everything, and SQL over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.rows import MINUTE, NOON_2024, candles, trades
from tests.support.stores import BULK, put, stepped

from flightstore_server.engine.store import Store
from flightstore_server.sql.engine import SqlEngine
from flightstore_server.sql.limits import SqlLimits

HOUR = 60 * MINUTE
INSTRUMENTS = ("binance:BTC/USDT", "binance:ETH/USDT", "kraken:BTC/USD", "kraken:O'BRIEN/USD")


def _filled(root: Path) -> Store:
    """Minutes and hours of four instruments, in segments and in memory, and some trades."""
    made = stepped(root, BULK)
    for place, name in enumerate(INSTRUMENTS):
        minutes = range(NOON_2024, NOON_2024 + 300 * MINUTE, MINUTE)
        put(made, candles(minutes, place + 1.0), instrument=name)
        hours = range(NOON_2024, NOON_2024 + 5 * HOUR, HOUR)
        put(made, candles(hours, 10.0 * place), instrument=name, timeframe="1h")
    # Rows that came late, between others.
    put(made, candles(range(NOON_2024, NOON_2024 + 20 * MINUTE, 2 * MINUTE), 99.0))
    bought = trades([(NOON_2024 + i // 3, str(i), 1.0 + i) for i in range(30)])
    put(made, bought, dataset="trades", timeframe="")
    return made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store that a test may change."""
    made = _filled(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of the same rows that all tests share, and none of them changes."""
    made = _filled(tmp_path_factory.mktemp("sql") / "data")
    yield made
    made.close()


@pytest.fixture
def make(kept: Store) -> Iterator[Callable[..., SqlEngine]]:
    """Make an engine over `kept` or another store, with limits of one's own."""
    made: list[SqlEngine] = []

    def engine(store: Store = kept, **limits: float) -> SqlEngine:
        made.append(SqlEngine(store, SqlLimits(**limits)))  # type: ignore[arg-type]
        return made[-1]

    yield engine
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def engine(kept: Store) -> Iterator[SqlEngine]:
    """An engine over `kept`."""
    made = SqlEngine(kept, SqlLimits())
    yield made
    made.close()
