"""An exchange to try things with: `flightstore ingest simulate`."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flightstore_ingest.cli.session import until_signal
from flightstore_proto.errors import BadRequest, did_you_mean, near
from flightstore_proto.timeframe import DAY_NS, SECOND_NS
from flightstore_proto.timerange import format_ns

if TYPE_CHECKING:  # it serves with aiohttp, which takes a while to import
    from flightstore_ingest.simulate import Clock, Limit, SimulatedExchange, Tape

# Trades are made this far ahead of the exchange's clock, in its own time, and in real time.
AHEAD_NS, AHEAD_REAL_SECONDS = DAY_NS, 1200.0
LOOK_SECONDS = 5.0
BAN_SECONDS = 10.0
_LIMIT = re.compile(r"([1-9][0-9]*)(?:/(s|m))?")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is traded, and when."""

    symbols: Sequence[str]
    seed: int
    trades_per_minute: float
    days: float | None
    speed: float
    data: Path | None


def simulate(
    exchanges: Annotated[
        list[str], typer.Argument(metavar="EXCHANGE...", help="binance kraken okx ...")
    ],
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Of the first; the others follow.")
    ] = 9000,
    symbols: Annotated[
        list[str] | None,
        typer.Option("--symbols", help="What is traded; repeatable. [BTC/USDT, ETH/USDT]"),
    ] = None,
    speed: Annotated[
        float, typer.Option("--speed", min=0.001, help="Seconds of its clock per second.")
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="The same one, the same trades.")] = 0,
    trades_per_minute: Annotated[
        float, typer.Option("--trades-per-minute", min=0.0, help="Of each symbol, on average.")
    ] = 60.0,
    days_of_history: Annotated[
        float | None,
        typer.Option("--days-of-history", min=0.0, help="Before it opens. [2, or all of --data]"),
    ] = None,
    faults: Annotated[
        float | None,
        typer.Option("--faults", min=0.001, help="Something goes wrong every so many seconds."),
    ] = None,
    limit: Annotated[
        str | None, typer.Option("--limit", help="Requests it answers: 10/s, 600/m.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="A recording: .csv(.xz) of minute bars, .feather of trades."),
    ] = None,
) -> None:
    """Run a simulated exchange on this machine, until Ctrl-C.

    It speaks as the real one does, over REST and websockets, and can be asked by anything that lets
    its address be set.

    Examples:
      flightstore ingest simulate binance
      flightstore ingest simulate binance kraken --speed 60 --faults 10 --limit 20/s
    """
    from flightstore_ingest.simulate import EXCHANGES

    for name in exchanges:
        if name not in EXCHANGES:
            suggestions = near(name, EXCHANGES)
            raise BadRequest(
                f"{name!r} is not simulated; there are {', '.join(EXCHANGES)}."
                f"{did_you_mean(suggestions)}",
                suggestions=suggestions,
            )
    chosen = [part for text in symbols or ["BTC/USDT", "ETH/USDT"] for part in text.split(",")]
    for symbol in chosen:
        if symbol.count("/") != 1 or ":" in symbol:
            raise BadRequest(f"--symbols {symbol}: what is traded is BASE/QUOTE, as BTC/USDT.")
    plan = Plan(chosen, seed, trades_per_minute, days_of_history, speed, data)
    asyncio.run(_serve(exchanges, port, plan, faults, _limit(limit)))


def _limit(text: str | None) -> Limit:
    from flightstore_ingest.simulate import Limit

    if text is None:
        return Limit()
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise BadRequest(f"--limit {text} is not a number of requests such as 10/s or 600/m.")
    return Limit(int(found[1]), 60.0 if found[2] == "m" else 1.0, BAN_SECONDS)


async def _serve(
    names: Sequence[str], port: int, plan: Plan, faults: float | None, limit: Limit
) -> None:
    from flightstore_ingest.simulate import Faults, SimulatedExchange, random_faults, serve

    clock, start = _clock(plan)
    urls: dict[str, str] = {}
    served: list[SimulatedExchange] = []
    async with AsyncExitStack() as stack:
        for position, name in enumerate(names):
            troubles = Faults(plan=random_faults(plan.seed, faults)) if faults else Faults()
            exchange = SimulatedExchange(
                name, _tapes(plan, start, clock), clock=clock, limit=limit, faults=troubles
            )
            place = port + position if port else 0
            urls[name] = await stack.enter_async_context(serve(exchange, port=place))
            served.append(exchange)
        _print_invitation(urls, plan, start, clock)
        await until_signal(_go_on(served, plan, clock))


