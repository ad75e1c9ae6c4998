"""Recorded markets as tapes: what real exchanges said, played again.

Times of a recording are what they were: give the exchange a Clock that starts there.
"""

from __future__ import annotations

import json
import lzma
import tarfile
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.feather

from flightstore_ingest.simulate.clock import MILLISECOND_NS
from flightstore_ingest.simulate.columns import Bar, BarColumns, Trade
from flightstore_ingest.simulate.tape import Market, Tape
from flightstore_proto.timeframe import SECOND_NS

# What a Bar holds beyond open, high, low, close and volume.
NOT_RECORDED = Bar(0, 0.0, 0.0, 0.0, 0.0, 0.0)[6:]


def bars_of_csv(path: Path, market: Market, timeframe: str = "1m", **options: Any) -> Tape:
    """Bars of a CSV file (also .csv.xz): ts in ms, open, high, low, close, volume.

    `options` are those of Tape.
    """
    names = ("open", "high", "low", "close", "volume")
    frame = pl.read_csv(_read(path), schema_overrides=dict.fromkeys(names, pl.Float64))
    frame = frame.select(pl.col("ts") * MILLISECOND_NS, *names)
    return Tape(market, bars={timeframe: BarColumns.of(frame.to_arrow())}, **options)


def bars_of_bitfinex_pages(path: Path, market: Market, timeframe: str = "1m") -> Tape:
    """Bars of recorded Bitfinex v2 candle replies, one JSON file each within a tar archive.

    Pages may be empty and may overlap: of several bars of one time the last read counts.
    """
    bars: dict[int, Bar] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            for mts, opened, close, high, low, volume in json.load(file) if file else ():
                values = map(float, (opened, high, low, close, volume))
                bars[mts] = Bar._make((mts * MILLISECOND_NS, *values, *NOT_RECORDED))
    return Tape(market, bars={timeframe: [bars[mts] for mts in sorted(bars)]})


def trades_of_binance_frames(path: Path, market: Market) -> Tape:
    """Trades of recorded websocket frames of the stream @trade, each after its receive time in ns.

    The frames are kept, so that they are sent on as they were received.
    """
    frames: dict[int, str] = {}
    trades: list[Trade] = []
    with lzma.open(path, "rt") as lines:
        for line in lines:
            text = line.partition(" ")[2].strip()
            said = json.loads(text)
            said = said.get("data", said)
            side = -1 if said["m"] else 1
            price, amount = float(said["p"]), float(said["q"])
            trades.append(Trade(said["T"] * MILLISECOND_NS, said["t"], price, amount, side))
            frames[said["t"]] = text
    return Tape(market, sorted(trades), frames=frames)


def trades_of_kraken_reply(path: Path, market: Market) -> Tape:
    """Trades of a recorded reply of Kraken's endpoint Trades (also .json.xz)."""
    trades = []
    for row in _kraken_rows(path):
        # Seven digits after the point of a second: a float of that size does not hold them.
        side = 1 if row[3] == "b" else -1
        trades.append(Trade(_decimal_seconds(row[2]), row[6], float(row[0]), float(row[1]), side))
    return Tape(market, sorted(trades))


def bars_of_kraken_reply(path: Path, market: Market, timeframe: str = "1m") -> Tape:
    """Bars of a recorded reply of Kraken's endpoint OHLC (also .json.xz), zero-volume ones too."""
    bars = []
    for seconds, *values, count in _kraken_rows(path):
        opened, high, low, close, vwap, volume = map(float, values)
        ts, quote = int(seconds) * SECOND_NS, vwap * volume
        bars.append(Bar(ts, opened, high, low, close, volume, trades=count, quote=quote))
    # The fillers are recorded too: there is nothing to be filled.
    return Tape(market, bars={timeframe: bars}, quiet="omitted")


def trades_of_feather(path: Path, market: Market) -> Tape:
    """Trades as freqtrade keeps them: timestamp in ms, id, side, price, amount."""
    table = pa.feather.read_table(path)
    names = ("timestamp", "id", "price", "amount", "side")
    rows = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    return Tape(
        market,
        sorted(
            Trade(ts * MILLISECOND_NS, int(number), price, amount, 1 if side == "buy" else -1)
            for ts, number, price, amount, side in rows
        ),
    )


def _read(path: Path) -> bytes:
    raw = path.read_bytes()
    return lzma.decompress(raw) if path.suffix == ".xz" else raw


def _kraken_rows(path: Path) -> list[Any]:
    # Times as text: see above.
    result: dict[str, Any] = json.loads(_read(path), parse_float=str)["result"]
    return next(rows for pair, rows in result.items() if pair != "last")


def _decimal_seconds(text: str) -> int:
    """Seconds written in decimal, as ns."""
    whole, _, part = str(text).partition(".")
    return int(whole) * SECOND_NS + int(part[:9].ljust(9, "0"))
