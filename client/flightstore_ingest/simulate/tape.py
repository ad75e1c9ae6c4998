"""The exchange's own record of one market: what really happened, and when.

The same tape feeds REST pages and websockets, and afterwards says what a client should have. What
lies in the future of `now` has not happened yet; without `now` the whole record is meant.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from flightstore_ingest.simulate.aggregates import Aggregates
from flightstore_ingest.simulate.bar_pages import Seen, Window, filled_page, page
from flightstore_ingest.simulate.candles import (
    bar_of,
    bars_of_bars,
    bars_of_trades,
    grid,
    open_time,
)
from flightstore_ingest.simulate.columns import Bar, BarColumns, Trade, TradeColumns, flat_bar
from flightstore_proto.schemas import CANDLES, TRADES
from flightstore_proto.timeframe import Timeframe

END_OF_TIME = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Market:
    """What is traded. `id` is the exchange's own name; empty for the one it would be given."""

    symbol: str  # BASE/QUOTE
    price_step: float = 0.01
    amount_step: float = 0.00001
    listed_ns: int = 0
    active: bool = True
    id: str = ""

    @property
    def base(self) -> str:
        return self.symbol.partition("/")[0]

    @property
    def quote(self) -> str:
        return self.symbol.partition("/")[2]

    @property
    def price_decimals(self) -> int:
        return decimals(self.price_step)

    @property
    def amount_decimals(self) -> int:
        return decimals(self.amount_step)


def decimals(step: float) -> int:
    """Digits after the point of multiples of `step`: 2 of 0.01, 1 of 0.5, 0 of 10. At most 12."""
    return len(f"{step:.12f}".rstrip("0").partition(".")[2])


