"""The service and the quick look: exchanges followed until a signal comes."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tests.unit.ingest_cli.conftest import SINCE

DEADLINE_SECONDS = 60.0


def wait_for(condition: Callable[[], object], child) -> None:
    """Until `condition` holds, while the process lives."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def rows(store, pattern: str) -> int:
    return store.db.series(pattern)["rows"].sum()


@pytest.fixture
def configured(tmp_path: Path):
    """Write ingest.toml for exchanges and their addresses, at a minute a second."""

    def write(urls: dict[str, str], symbols: str = '"BTC/USDT"') -> Path:
        file = tmp_path / "ingest.toml"
        file.write_text(
            "\n".join(
                f'[exchange.{name}]\nurl = "{url}"\nspeed = 60\n[[exchange.{name}.keep]]\n'
                f'symbols = [{symbols}]\ncandles = ["1m"]\nsince = "{SINCE}"\n'
                for name, url in urls.items()
            )
        )
        return file

    return write


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_with_everything_stored(
    process, store, simulated, configured, number
):
    binance = simulated(speed=60)
    child = process("run", configured({"binance": binance.url}), "--log-format", "json")
    wait_for(lambda: rows(store, "binance:BTC/USDT") > 125, child)  # two hours, and some live bars
    child.send_signal(number)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (0, ""), err
    lines = [json.loads(line) for line in err.splitlines()]
    assert lines[-1]["message"] == "stopped; everything acknowledged is stored"
    covered = store.db.coverage("binance:BTC/USDT", "1m")
    start, end = covered["start"][0], covered["end"][-1]
    found = store.db.candles("binance:BTC/USDT", "1m", start, end)
    own = pl.from_arrow(binance.exchange.tapes["BTC/USDT"].bar_table("1m"))
    own = own.filter(pl.col("ts") >= start, pl.col("ts") < end)
    assert found.equals(own.select(found.columns))


def test_an_exchange_that_cannot_be_reached_stops_no_other(process, store, simulated, configured):
    urls = {"okx": "http://127.0.0.1:1", "binance": simulated(speed=60).url}
    child = process("run", configured(urls))
    wait_for(lambda: rows(store, "binance:*") >= 120, child)
    child.terminate()
    _, err = child.communicate(timeout=30)
    assert child.returncode == 0, err
    assert "okx: trying again in" in err


def test_it_waits_for_a_store_that_is_not_there_yet(process, store, simulated, configured):
    binance = simulated(speed=60)
    child = process("run", configured({"binance": binance.url}), "--uri", "grpc://127.0.0.1:1")
    assert child.stderr is not None
    assert "for the store" in child.stderr.readline()
    child.terminate()
    child.communicate(timeout=30)
    assert child.returncode == 0


def test_a_second_process_is_told_who_asks_the_exchange_already(
    process, cli, store, simulated, configured
):
    binance = simulated(speed=60)
    child = process("run", configured({"binance": binance.url}))
    wait_for(lambda: rows(store, "binance:*"), child)
    reach = ("binance", "BTC/USDT", "--url", binance.url, "--since", SINCE)
    refused = cli("backfill", *reach)
    assert refused.code == 1
    assert f"binance is being asked by process {child.pid} already" in refused.err
    assert cli("backfill", *reach, "--speed", "60", "--share").code == 0


def test_a_market_that_is_gone_is_said_and_the_others_run(process, store, simulated, configured):
    urls = {"binance": simulated(speed=60).url}
    child = process("run", configured(urls, '"OLD/USDT", "BTC/USDT"'))
    wait_for(lambda: rows(store, "binance:*") >= 120, child)
    child.terminate()
    _, err = child.communicate(timeout=30)
    assert "binance has no market 'OLD/USDT'" in err


def test_a_configuration_without_exchanges_is_refused(cli, store, tmp_path: Path):
    file = tmp_path / "empty.toml"
    file.write_text("[pace]\n")
    result = cli("run", file)
    assert result.code == 1
    assert "names no exchange" in result.err


def test_live_follows_from_now_and_fetches_nothing_older(process, store, simulated):
    binance = simulated(speed=60)
    child = process("live", "binance", "BTC/USDT", "--trades", "-t", "1m", "--url", binance.url,
                    "--speed", "60")  # fmt: skip
    wait_for(lambda: store.db.series()["rows"].min() or 0, child)
    wait_for(lambda: store.db.series().height == 2, child)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 0, err
    assert "rows of 2 series" in out
    first = store.db.series()["start"].min()
    assert first.isoformat() >= "2023-11-14T23:59"
