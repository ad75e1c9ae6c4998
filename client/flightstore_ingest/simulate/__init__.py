"""A simulated exchange on loopback, for tests and demonstrations.

It answers REST requests and websockets in the formats of real exchanges, from a record of trades
and bars that is its own truth, by a clock that may be fast. Everything that goes wrong with
exchanges can be made to go wrong here, and what it was asked is logged.

    tape = seeded(Market("BTC/USDT"), start_ns, end_ns, seed=1)
    exchange = SimulatedExchange("binance", [tape], clock=Clock(start_ns, speed=600))
    with running(exchange) as url:
        ...
    tape.bar_table("1m")  # what a client should have by now
"""

from flightstore_ingest.simulate.clock import Clock
from flightstore_ingest.simulate.columns import Bar, Trade
from flightstore_ingest.simulate.exchange import SimulatedExchange
from flightstore_ingest.simulate.faults import Fault, Faults, random_faults
from flightstore_ingest.simulate.limits import Limit
from flightstore_ingest.simulate.requests import Request, RequestLog
from flightstore_ingest.simulate.seeded import seeded
from flightstore_ingest.simulate.serving import running, serve
from flightstore_ingest.simulate.tape import Market, Tape
from flightstore_ingest.simulate.wires import EXCHANGES

__all__ = [
    "EXCHANGES",
    "Bar",
    "Clock",
    "Fault",
    "Faults",
    "Limit",
    "Market",
    "Request",
    "RequestLog",
    "SimulatedExchange",
    "Tape",
    "Trade",
    "random_faults",
    "running",
    "seeded",
    "serve",
]