class Tape:
    """The record of one market. Rows are appended at the end; reading is safe from any thread.

    trades   in the order of their times and of their ids, both; ids may jump, but not repeat
    bars     recorded bars by timeframe, instead of those that the trades make
    outages  [start, end) in ns in which the exchange is down: no trade and no bar, not even an
             flat one; a trade in one of them is a ValueError
    quiet    what becomes of a bar without trades: "omitted", "flat" (open = high = low = close =
             the last price) or "zero" (the same values, Kraken's spelling); "" for the exchange's
             own rule
    frames   recorded websocket messages by trade id, to be sent as they are
    """

    def __init__(
        self,
        market: Market,
        trades: Iterable[Trade] | TradeColumns = (),
        *,
        bars: Mapping[str, BarColumns | Sequence[Bar]] | None = None,
        outages: Iterable[tuple[int, int]] = (),
        quiet: str = "",
        frames: Mapping[int, str] | None = None,
    ) -> None:
        self.market = market
        self.trades = trades if isinstance(trades, TradeColumns) else TradeColumns(trades)
        self.outages = sorted(outages)
        self.quiet = quiet
        self.frames = frames or {}
        self.recorded = {
            timeframe: given if isinstance(given, BarColumns) else BarColumns(given)
            for timeframe, given in (bars or {}).items()
        }
        self._made: dict[str, tuple[int, BarColumns]] = {}
        self._aggregates: Aggregates | None = None
        self._corrections: dict[str, dict[int, list[tuple[int, Bar]]]] = {}
        self._check_order(0)

    def add(self, trades: Iterable[Trade]) -> None:
        """Write on: `trades` come after all that are on the tape. Raises ValueError otherwise."""
        length = len(self.trades)
        self.trades.extend(trades)
        self._check_order(max(length - 1, 0))

    def _check_order(self, first: int) -> None:
        ts, ids = self.trades.ts[first:], self.trades.ids[first:]
        for column, what in ((ts, "time"), (ids, "id")):
            later = column[1:]
            if any(b < a for a, b in zip(column, later, strict=False)):
                raise ValueError(f"The trades of {self.market.symbol} are not sorted by {what}.")
        for start, end in self.outages:
            if self.trades.at(start) < self.trades.at(end):
                raise ValueError(
                    f"{self.market.symbol} has trades between {start} and {end}, when the "
                    "exchange is said to have been down."
                )

    # ---- trades

    def visible(self, now: int | None = None) -> int:
        """How many trades have happened by `now`."""
        return len(self.trades) if now is None else bisect_right(self.trades.ts, now)

    def rows(self, first: int, end: int) -> list[Trade]:
        """Trades by their position on the tape."""
        return self.trades.rows(first, end)

    def trades_between(
        self,
        start: int = 0,
        end: int = END_OF_TIME,
        limit: int | None = None,
        *,
        now: int | None = None,
        newest: bool = False,
    ) -> list[Trade]:
        """Trades with start <= ts < end in order; the first `limit`, or with `newest` the last."""
        first, last = self.trades.at(start), min(self.trades.at(end), self.visible(now))
        return self._page(first, last, limit, newest)

    def trades_from_id(self, number: int, limit: int, *, now: int | None = None) -> list[Trade]:
        """The first `limit` trades whose id is at least `number`."""
        return self._page(self.trades.at_id(number), self.visible(now), limit, False)

    def trades_before_id(self, number: int, limit: int, *, now: int | None = None) -> list[Trade]:
        """The last `limit` trades whose id is below `number`, in the order of the tape."""
        return self._page(0, min(self.trades.at_id(number), self.visible(now)), limit, True)

    def newest(self, limit: int, *, now: int | None = None) -> list[Trade]:
        """The last `limit` trades, in the order of the tape."""
        return self._page(0, self.visible(now), limit, True)

    def trade_at_or_after(self, ts: int, *, now: int | None = None) -> Trade | None:
        found = self._page(self.trades.at(ts), self.visible(now), 1, False)
        return found[0] if found else None

    def last_before(self, ts: int, *, now: int | None = None) -> Trade | None:
        found = self._page(0, min(self.trades.at(ts), self.visible(now)), 1, True)
        return found[0] if found else None

    def _page(self, first: int, end: int, limit: int | None, newest: bool) -> list[Trade]:
        if limit is not None and newest:
            first = max(first, end - limit)
        elif limit is not None:
            end = min(end, first + limit)
        return self.trades.rows(first, end) if first < end else []

    def table(self, start: int = 0, end: int = END_OF_TIME, now: int | None = None) -> pa.Table:
        """Trades with start <= ts < end as the columns that flightstore keeps."""
        first, last = self.trades.at(start), min(self.trades.at(end), self.visible(now))
        return _as_schema(self.trades.arrow(first, max(first, last)), TRADES)

    def aggregates(self) -> Aggregates:
        """The trades as Binance aggregates and numbers them a second time."""
        if self._aggregates is None or self._aggregates.length != len(self.trades):
            self._aggregates = Aggregates(self.trades, self.market.amount_decimals)
        return self._aggregates

    def aggregate_table(
        self, start: int = 0, end: int = END_OF_TIME, now: int | None = None
    ) -> pa.Table:
        """Aggregates with start <= ts < end that were complete by `now`, as columns of trades."""
        aggregates = self.aggregates()
        first, last = (aggregates.at_trade(self.trades.at(ts)) for ts in (start, end))
        last = min(last, aggregates.visible(self.visible(now)))
        return _as_schema(aggregates.arrow(first, last), TRADES)

    # ---- bars

    def bars(
        self,
        timeframe: str,
        start: int = 0,
        end: int = END_OF_TIME,
        limit: int | None = None,
        *,
        now: int | None = None,
        newest: bool = False,
    ) -> list[Bar]:
        """Bars with start <= ts < end in order; the first `limit`, or with `newest` the last.

        The bar that is still open at `now` is the last of them. Raises BadTimeframe.
        """
        step = grid(timeframe)
        now = self._last_moment() if now is None else now
        columns = self._columns(timeframe, step)
        closed = columns.at(open_time(now, step))
        seen = Seen(columns, closed, self._current(columns, step, now), step, now)
        window = Window(start, end, limit, newest)
        if self.quiet in ("flat", "zero"):
            found = filled_page(seen, window, self.outages)
        else:
            found = page(seen, window)
        corrections = self._corrections.get(timeframe)
        if corrections:
            found = [_corrected(bar, corrections.get(bar.ts, ()), now) for bar in found]
        return found

    def correct(self, timeframe: str, ts: int, bar: Bar, at: int = 0) -> None:
        """From the exchange's time `at` on, the bar that opened at `ts` reads `bar`."""
        known = self._corrections.setdefault(timeframe, {}).setdefault(ts, [])
        known.append((at, bar._replace(ts=ts)))

    def bar_table(
        self, timeframe: str, start: int = 0, end: int = END_OF_TIME, now: int | None = None
    ) -> pa.Table:
        """Bars with start <= ts < end that were closed by `now`, as flightstore keeps them."""
        step = grid(timeframe).step_ns
        last = END_OF_TIME if now is None else now - step + 1
        bars = self.bars(timeframe, start, min(end, last), now=now)
        columns = BarColumns(bars).arrow()[: len(CANDLES)]
        return _as_schema(columns, CANDLES)

    def _last_moment(self) -> int:
        ends = [self.trades.ts[-1]] if len(self.trades) else [0]
        ends += [c.ts[-1] + grid(t).step_ns for t, c in self.recorded.items() if len(c)]
        return max(ends)

    def _columns(self, timeframe: str, step: Timeframe) -> BarColumns:
        if timeframe in self.recorded:
            return self.recorded[timeframe]
        length, columns = self._made.get(timeframe, (-1, BarColumns()))
        if length == len(self.trades):
            return columns
        length = len(self.trades)
        if self.recorded:
            columns = self._of_recorded(step)
        elif length:
            # The bar that was last may have grown: made anew with what came after it. The old
            # columns stay as they are for those who are reading them.
            kept = max(len(columns) - 1, 0)
            first = self.trades.at(columns.ts[kept]) if len(columns) else 0
            made = bars_of_trades(self.trades, first, step, self.market.amount_decimals)
            columns = BarColumns(columns.rows(0, kept) + made)
        self._made[timeframe] = (length, columns)
        return columns

    def _of_recorded(self, step: Timeframe) -> BarColumns:
        """Bars of `step` from the shortest recorded ones that fit into it; else none."""
        lengths = {grid(timeframe).step_ns: c for timeframe, c in self.recorded.items()}
        fitting = [length for length in lengths if step.step_ns % length == 0]
        return bars_of_bars(lengths[min(fitting)], step) if fitting else BarColumns()

    def _current(self, columns: BarColumns, step: Timeframe, now: int) -> Bar | None:
        """The bar that is open at `now`, if anything has happened in it."""
        ts = open_time(now, step)
        if not self.recorded:
            trades = self.trades.rows(self.trades.at(ts), self.visible(now))
            return bar_of(ts, trades, self.market.amount_decimals) if trades else None
        at = columns.at(ts)
        for bar in columns.rows(at, at + 1):
            if bar.ts == ts:
                # How it came about was not recorded: half of it, to be told from the whole.
                return flat_bar(ts, bar.open)._replace(volume=bar.volume / 2)
        return None


def _corrected(bar: Bar, corrections: Sequence[tuple[int, Bar]], now: int) -> Bar:
    return next((new for at, new in reversed(corrections) if at <= now), bar)


def _as_schema(columns: list[pa.Array], schema: pa.Schema) -> pa.Table:
    cast = [c.cast(field.type) for c, field in zip(columns, schema, strict=True)]
    return pa.table(cast, schema=schema)
