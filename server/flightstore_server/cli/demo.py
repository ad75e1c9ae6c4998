"""flightstore demo"""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

import flightstore as fs
from flightstore_server.cli import demo_data, demo_exchange, demo_ingestion
from flightstore_server.cli.demo_story import Story
from flightstore_server.cli.server_process import running_server

_HISTORY_ROWS = 1_270_000
_TRADES = 500_000
_DAILY_SERIES = 500
_DAILY_ROWS = 870
_BTC = "demo:BTC/USDT"
_REAL = "bitfinex:BTC/USD"


def demo(
    bars: Annotated[
        Path | None,
        typer.Option(help="A file of real one-minute BTC/USD bars to use as well."),
    ] = None,
    exchange: Annotated[
        str, typer.Option(help="auto, simulated, binance, coinbaseexchange or kraken.")
    ] = demo_exchange.AUTO,
) -> None:
    """Start a server, fill it from an exchange, read it back, show how fast, and stop.

    The exchange is a real one if it answers within seconds, and a simulated one on this machine
    otherwise. Everything happens in a temporary directory that is removed afterwards.

    Examples:
        flightstore demo
        flightstore demo --exchange simulated --bars BTCUSD_1m.csv.xz
    """
    story = Story()
    with tempfile.TemporaryDirectory(prefix="flightstore-demo-") as folder:
        with running_server(Path(folder)) as uri, fs.connect(uri) as db:
            story.title(f"A server is {db.uri}, its data in {folder}")
            with demo_exchange.chosen(exchange) as real_or_not:
                demo_ingestion.ingest(story, db, real_or_not)
            _write(story, db)
            if bars is not None:
                _import_file(story, uri, bars)
            _read(story, db, _REAL if bars is not None else _BTC)
            _question(story, db)
            _close(story, db)
        with running_server(Path(folder)) as uri, fs.connect(uri) as db:
            story.title("The server was stopped and started again")
            story.say(f"{int(db.series()['rows'].sum()):,} rows are where they were")
    story.title("Stopped, and the demo's data removed")


def _write(story: Story, db: fs.Client) -> None:
    story.title("Writing (data generated from a fixed seed; durable when the call returns)")
    history = demo_data.candles(_HISTORY_ROWS, seed=1)
    story.timed(
        f"{_HISTORY_ROWS:,} minute bars of {_BTC}",
        lambda: db.write(_BTC, history, timeframe="1m"),
        _HISTORY_ROWS,
    )
    ticks = demo_data.trades(_TRADES, seed=2)
    story.timed(f"{_TRADES:,} trades", lambda: _write_trades(db, ticks), _TRADES)
    daily = demo_data.candles(_DAILY_ROWS, seed=3, step_ns=86_400 * 10**9)
    frames = {f"demo:COIN{n:03}/USDT": daily for n in range(_DAILY_SERIES)}
    story.timed(
        f"{_DAILY_ROWS} daily bars of each of {_DAILY_SERIES} symbols, in one atomic put",
        lambda: db.write_many(frames, timeframe="1d"),
        _DAILY_ROWS * _DAILY_SERIES,
    )
    again = db.write(_BTC, history.head(1000), timeframe="1m")
    story.say(f"the first 1,000 bars sent again: nothing changes (LSN {again.lsn})")


def _write_trades(db: fs.Client, ticks: pl.DataFrame) -> None:
    with db.writer("trades") as writer:
        for part in ticks.iter_slices(50_000):
            writer.write(_BTC, part)


def _import_file(story: Story, uri: str, bars: Path) -> None:
    story.title(f"Importing {bars.name} with `flightstore import`")
    command = [sys.executable, "-m", "flightstore", "import", str(bars), "--uri", uri]
    subprocess.run([*command, "--instrument", _REAL, "--timeframe", "1m"], check=True)


def _read(story: Story, db: fs.Client, name: str) -> None:
    story.title("Reading over Arrow Flight")
    whole = db.candles(name, "1m")
    rows = whole.height
    story.timed(f"{rows:,} bars of {name} as polars", lambda: db.candles(name, "1m"), rows)
    story.timed("the same as pandas", lambda: db.candles(name, "1m", output="pandas"), rows)
    count = _DAILY_SERIES * _DAILY_ROWS
    story.timed(f"{_DAILY_SERIES} daily series as one frame", lambda: db.candles("*", "1d"), count)
    story.timed("the last 100 bars", lambda: db.candles(name, "1m", tail=100))
    story.timed("one day out of it", lambda: db.candles(name, "1m", *_one_day(whole)))
    print(whole.tail(3))


def _one_day(whole: pl.DataFrame) -> tuple[dt.datetime, dt.datetime]:
    middle: dt.datetime = whole["ts"][whole.height // 2]
    day = middle.replace(hour=0, minute=0, second=0, microsecond=0)
    return day, day + dt.timedelta(days=1)


def _question(story: Story, db: fs.Client) -> None:
    story.title("What is missing, and what is pinned")
    db.delete(_BTC, timeframe="1m", start="2021-03-01T10:00", end="2021-03-01T11:00")
    story.say("deleted 2021-03-01 10:00 to 11:00; gaps() then says:")
    print(db.gaps(_BTC, "1m"))
    db.snapshot("before")
    db.write(_BTC, demo_data.candles(1, seed=9), timeframe="1m")
    pinned = db.candles(_BTC, "1m", limit=1, snapshot="before")["close"][0]
    now = db.candles(_BTC, "1m", limit=1)["close"][0]
    story.say(f"first close in the snapshot {pinned:.4f}, and corrected since {now:.4f}")


def _close(story: Story, db: fs.Client) -> None:
    status = db.status()
    story.title("Status")
    story.say(
        f"{status.series:,} series, {status.segments:,} segments of "
        f"{status.segment_bytes / 1e6:,.0f} MB, log {status.log_bytes / 1e6:,.1f} MB, "
        f"server memory {status.resident_bytes / 1e6:,.0f} MB"
    )
