"""Exchanges through ccxt: one process owns an exchange, and one limiter serves all its series.

source    CcxtSource: what the rest of the service sees
exchange  calls that wait their turn, and fail in our own words
instance  the only module that imports ccxt, and does so late
failures  ccxt's errors, by what to do about them
clock     the exchange's time
addresses other addresses for an exchange
brake     waiting when the exchange says so, and before it has to
profiles  what ccxt does not unify: page sizes, how history is paged, units, streams
markets   symbols and globs to instruments with metadata
candles   history of candles, window by window
trades/   history of trades: one way of paging per kind of exchange
bars      candles from trades, where an exchange has no history of candles
listing   when a market begins
rows      ccxt's lists and dicts as Arrow tables
streams   websockets: a wake-up, and a cache that is emptied here
sockets   which websocket carries which stream
claims    what a stream proves by the ids of its trades
"""

from flightstore_ingest.ccxt_source.source import CcxtSource

__all__ = ["CcxtSource"]