def _clock(plan: Plan) -> tuple[Clock, int]:
    """The exchanges' clock, and the ns at which their history begins."""
    from flightstore_ingest.simulate import Clock

    if plan.data is None:
        now = time.time_ns()
        start = now - int((2.0 if plan.days is None else plan.days) * DAY_NS)
        return Clock(now, speed=plan.speed), start - start % (60 * SECOND_NS)
    recorded = _recorded(plan, plan.symbols[0]).bar_table("1m").column("ts").cast("int64")
    first, last = recorded[0].as_py(), recorded[-1].as_py() + 60 * SECOND_NS
    opens = last if plan.days is None else min(first + int(plan.days * DAY_NS), last)
    return Clock(opens, speed=plan.speed), first


def _tapes(plan: Plan, start: int, clock: Clock) -> list[Tape]:
    from flightstore_ingest.simulate import Market, seeded

    if plan.data is not None:
        return [_recorded(plan, symbol) for symbol in plan.symbols]
    end = clock.now() + _ahead(clock)
    return [
        seeded(Market(symbol), start, end, plan.trades_per_minute, plan.seed)
        for symbol in plan.symbols
    ]


def _recorded(plan: Plan, symbol: str) -> Tape:
    from flightstore_ingest.simulate import Market
    from flightstore_ingest.simulate.recorded import bars_of_csv, trades_of_feather

    assert plan.data is not None
    if plan.data.suffix == ".feather":
        return trades_of_feather(plan.data, Market(symbol))
    if plan.data.name.endswith((".csv", ".csv.xz")):
        return bars_of_csv(plan.data, Market(symbol))
    raise BadRequest(f"--data {plan.data} is neither .csv, .csv.xz nor .feather.")


def _ahead(clock: Clock) -> int:
    return max(AHEAD_NS, int(AHEAD_REAL_SECONDS * clock.speed) * SECOND_NS)


async def _go_on(exchanges: Sequence[SimulatedExchange], plan: Plan, clock: Clock) -> None:
    """Make more trades before the last one has happened."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        for tape in (t for exchange in exchanges for t in exchange.tapes.values()):
            if plan.data is None:
                await asyncio.to_thread(_lengthen, tape, plan, clock)


def _lengthen(tape: Tape, plan: Plan, clock: Clock) -> None:
    from flightstore_ingest.simulate import seeded

    now, last = clock.now(), tape.newest(1)
    if not last or last[0].ts - now > _ahead(clock) / 2:
        return
    start = last[0].ts + SECOND_NS
    more = seeded(
        tape.market,
        start,
        max(now, start) + _ahead(clock),
        plan.trades_per_minute,
        plan.seed + start,
        price=last[0].price,
        first_id=last[0].id + 1,
    )
    tape.add(more.trades_between())


def _print_invitation(urls: dict[str, str], plan: Plan, start: int, clock: Clock) -> None:
    for name, url in urls.items():
        print(f"{name} is simulated at {url}: {', '.join(plan.symbols)}")
    print(
        f"Its history begins {format_ns(start)[:19]}Z; it is {format_ns(clock.now())[:19]}Z there."
    )
    alone = len(urls) == 1
    reach = " ".join(f"--url {url if alone else f'{name}={url}'}" for name, url in urls.items())
    rest = [*urls, *plan.symbols, reach] + ([f"--speed {plan.speed:g}"] if plan.speed != 1 else [])
    trades = "" if plan.data is not None and plan.data.suffix != ".feather" else " --trades"
    since = f"--timeframe 1m{trades} --since {format_ns(start)[:19]}"
    print(f"Try: flightstore ingest backfill {' '.join(rest)} {since}")
    print(f"     flightstore ingest live {' '.join(rest)} --timeframe 1m{trades}", flush=True)
