"""Binance's second way of counting trades: those of one time, price and side are one aggregate.

Aggregates have ids of their own, which run slower than those of trades.
(Binance, "Compressed/Aggregate trades list": fills of one taker order at one price.)
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import NamedTuple

import pyarrow as pa

from flightstore_ingest.simulate.columns import TradeColumns

MILLISECOND_NS = 1_000_000
# Far from the trades' own ids, so that whoever takes one for the other is found out.
FIRST_ID_DIVISOR = 3


class Aggregate(NamedTuple):
    """Trades of one millisecond, price and side. `ts` is the first one's, in ns."""

    id: int
    ts: int
    price: float
    amount: float
    first_id: int
    last_id: int
    side: int


class Aggregates:
    """All aggregates of a tape's trades, in order; an aggregate is there with its last trade."""

    def __init__(self, trades: TradeColumns, decimals: int) -> None:
        self._trades, self._decimals = trades, decimals
        self.length = len(trades)
        self.starts = _starts(trades)
        self.first_id = trades.ids[0] // FIRST_ID_DIVISOR + 1 if self.length else 1

    def __len__(self) -> int:
        return len(self.starts)

    def visible(self, trades: int) -> int:
        """How many aggregates the first `trades` trades complete."""
        if trades >= self.length:
            return len(self.starts)
        # The next trade must begin another one: otherwise the last of these is not complete.
        return max(bisect_right(self.starts, trades) - 1, 0)

    def at_trade(self, trade: int) -> int:
        """The index of the first aggregate that begins at or after the `trade`-th trade."""
        return bisect_right(self.starts, trade - 1)

    def rows(self, first: int, end: int) -> list[Aggregate]:
        """Aggregates by their index, as many as there are."""
        return [self._row(i) for i in range(max(first, 0), min(end, len(self.starts)))]

    def _row(self, index: int) -> Aggregate:
        trades, start = self._trades, self.starts[index]
        end = self.starts[index + 1] if index + 1 < len(self.starts) else self.length
        amount = trades.amounts[start]
        if end - start > 1:
            amount = round(sum(trades.amounts[start:end]), self._decimals)
        return Aggregate(
            self.first_id + index,
            trades.ts[start],
            trades.prices[start],
            amount,
            trades.ids[start],
            trades.ids[end - 1],
            trades.sides[start],
        )

    def arrow(self, first: int, end: int) -> list[pa.Array]:
        """Columns ts, id, price, amount, side of some aggregates."""
        rows = self.rows(first, end)
        kinds = {"ts": pa.int64(), "id": pa.int64(), "price": pa.float64()}
        kinds |= {"amount": pa.float64(), "side": pa.int8()}
        return [pa.array([getattr(r, name) for r in rows], kind) for name, kind in kinds.items()]


def _starts(trades: TradeColumns) -> array[int]:
    """Positions of the trades with which an aggregate begins."""
    starts = array("q")
    before: tuple[int, float, int] | None = None
    for i, (ts, price, side) in enumerate(zip(trades.ts, trades.prices, trades.sides, strict=True)):
        key = (ts // MILLISECOND_NS, price, side)
        if key != before:
            starts.append(i)
            before = key
    return starts
