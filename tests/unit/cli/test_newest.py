"""latest: what it asks for and what it prints."""

from __future__ import annotations

import json

import pyarrow as pa

NEWEST = pa.table(
    {
        "exchange": ["binance", "kraken"],
        "symbol": ["BTC/USDT:USDT", "[b]"],
        "ts": pa.array([60 * 10**9, 0], pa.timestamp("ns", "UTC")),
        "close": [1.5, 2.0],
        "closed": [True, False],
    }
)


def test_latest_shows_a_line_for_each_series(cli, db):
    db.answers["latest"] = NEWEST
    result = cli("latest", "binance:*", "kraken:*", "-t", "1m", "--columns", "close")
    options = {"dataset": "candles", "columns": ["close"], "snapshot": None, "output": "arrow"}
    assert db.calls == [("latest", (["binance:*", "kraken:*"], "1m"), options)]
    lines = [line.split() for line in result.out.splitlines()]
    assert ["binance:BTC/USDT:USDT", "1970-01-01T00:01:00Z", "1.5", "yes"] in lines
    assert ["kraken:[b]", "1970-01-01T00:00:00Z", "2.0", "no"] in lines


def test_latest_as_json_has_every_column(cli, db):
    db.answers["latest"] = NEWEST
    assert json.loads(cli("latest", "*", "-t", "1m", "--json").out)[1] == {
        "instrument": "kraken:[b]",
        "ts": "1970-01-01T00:00:00Z",
        "close": 2.0,
        "closed": False,
    }


def test_latest_of_series_without_rows_says_so_on_stderr(cli, db):
    db.answers["latest"] = NEWEST.slice(0, 0)
    assert cli("latest", "*", "-t", "1m") == (0, "", "These series have no rows.\n")


def test_latest_bars_need_a_timeframe(cli, db):
    result = cli("latest", "*")
    assert result.code
    assert "--timeframe" in result.err
    assert not db.calls
