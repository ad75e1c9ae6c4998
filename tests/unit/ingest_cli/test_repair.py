"""Repair: what is missing is said, and nothing else is fetched."""

from __future__ import annotations

from pathlib import Path

from tests.unit.ingest_cli.conftest import SINCE

RANGE = ("--since", SINCE, "--until", "2023-11-15")


def test_a_hole_is_named_and_mended_and_the_rest_is_not_asked_for(cli, store, simulated):
    binance = simulated()
    reach = ("binance", "BTC/USDT", *RANGE, "--url", binance.url)
    assert cli("backfill", *reach).code == 0
    whole = store.db.candles("binance:BTC/USDT", "1m", SINCE)
    store.db.delete("binance:BTC/USDT", timeframe="1m", start="2023-11-14T22:30",
                    end="2023-11-14T22:40")  # fmt: skip
    result = cli("repair", *reach)
    assert result.code == 0, result.err
    hole = ["10:00", "2023-11-14T22:30:00Z", "2023-11-14T22:40:00Z"]
    assert [line.split()[-3:] for line in result.out.splitlines() if "22:30" in line] == [hole]
    assert "10 rows of 1 series" in result.out
    assert store.db.candles("binance:BTC/USDT", "1m", SINCE).equals(whole)


def test_a_store_that_lacks_nothing_is_told_so(cli, store, simulated):
    binance = simulated()
    reach = ("binance", "BTC/USDT", *RANGE, "--url", binance.url)
    assert cli("backfill", *reach).code == 0
    assert cli("repair", *reach).out.startswith("Nothing is missing in 1 series")


def test_a_configuration_file_says_what_is_wanted(cli, store, simulated, tmp_path: Path):
    binance = simulated()
    file = tmp_path / "ingest.toml"
    file.write_text(
        f'[exchange.binance]\nurl = "{binance.url}"\n[[exchange.binance.keep]]\n'
        f'symbols = ["BTC/USDT"]\ncandles = ["1m"]\nsince = "{SINCE}"\n'
    )
    result = cli("repair", file, "--until", "2023-11-15")
    assert result.code == 0, result.err
    assert "120 rows of 1 series" in result.out


def test_a_configuration_file_that_is_not_there_is_named(cli, store):
    result = cli("repair", "nowhere.toml")
    assert result.code == 1
    assert "nowhere.toml cannot be read" in result.err


def test_a_file_and_options_together_are_refused(cli, store):
    result = cli("repair", "ingest.toml", "--timeframe", "1h")
    assert result.code == 2
    assert "either the file, or options" in result.err
