"""ccxt's lists and dicts as Arrow tables in the store's columns.

Nothing is judged here: what is missing becomes null, and the gate refuses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flightstore_ingest.errors import Garbage
from flightstore_proto.timeframe import SECOND_NS
from flightstore_proto.timerange import to_ns

_NS = pa.timestamp("ns", "UTC")
_CANDLE_NAMES = ("open", "high", "low", "close", "volume")
_SIDES: dict[Any, int] = {"buy": 1, "sell": -1}
_MS_DIGITS = 3  # of a second: what ccxt's own times have
MS = 1_000_000

# How often trades without an id have been seen that are the same in everything.
Twins = Counter[tuple[Any, ...]]


def candles(bars: Sequence[Sequence[Any]]) -> pa.Table:
    """Bars as ccxt gives them: [ms, open, high, low, close, volume]."""
    width = 1 + len(_CANDLE_NAMES)
    try:
        if any(len(bar) != width for bar in bars):
            raise ValueError(f"a bar has {width} values")
        # All numbers as one array and then apart: half the time of six columns made of lists.
        values = pa.array(list(chain.from_iterable(bars)), pa.float64())
        lists = pa.FixedSizeListArray.from_arrays(values, width)
        ms, *prices = (pc.list_element(lists, at) for at in range(width))
        stamps = ms.cast(pa.int64()).cast(pa.timestamp("ms", "UTC")).cast(_NS)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise Garbage(f"The exchange sent bars that cannot be read: {error}.") from error
    return pa.table([stamps, *prices], names=["ts", *_CANDLE_NAMES])


def trades(
    parsed: Sequence[Mapping[str, Any]], digits: int = _MS_DIGITS, twins: Twins | None = None
) -> pa.Table:
    """Trades as ccxt gives them; `digits` of a second are taken from what the exchange sent.

    Trades without an id get one made of what they are and how many of the same there were at that
    time: true twins are kept, and the same page gives the same ids again. `twins` goes on counting
    where a stream hands over one instant in parts.
    """
    try:
        ts = _times(parsed, digits)
        columns = [
            pa.array(_ids(parsed, Twins() if twins is None else twins), pa.utf8()),
            pa.array([trade.get("price") for trade in parsed], pa.float64()),
            pa.array([trade.get("amount") for trade in parsed], pa.float64()),
            pa.array([_SIDES.get(trade.get("side"), 0) for trade in parsed], pa.int8()),
        ]
    except (pa.ArrowException, ValueError, TypeError, AttributeError) as error:
        raise Garbage(f"The exchange sent trades that cannot be read: {error}.") from error
    return pa.table([ts, *columns], names=["ts", "id", "price", "amount", "side"])


def _times(parsed: Sequence[Mapping[str, Any]], digits: int) -> pa.Array:
    if digits > _MS_DIGITS:
        return pa.array([_ns(trade, digits) for trade in parsed], pa.int64()).cast(_NS)
    stamps = [trade.get("timestamp") for trade in parsed]
    ms = pa.array([ms if type(ms) is int and ms > 0 else None for ms in stamps], pa.int64())
    return ms.cast(pa.timestamp("ms", "UTC")).cast(_NS)


def _ns(trade: Mapping[str, Any], digits: int) -> int | None:
    ms = trade.get("timestamp")
    if not isinstance(ms, int) or ms <= 0:
        return None
    finer = _sent_time(trade.get("info"), digits) if digits > _MS_DIGITS else None
    return ms * MS if finer is None else finer


def _sent_time(info: Any, digits: int) -> int | None:
    """The time as the exchange wrote it, cut to `digits`: seconds with a fraction, or ISO text.

    Kraken writes 100 ns over REST and microseconds on the websocket: cut alike, one trade has one
    time, and with its id one key.
    """
    if isinstance(info, Mapping):
        text = info.get("time") or info.get("timestamp")
        return _from_iso(text, digits) if isinstance(text, str) and "T" in text else None
    if isinstance(info, Sequence) and not isinstance(info, str) and len(info) > 2:
        return _from_seconds(str(info[2]), digits)  # Kraken: [price, volume, time, ...]
    return None


def _from_seconds(text: str, digits: int) -> int | None:
    whole, _, fraction = text.partition(".")
    if not whole.isdigit() or not (fraction or "0").isdigit():
        return None
    return int(whole) * SECOND_NS + _fraction_ns(fraction, digits)


def _from_iso(text: str, digits: int) -> int | None:
    head, _, fraction = text.removesuffix("Z").partition(".")
    if fraction and not fraction.isdigit():
        return None
    return to_ns(head) + _fraction_ns(fraction, digits)


def _fraction_ns(fraction: str, digits: int) -> int:
    return int(fraction[:digits].ljust(9, "0"))


def _ids(parsed: Sequence[Mapping[str, Any]], twins: Twins) -> list[str | None]:
    given = [trade.get("id") for trade in parsed]
    if None not in given:
        return [str(id_) for id_ in given]
    ids: list[str | None] = []
    for trade in parsed:
        if trade.get("id") is not None:
            ids.append(str(trade["id"]))
            continue
        what = (trade.get("timestamp"), trade.get("side"), trade.get("price"), trade.get("amount"))
        twins[what] += 1
        ids.append(f"{what[1]}@{what[2]}x{what[3]}#{twins[what]}")
    return ids
