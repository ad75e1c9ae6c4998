"""Answers about several series are of one moment, whatever is written while they are made.

Two were not, and histories showed it: `latest` compared the versions of its series one after the
other, and a SELECT took its rows a while after it had looked which series there are. So a put that
wrote to two series, one of them new, could be seen in one and not in the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.rows import candles
from tests.support.serving import Serving

from flightstore_server.engine.latest import Newest
from flightstore_server.engine.queries import Query

OLD, NEW = "x:OLD/USD", "x:NEW/USD"


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    served = Serving(tmp_path / "data")
    served.db.write(OLD, candles([0], 1.0), timeframe="1m")
    yield served
    served.close()


def _with_a_put_before(serving: Serving, work: Callable[..., Any]) -> Callable[..., Any]:
    """`work`, before which, the first time, both series are written to."""
    puts = iter([dict.fromkeys((OLD, NEW), candles([60 * 10**9], 2.0))])

    def call(*args: Any) -> Any:
        for rows in puts:
            serving.db.write_many(rows, timeframe="1m")
        return work(*args)

    return call


def test_the_newest_rows_are_of_one_moment(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = Newest(serving.store)
    monkeypatch.setattr(newest, "_freshen", _with_a_put_before(serving, newest._freshen))
    found = newest.rows(Query("candles", ["x:*"], "1m")).table
    assert found.column("symbol").to_pylist() == ["NEW/USD", "OLD/USD"]
    assert found.column("close").to_pylist() == [2.0, 2.0]


def test_a_select_is_of_one_moment(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    aggregates = serving.store.aggregates
    monkeypatch.setattr(aggregates, "freshen", _with_a_put_before(serving, aggregates.freshen))
    found = serving.db.sql("select symbol, max(close) as close from candles group by 1 order by 1")
    assert found.rows() == [("NEW/USD", 2.0), ("OLD/USD", 2.0)]
