"""A simulated exchange in a process of its own.

`python -m bench.floors.ingestion.simulated KIND [numbers]`

candles SERIES BARS              Binance with SERIES markets of BARS one-minute bars each
trades SERIES TRADES             and with TRADES trades each
live SERIES PER_SECOND SECONDS   trades that begin when asked for, on the websocket
"""

from __future__ import annotations

import signal
import sys
import threading

from flightstore_ingest.simulate import Bar, Clock, Market, SimulatedExchange, Tape, Trade, running

MINUTE_NS = 60 * 10**9
TRADE_NS = 50_000_000  # between two trades of a market
# A Monday long ago: the same work whatever day it is.
BEGIN_NS = 1_600_041_600 * 10**9
# How much sooner than the first trade the clock starts: time to connect and subscribe.
LEAD_NS = 15 * 10**9


def symbols(count: int) -> list[str]:
    """The markets' names."""
    return [f"COIN{number:02}/USDT" for number in range(count)]


def _candles(symbol: str, bars: int) -> Tape:
    made = [
        Bar(BEGIN_NS + n * MINUTE_NS, 100.0 + n % 7, 108.5, 99.25, 101.0 + n % 5, 1.5 + n % 11)
        for n in range(bars)
    ]
    return Tape(Market(symbol), bars={"1m": made})


def _trades(symbol: str, trades: int) -> Tape:
    made = [
        Trade(BEGIN_NS + n * TRADE_NS, 1_000 + n, 100.0 + n % 50 / 100, 0.5 + n % 3, 1 - n % 2 * 2)
        for n in range(trades)
    ]
    return Tape(Market(symbol), made)


def _live(symbol: str, number: int, series: int, per_second: int, seconds: int) -> Tape:
    step = series * 10**9 // per_second
    first = BEGIN_NS + LEAD_NS + number * step // series
    made = [
        Trade(first + n * step, 1_000 + n, 100.0 + n % 50 / 100, 0.5 + n % 3, 1 - n % 2 * 2)
        for n in range(per_second * seconds // series)
    ]
    return Tape(Market(symbol), made)


def _exchange(kind: str, numbers: list[int]) -> SimulatedExchange:
    names = symbols(numbers[0])
    if kind == "live":
        tapes = [_live(name, at, *numbers) for at, name in enumerate(names)]
        return SimulatedExchange("binance", tapes, clock=Clock(BEGIN_NS))
    make, rows = (_candles, numbers[1]) if kind == "candles" else (_trades, numbers[1])
    end = BEGIN_NS + rows * (MINUTE_NS if kind == "candles" else TRADE_NS) + 10 * MINUTE_NS
    return SimulatedExchange("binance", [make(name, rows) for name in names], clock=Clock(end))


def main(arguments: list[str]) -> None:
    """Serve until told to stop."""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    with running(_exchange(arguments[0], [int(text) for text in arguments[1:]])) as url:
        print(f"listening on {url}", flush=True)
        stopped.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
