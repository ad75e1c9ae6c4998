"""History fetched from the command line."""

from __future__ import annotations

import signal
import time

import polars as pl
from tests.unit.ingest_cli.conftest import HOUR_NS, NOW, SINCE

from flightstore_ingest.simulate import Fault, Faults


def candles_of(exchange, symbol="BTC/USDT", hours=2):
    """The exchange's own record of closed minutes up to NOW."""
    table = exchange.tapes[symbol].bar_table("1m", NOW - hours * HOUR_NS, NOW)
    return pl.from_arrow(table)


def stored(store, instrument="binance:BTC/USDT", until="2023-11-15"):
    return store.db.candles(instrument, "1m", SINCE, until)


def candle_requests(exchange):
    return [r for r in exchange.log.all() if "klines" in r.path]


def test_what_is_stored_is_the_exchanges_own_record(cli, store, simulated):
    binance = simulated(symbols=("BTC/USDT", "ETH/USDT"))
    result = cli("backfill", "binance", "BTC/USDT", "ETH/USDT", "--since", SINCE, "--until",
                 "2023-11-15", "--url", binance.url)  # fmt: skip
    assert result.code == 0, result.err
    assert result.out.startswith("240 rows of 2 series in ")
    for symbol in ("BTC/USDT", "ETH/USDT"):
        found = stored(store, f"binance:{symbol}")
        assert found.equals(candles_of(binance.exchange, symbol).select(found.columns))


def test_the_same_command_again_asks_for_nothing(cli, store, simulated):
    binance = simulated()
    command = ("backfill", "binance:BTC/USDT", "--since", SINCE, "--until", "2023-11-15",
               "--url", binance.url)  # fmt: skip
    assert cli(*command).code == 0
    before = len(candle_requests(binance.exchange))
    result = cli(*command)
    assert (result.code, result.out[:32]) == (0, "Nothing is missing in 1 series; ")
    assert len(candle_requests(binance.exchange)) == before


def test_several_exchanges_and_datasets_in_one_call(cli, store, simulated):
    urls = {name: simulated(name).url for name in ("binance", "kraken")}
    reach = [part for name, url in urls.items() for part in ("--url", f"{name}={url}")]
    result = cli("backfill", "binance,kraken", "BTC/USDT", "--trades", "-t", "1m", "-t", "5m",
                 "--since", "2023-11-14T23:30", *reach)  # fmt: skip
    assert result.code == 0, result.err
    found = store.db.series("*:BTC/USDT").select("exchange", "dataset", "timeframe").rows()
    kinds = [("candles", "1m"), ("candles", "5m"), ("trades", "")]
    assert sorted(found) == [(name, *kind) for name in urls for kind in kinds]


def test_a_glob_means_every_active_market_that_matches(cli, store, simulated):
    binance = simulated(symbols=("BTC/USDT", "ETH/USDT", "ETH/BTC"))
    result = cli("backfill", "binance", "--symbols", "*/USDT", "--since", "2023-11-14T23:30",
                 "--url", binance.url)  # fmt: skip
    assert result.code == 0, result.err
    assert store.db.series()["symbol"].to_list() == ["BTC/USDT", "ETH/USDT"]


def test_one_series_that_cannot_be_had_is_one_line_and_stops_no_other(cli, store, simulated):
    binance = simulated()
    result = cli("backfill", "binance", "BTC/USDT", "BCT/USDT", "--since", SINCE, "--until",
                 "2023-11-15", "--url", binance.url)  # fmt: skip
    assert result.code == 1
    assert result.out.startswith("120 rows of 1 series")
    assert result.err.count("error: ") == 1
    assert "BCT/USDT" in result.err
    assert "Did you mean BTC/USDT?" in result.err


def test_an_exchange_that_refuses_this_address_is_not_asked_for_long(cli, store, simulated):
    faults = Faults([Fault("status", status=451, times=1000)])
    binance = simulated(faults=faults)
    result = cli("backfill", "binance", "BTC/USDT", "--url", binance.url)
    assert result.code == 1
    assert "error: binance: " in result.err
    assert "451" in result.err
    assert len(binance.exchange.log.all()) == 1


def test_an_unknown_exchange_is_answered_with_near_names(cli, store):
    result = cli("backfill", "binanc", "BTC/USDT")
    assert result.code == 2
    assert result.err.startswith("error: ccxt knows no exchange 'binanc'. Did you mean binance")


def test_wrong_usage_is_one_sentence(cli, store):
    for words, sentence in (
        (["binance"], "Say which symbols"),
        (["binance", "BTC/USDT", "--since", "once"], "'once' is not a time"),
        (["binance", "BTC/USDT", "--since", "2024", "--until", "2023"], "--until 2023 does not"),
        (["binance", "BTC/USDT", "--log-level", "loud"], "--log-level loud is none of"),
    ):
        result = cli("backfill", *words)
        assert result.code == 2
        assert sentence in result.err
        assert result.err.count("\n") == 1


def test_without_a_server_it_says_so_at_once(cli, monkeypatch):
    monkeypatch.setenv("FLIGHTSTORE_URI", "grpc://127.0.0.1:1")
    result = cli("backfill", "binance", "BTC/USDT")
    assert result.code == 1
    assert "127.0.0.1:1" in result.err


def test_a_backfill_stopped_by_ctrl_c_goes_on_where_it_was(process, cli, store, simulated):
    # Every answer is slow from the third page on, so that there is time to stop it.
    faults = Faults([Fault("slow", match="aggTrades", seconds=0.3, times=1000, after=2)])
    binance = simulated(faults=faults)
    command = ("backfill", "binance", "BTC/USDT", "--trades", "--since", SINCE, "--url",
               binance.url)  # fmt: skip
    child = process(*command)
    deadline = time.monotonic() + 60
    while not store.db.series()["rows"].sum() and child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "rows are stored" in err
    assert "The same command goes on from there." in err
    assert "Traceback" not in err
    faults.clear()
    assert cli(*command, "--until", "2023-11-14T23:59").code == 0
    start, end = NOW - 2 * HOUR_NS, NOW - 60 * 10**9
    own = pl.from_arrow(binance.exchange.tapes["BTC/USDT"].aggregate_table(start, end))
    found = store.db.trades("binance:BTC/USDT", SINCE, "2023-11-14T23:59")
    assert found.equals(own.select(found.columns))
