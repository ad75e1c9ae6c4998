"""One request for trades, and what came back."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flightstore_ingest.ccxt_source import rows
from flightstore_ingest.ccxt_source.exchange import Exchange
from flightstore_ingest.errors import Garbage
from flightstore_ingest.source import Page, Series

log = logging.getLogger(__name__)

MS = 1_000_000
Trade = Mapping[str, Any]
# Below this many steps a search by halves has found any id there can be.
HALVINGS_MAX = 64
# Trades that came close together have been numbered in another order than that of their times, but
# not by more than this.
DISORDER_NS = 1_000 * MS


class Answer(list[Trade]):
    """The trades of one answer, oldest first.

    Pages of a thousand come by the hundred: what is asked of them here is asked of whole lists.
    """

    def __init__(self, found: Sequence[Trade]) -> None:
        super().__init__(found)
        times = [trade["timestamp"] for trade in found]
        texts = [str(trade.get("id") or "") for trade in found]
        # By time and then by id, numeric ids as numbers: '10' comes after '9'.
        keys = list(zip(times, map(len, texts), texts, strict=True))
        if keys != sorted(keys):
            self[:] = [found[at] for at in sorted(range(len(keys)), key=keys.__getitem__)]

    def ids(self) -> list[int]:
        """As numbers. Raises Garbage if one is none."""
        texts = [str(trade.get("id")) for trade in self]
        if not all(map(str.isdigit, texts)):
            strange = next(text for text in texts if not text.isdigit())
            raise Garbage(f"A trade has the id {strange!r}, where this exchange has numbers.")
        return list(map(int, texts))

    def leaves_out(self, beside: int | None) -> bool:
        """Whether ids are missing among them, or between them and `beside`."""
        ids = {*self.ids(), *([] if beside is None else [beside])}
        return max(ids) - min(ids) + 1 != len(ids)


class TradeQuery:
    """Asks one exchange for trades of one series."""

    def __init__(self, exchange: Exchange, series: Series) -> None:
        self.exchange, self.series, self.profile = exchange, series, exchange.profile

    async def ask(
        self,
        since: int | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        beside: int | None = None,
        limit: int | None = None,
    ) -> Answer:
        """ccxt's trades, oldest first; `since` in ms. Raises Garbage if one has no time.

        limit   how many at most; by default a page
        beside  the id that comes right before or after what is asked for

        An answer that is empty is asked for once more, and so is one that leaves out ids where
        they are contiguous. The second one is taken as it is: there are quiet times, and exchanges
        have lost ids for good.
        """
        found = await self._once(since, params, limit)
        if not found or (self.profile.contiguous_ids and found.leaves_out(beside)):
            log.debug("%s: an answer is empty or leaves out trades; asking again", self.series)
            found = await self._once(since, params, limit)
        return found

    async def _once(
        self, since: int | None, params: Mapping[str, Any] | None, limit: int | None
    ) -> Answer:
        asked = {**self.profile.trade_params, **(params or {})}
        limit = limit or self.profile.trade_page
        if self.profile.trade_paging == "cursor":
            # ccxt would cut an answer longer than `limit` at its old end.
            asked["count"], limit = limit, None
        found = await self.exchange.call("fetch_trades", self.series.symbol, since, limit, asked)
        if not all(trade.get("timestamp") for trade in found):
            raise self.garbage("a trade without a time")
        return Answer(found)

    def in_order_of_ids(self, trades: Answer) -> Sequence[Trade]:
        """`trades` by their ids. Raises Garbage if their times contradict that order."""
        ids = trades.ids()
        found = list(trades) if ids == sorted(ids) else sorted(trades, key=number)
        times = [trade["timestamp"] for trade in found]
        for ms, newest in zip(times, accumulate(times, max), strict=True):
            if ms < newest - DISORDER_NS // MS:
                raise self.garbage("a trade with a time before that of trades with lower ids")
        return found

    def garbage(self, what: str) -> Garbage:
        """An error that says the exchange sent `what`."""
        return Garbage(f"{self.exchange.name} sent {what} ({self.series.symbol}).")

    def table(self, trades: Sequence[Trade], start: int, end: int) -> pa.Table:
        """Those of `trades` in [start, end) ns."""
        table = rows.trades(trades, self.profile.trade_digits)
        stamps = table.column("ts").cast(pa.int64())
        inside = pc.and_(pc.greater_equal(stamps, start), pc.less(stamps, end))
        return table.filter(inside)

    def page(self, trades: Sequence[Trade], low: int, high: int) -> Page:
        """A page that makes [low, high) ns complete with those of `trades` that lie in it."""
        return Page(self.table(trades, low, high), (low, high))


def number(trade: Trade) -> int:
    """A trade's id as a number. Raises Garbage if it is none."""
    text = str(trade.get("id"))
    if not text.isdigit():
        raise Garbage(f"A trade has the id {text!r}, where this exchange has numbers.")
    return int(text)


def ns(trade: Trade) -> int:
    """A trade's time in whole ms, as ns."""
    return int(trade["timestamp"]) * MS
