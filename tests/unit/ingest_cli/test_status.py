"""What the store tells about the series that are filled."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from tests.unit.ingest_cli.conftest import SINCE

BTC = "binance:BTC/USDT"
DESCRIBED = {
    "wanted_from": "2023-11-14T22:00:00Z",
    "requests": "7",
    "error": "binance: 503",
    "error_at": "2023-11-14T23:00:00Z",
}


def bars(*minutes: str) -> list[dict[str, object]]:
    prices = {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": 1.0}
    times = (datetime.fromisoformat(f"2023-11-14T{minute}") for minute in minutes)
    return [{"ts": ts, **prices} for ts in times]


def shown(cli, *arguments: object) -> list[dict[str, object]]:
    result = cli("status", *arguments, "--json")
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_gaps_are_what_is_wanted_and_not_covered(cli, store):
    covers = [("2023-11-14T22:10", "2023-11-14T22:20"), ("2023-11-14T22:25", "2023-11-14T22:30")]
    store.db.write(BTC, bars("22:10", "22:29"), timeframe="1m", covers=covers, metadata=DESCRIBED)
    [series] = shown(cli)
    assert (series["instrument"], series["rows"], series["requests"]) == (BTC, 2, 7)
    assert (series["gaps"], series["gap_length"]) == (2, 15 * 60.0)
    assert series["last"] == "2023-11-14T22:29:00Z"
    assert series["error"] == "binance: 503"
    table = cli("status")
    assert "2023-11-14T23:00:00Z: binance: 503" in table.out
    assert "15:00" in table.out


def test_a_series_that_ended_has_no_lag_and_no_gap_after_its_end(cli, store):
    texts = {"wanted_from": "2023-11-14T22:00:00Z", "ended": "2023-11-14T22:10:00Z"}
    covers = [("2023-11-14T22:00", "2023-11-14T22:10"), ("2023-11-14T22:30", "2023-11-14T22:40")]
    store.db.write(BTC, bars("22:09"), timeframe="1m", covers=covers, metadata=texts)
    [series] = shown(cli)
    assert (series["lag"], series["gaps"]) == (None, 0)
    assert " ended " in cli("status").out


def test_series_that_no_exchange_fills_are_left_out(cli, store):
    store.db.write("mylab:BTC/USDT", bars("22:00"), timeframe="1m")
    result = cli("status")
    assert (result.code, result.out) == (0, "")
    assert "No series is filled" in result.err


def test_with_a_configuration_its_series_are_shown_stored_or_not(cli, store, tmp_path: Path):
    store.db.write(BTC, bars("22:00"), timeframe="1m", metadata=DESCRIBED)
    store.db.write("kraken:BTC/USD", bars("22:00"), timeframe="1m", metadata=DESCRIBED)
    file = tmp_path / "ingest.toml"
    file.write_text(
        '[[exchange.binance.keep]]\nsymbols = ["BTC/*", "ETH/USDT"]\ncandles = ["1m"]\n'
    )
    found = [(s["instrument"], s["rows"]) for s in shown(cli, file)]
    assert found == [(BTC, 1), ("binance:ETH/USDT", 0)]


def test_after_a_backfill_it_says_what_that_cost(cli, store, simulated):
    binance = simulated()
    reach = ("binance", "BTC/USDT", "--since", SINCE, "--url", binance.url)
    for _ in range(2):
        assert cli("backfill", *reach).code == 0
    [series] = shown(cli)
    asked = [r for r in binance.exchange.log.all() if "klines" in r.path]
    assert series["requests"] == len(asked)
    assert series["error"] is None
    assert series["wanted_from"] == f"{SINCE}:00Z"
