"""The exchanges that can be simulated."""

from __future__ import annotations

from collections.abc import Callable

from flightstore_ingest.simulate.binance import Binance
from flightstore_ingest.simulate.bitfinex import Bitfinex
from flightstore_ingest.simulate.coinbase import Coinbase
from flightstore_ingest.simulate.kraken import Kraken
from flightstore_ingest.simulate.okx import Okx
from flightstore_ingest.simulate.wire import Wire

_WIRES: dict[str, Callable[[], Wire]] = {
    "binance": Binance,
    "kraken": Kraken,
    "coinbaseexchange": Coinbase,
    "okx": Okx,
    "bitfinex": Bitfinex,
}
# ccxt's ids.
EXCHANGES = tuple(_WIRES)


def wire_of(name: str) -> Wire:
    """The formats of exchange `name`. Raises ValueError for one that is not simulated."""
    if name not in _WIRES:
        raise ValueError(f"{name!r} is not simulated: take one of {', '.join(EXCHANGES)}.")
    return _WIRES[name]()
