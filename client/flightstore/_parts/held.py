"""What the catalog says there is of a series: how many rows, from when to when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from flightstore_proto import timeframe as timeframes
from flightstore_proto.timeframe import DAY_NS

_MONTH_NS = 30 * DAY_NS


@dataclass(frozen=True, slots=True)
class Held:
    """A series with about `rows` rows, the first at `first`, the last before `end` (ns)."""

    instrument: str
    rows: int = 0
    first: int = 0
    end: int = 0

    def within(self, low: int, high: int) -> Held:
        """What of it lies in [low, high), as if its rows were spread evenly."""
        first = min(max(self.first, low), high)
        end = max(min(self.end, high), first)
        life = max(self.end - self.first, 1)
        return Held(self.instrument, self.rows * (end - first) // life, first, end)


def held(catalog: pa.Table) -> dict[str, Held]:
    """By instrument, of a catalog that has one series of each."""
    return {one.instrument: one for _, one in _entries(catalog)}


def to_be_made(catalog: pa.Table, timeframe: str) -> dict[str, Held]:
    """By instrument, about what bars of `timeframe` can be made of its candles and trades."""
    made: dict[str, Held] = {}
    parsed = timeframes.parse(timeframe)
    step = parsed.step_ns or parsed.months * _MONTH_NS
    for dataset, one in _entries(catalog):
        if dataset in ("candles", "trades"):
            known = made.get(one.instrument, one)
            first, end = min(known.first, one.first), max(known.end, one.end)
            rows = (end - first) // step + 1 if step else max(known.rows, one.rows)
            made[one.instrument] = Held(one.instrument, rows, first, end)
    return made


def _entries(catalog: pa.Table) -> Iterator[tuple[str, Held]]:
    """The dataset and the rows of every series that has any."""
    names = catalog.select(["dataset", "exchange", "symbol", "rows"]).to_pylist()
    first, last = (catalog.column(name).cast(pa.int64()).to_pylist() for name in ("start", "end"))
    for row, start, end in zip(names, first, last, strict=True):
        if row["rows"]:
            name = f"{row['exchange']}:{row['symbol']}"
            yield row["dataset"], Held(name, row["rows"], start, end + 1)
