"""Tapes that a seed determines: trades as a random walk, in crowds and with quiet minutes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from flightstore_ingest.simulate.clock import MILLISECOND_NS
from flightstore_ingest.simulate.columns import Trade
from flightstore_ingest.simulate.tape import Market, Tape
from flightstore_proto.timeframe import SECOND_NS

MINUTE_NS = 60 * SECOND_NS


def seeded(
    market: Market,
    start_ns: int,
    end_ns: int,
    trades_per_minute: float = 60.0,
    seed: int = 0,
    *,
    price: float = 100.0,
    quiet_share: float = 0.05,
    burst_share: float = 0.02,
    burst_trades: int = 30,
    outages: Iterable[tuple[int, int]] = (),
    first_id: int = 1_000,
) -> Tape:
    """Trades of `market` from `start_ns` to before `end_ns`. The same arguments, the same tape.

    Each minute draws its own number of trades; `quiet_share` of the minutes have none. A trade is
    a burst with probability `burst_share`: up to `burst_trades` of one millisecond, at one price
    or walking through several. `price` is where the walk begins, in quote currency.
    """
    outages = tuple(outages)
    draw = random.Random(f"{seed} {market.symbol}")
    times = _times(draw, start_ns, end_ns, trades_per_minute, quiet_share)
    up = (ts for ts in times if not any(start <= ts < end for start, end in outages))
    walk = _walk(draw, market, up, price, burst_share, burst_trades, first_id)
    return Tape(market, walk, outages=outages)


def _times(
    draw: random.Random, start_ns: int, end_ns: int, per_minute: float, quiet_share: float
) -> Iterator[int]:
    """Times in order, on whole milliseconds."""
    minute = start_ns
    while minute < end_ns:
        length = min(MINUTE_NS - minute % MINUTE_NS, end_ns - minute)
        if draw.random() >= quiet_share:
            # Unlike a Poisson draw this needs no loop, and is wide enough.
            mean = per_minute * length / MINUTE_NS
            count = max(round(draw.gauss(mean, mean**0.5)), 0)
            for moment in sorted(draw.randrange(length) for _ in range(count)):
                yield _whole_milliseconds(minute + moment, minute)
        minute += length


def _whole_milliseconds(ts: int, earliest: int) -> int:
    return max(ts - ts % MILLISECOND_NS, earliest)


def _walk(
    draw: random.Random,
    market: Market,
    times: Iterable[int],
    price: float,
    burst_share: float,
    burst_trades: int,
    number: int,
) -> Iterator[Trade]:
    step, digits = market.price_step, market.price_decimals
    amount_step, amount_digits = market.amount_step, market.amount_decimals
    ticks = max(round(price / step), 1)
    # About 0.02 % between two trades, and at least a tick now and then.
    stride = max(ticks * 0.0002, 0.6)
    for ts in times:
        side = 1 if draw.random() < 0.5 else -1
        ticks = max(ticks + round(draw.gauss(0.0, stride)), 1)
        crowd = draw.randint(2, burst_trades) if draw.random() < burst_share else 1
        for _ in range(crowd):
            amount = max(round(draw.expovariate(2.0) / amount_step), 1) * amount_step
            yield Trade(ts, number, round(ticks * step, digits), round(amount, amount_digits), side)
            number += 1
            if crowd > 1 and draw.random() < 0.5:
                ticks = max(ticks + side, 1)
