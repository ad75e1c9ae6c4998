"""The main job, as the demo shows it: an exchange's candles and trades, through ccxt, stored."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import polars as pl

import flightstore as fs
from flightstore_proto.errors import InternalError, Unavailable
from flightstore_server.cli.demo_exchange import Chosen
from flightstore_server.cli.demo_story import Story

_LIVE_SECONDS = 30.0
_STOP_SECONDS = 30
_VOLUME_TOLERANCE = 1e-9


def ingest(story: Story, db: fs.Client, exchange: Chosen) -> None:
    """Backfill, check, follow for a moment. Raises what goes wrong with it."""
    story.title(f"Ingesting {exchange.symbol} through ccxt from {exchange.words}")
    _command(db, exchange, "backfill", "--timeframe", "1m", "--since", "-1d").check_returncode()
    _command(db, exchange, "backfill", "--trades", "--since", "-30m").check_returncode()
    name = f"{exchange.name}:{exchange.symbol}"
    _show(story, db, name)
    _check_candles(story, db, name)
    _follow(story, db, exchange, name)


def _show(story: Story, db: fs.Client, name: str) -> None:
    story.title("What is there, and known to be complete")
    for dataset, timeframe in (("candles", "1m"), ("trades", "")):
        known = db.coverage(name, timeframe, dataset=dataset)
        rows = db.read(dataset, name, timeframe).height
        story.say(
            f"{dataset:<8} {rows:>7,} rows, complete from {known['start'][0]:%Y-%m-%d %H:%M} "
            f"to {known['end'][-1]:%H:%M:%S}"
        )


def _check_candles(story: Story, db: fs.Client, name: str) -> None:
    """The exchange's own candles against those that its trades make, where both are complete."""
    known = db.coverage(name, dataset="trades")
    start, end = known["start"][0], known["end"][-1]
    made = (
        db.trades(name, start, end)
        .group_by_dynamic("ts", every="1m")
        .agg(
            open=pl.col("price").first(),
            high=pl.col("price").max(),
            low=pl.col("price").min(),
            close=pl.col("price").last(),
            made=pl.col("amount").sum(),
        )
        .filter(pl.col("ts") >= start, pl.col("ts") < pl.lit(end).dt.truncate("1m"))
    )
    bars = db.candles(name, "1m", start, end)
    both = made.join(bars, on=["ts", "open", "high", "low", "close"])
    difference = (pl.col("made") - pl.col("volume")).abs()
    right = both.filter(difference <= _VOLUME_TOLERANCE * pl.col("made")).height
    story.say(f"candle check: {right} of {made.height} bars made of the trades are the exchange's")
    if right < made.height:
        raise InternalError(f"Bars made of the trades of {name} differ from the exchange's own.")


def _follow(story: Story, db: fs.Client, exchange: Chosen, name: str) -> None:
    story.title("Following live, until the first new trades are stored")
    before = db.trades(name, tail=1)["ts"][0]
    process = subprocess.Popen(_arguments(db, exchange, "live", "--trades"))
    try:
        deadline = time.monotonic() + _LIVE_SECONDS
        while db.trades(name, tail=1)["ts"][0] <= before and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_STOP_SECONDS)
    newest = db.trades(name, tail=1)
    if newest["ts"][0] <= before:
        raise Unavailable(f"No new trade of {name} came within {_LIVE_SECONDS:.0f} s.")
    story.say(f"the newest trade is of {newest['ts'][0]:%H:%M:%S.%f}, {newest['price'][0]:,.2f}")


def _command(db: fs.Client, exchange: Chosen, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(_arguments(db, exchange, *words), check=False)


def _arguments(db: fs.Client, exchange: Chosen, command: str, *words: str) -> list[str]:
    asked = [exchange.name, exchange.symbol, *words, *exchange.options, "--uri", db.uri]
    return [sys.executable, "-m", "flightstore", "ingest", command, *asked]
