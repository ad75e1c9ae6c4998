"""Exchanges that answer for trades in one peculiar way each, without a wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from flightstore_ingest.ccxt_source.exchange import Exchange
from flightstore_ingest.ccxt_source.profiles import Profile
from flightstore_ingest.ccxt_source.trades import trade_pages
from flightstore_ingest.errors import Beyond
from flightstore_ingest.gate import checked
from flightstore_ingest.simulate import Tape
from flightstore_ingest.source import TRADES, Anchor, Page, Series
from flightstore_proto import intervals

MS = 1_000_000
# since and until in ms, limit, and all trades, oldest first; the answer as the exchange gives it.
Answer = Callable[[int | None, int | None, int, list[dict[str, Any]]], list[dict[str, Any]]]


@dataclass
class Asked:
    """One request, as ccxt gets it."""

    since: int | None
    limit: int | None
    params: Mapping[str, Any]


@dataclass
class PeculiarExchange:
    """Stands for an Exchange whose ccxt answers `fetch_trades` by `answer`."""

    tape: Tape
    profile: Profile
    answer: Answer
    ids: bool = True
    name: str = "peculiar"
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.api = SimpleNamespace(has={"fetchTrades": True})
        self.clock = SimpleNamespace(now=lambda: self.tape.trades.ts[-1] + 60_000 * MS)

    async def call(
        self,
        method: str,
        symbol: str,
        since: int | None,
        limit: int | None,
        params: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        assert method == "fetch_trades"
        self.asked.append(Asked(since, limit, params))
        rows = self.tape.trades.rows(0, len(self.tape.trades))
        return self.answer(
            since, params.get("until"), limit or 100, [self._parsed(r) for r in rows]
        )

    def _parsed(self, row: Any) -> dict[str, Any]:
        return {
            "timestamp": row.ts // MS,
            "id": str(row.id) if self.ids else None,
            "price": row.price,
            "amount": row.amount,
            "side": "buy" if row.side > 0 else "sell",
            "info": {},
        }

    def pages(self, start: int, end: int, anchor: Anchor | None = None) -> tuple[list[Page], str]:
        """What its history of [start, end) ns comes to, and what was said to be out of reach."""

        async def collect() -> tuple[list[Page], str]:
            series, found = Series(TRADES, f"{self.name}:BTC/USD"), list[Page]()
            try:
                source = trade_pages(cast(Exchange, self), series, start, end, anchor)
                async with aclosing(cast(AsyncGenerator[Page, None], source)) as pages:
                    async for page in pages:
                        found.append(checked(series, page, (start, end)))
            except Beyond as error:
                return found, error.message
            return found, ""

        return asyncio.run(collect())


def covered(pages: Sequence[Page]) -> intervals.IntervalSet:
    """What `pages` make complete, together."""
    ranges = intervals.EMPTY
    for page in pages:
        if page.covers is not None:
            ranges = intervals.add(ranges, *page.covers)
    return ranges


def assert_nothing_is_claimed_that_was_not_sent(pages: Sequence[Page], tape: Tape) -> None:
    """At each claim, all trades of its time are in that page or an earlier one; none twice."""
    sent = set[tuple[int, str]]()
    for page in pages:
        keys = zip(
            page.rows.column("ts").cast("int64").to_pylist(),
            page.rows.column("id").to_pylist(),
            strict=True,
        )
        sent.update(keys)
        if page.covers is not None:
            low, high = page.covers
            there = len(tape.trades_between(low, high))
            assert sum(low <= ts < high for ts, _ in sent) == there, (
                f"{page.covers} is not complete"
            )
