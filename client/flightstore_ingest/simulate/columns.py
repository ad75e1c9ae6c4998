"""Trades and bars by the million: one array per field, rows made only of what is asked for."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa

_ARROW = {"q": pa.int64(), "d": pa.float64(), "b": pa.int8()}


class Trade(NamedTuple):
    """A trade. Times are ns since the epoch; amounts are in base currency and positive."""

    ts: int
    id: int
    price: float
    amount: float
    side: int  # what the taker did: +1 bought, -1 sold


class Bar(NamedTuple):
    """A candle with everything that one exchange or another says about it.

    `ts` is its open time in ns, `volume` in base and `quote` in quote currency; `buy` and
    `buy_quote` are the parts that takers bought; `first_id` and `last_id` are -1 without trades.
    """

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int = 0
    quote: float = 0.0
    buy: float = 0.0
    buy_quote: float = 0.0
    first_id: int = -1
    last_id: int = -1


def flat_bar(ts: int, price: float) -> Bar:
    """A bar in which nothing was traded, as the exchanges write it that write one."""
    return Bar(ts, price, price, price, price, 0.0)


class _Columns:
    """Arrays of equal length. Only ever appended to, so that other threads may read meanwhile."""

    kinds: str

    def __init__(self) -> None:
        self.arrays: list[array[Any]] = [array(kind) for kind in self.kinds]
        self.ts: array[int] = self.arrays[0]

    def __len__(self) -> int:
        return len(self.ts)

    def extend(self, rows: Iterable[tuple[Any, ...]]) -> None:
        filled = list(zip(self.arrays, zip(*rows, strict=True), strict=False))
        # `ts`, by which rows are found, comes last: whoever finds a row finds all of it.
        for column, values in reversed(filled):
            column.extend(values)

    def at(self, ts: int) -> int:
        """The index of the first row at or after `ts`."""
        return bisect_left(self.ts, ts)

    def _cells(self, first: int, end: int) -> Iterable[tuple[Any, ...]]:
        return zip(*(column[first:end] for column in self.arrays), strict=True)

    def arrow(self, first: int = 0, end: int | None = None) -> list[pa.Array]:
        """Copies of the columns from row `first` to before `end` as Arrow arrays."""
        parts = [column[first:end] for column in self.arrays]
        return [
            pa.Array.from_buffers(_ARROW[kind], len(part), [None, pa.py_buffer(part)])
            for kind, part in zip(self.kinds, parts, strict=True)
        ]


class TradeColumns(_Columns):
    """Trades in the order of `ts` and of `id` at once, as exchanges number them."""

    kinds = "qqddb"

    def __init__(self, trades: Iterable[Trade] = ()) -> None:
        super().__init__()
        self.ids: array[int] = self.arrays[1]
        self.prices: array[float] = self.arrays[2]
        self.amounts: array[float] = self.arrays[3]
        self.sides: array[int] = self.arrays[4]
        self.extend(trades)

    def rows(self, first: int, end: int) -> list[Trade]:
        return list(map(Trade._make, self._cells(max(first, 0), end)))

    def at_id(self, number: int) -> int:
        """The index of the first trade whose id is at least `number`."""
        return bisect_left(self.ids, number)


class BarColumns(_Columns):
    """Bars in the order of `ts`."""

    kinds = "qdddddqdddqq"

    def __init__(self, bars: Iterable[Bar] = ()) -> None:
        super().__init__()
        self.closes: array[float] = self.arrays[4]
        self.extend(bars)

    def rows(self, first: int, end: int) -> list[Bar]:
        return list(map(Bar._make, self._cells(max(first, 0), end)))

    @classmethod
    def of(cls, table: pa.Table) -> BarColumns:
        """Bars of the columns ts (ns), open, high, low, close and volume, without a null."""
        made, rest = cls(), Bar(0, 0.0, 0.0, 0.0, 0.0, 0.0)[6:]
        for column, kind, chunked in zip(made.arrays, cls.kinds, table.columns, strict=False):
            column.frombytes(_bytes(chunked.cast(_ARROW[kind]).combine_chunks()))
        for column, value in zip(made.arrays[6:], rest, strict=True):
            column.extend([value] * len(table))
        return made


def _bytes(values: pa.Array) -> memoryview:
    """The values of an array of 8-byte numbers."""
    return memoryview(values.buffers()[1])[values.offset * 8 : (values.offset + len(values)) * 8]
