"""Well-known keys of a series' metadata. All values are text, and times are ISO 8601 in UTC.

A series may keep any texts; these are the ones that programs understand. Whoever fills a series
writes them, with `metadata=` of a write or with `describe`. The server reads LISTED, ENDED and
QUIET_BARS, to say why rows are absent; a value it cannot read counts as absent.
"""

from __future__ import annotations

# Where the rows come from.
SOURCE = "source"  # what delivered them, such as ccxt/binance
MARKET_TYPE = "market_type"  # spot, swap, future, option
NATIVE_ID = "native_id"  # the exchange's own name of the market, such as XBTUSD
VOLUME_UNIT = "volume_unit"  # what `volume` counts: base, quote or contracts

# What the exchange does in a bar's time without trades: one of the two values below.
QUIET_BARS = "quiet_bars"
FLAT = "flat"  # it sends a bar without volume, so an absent bar is its own failure
OMITTED = "omitted"  # it sends nothing

# When the market lived.
LISTED = "listed"  # the time of the exchange's first row: it has nothing earlier
LISTED_PROOF = "listed_proof"  # how that is known, in a few words
ENDED = "ended"  # when the market was delisted: it has nothing from then on

# What the server says of bars that it makes, for a rule or for a read.
RULE = "rule"  # the rule's name
DERIVED_FROM = "derived_from"  # what it is computed from, such as candles binance:BTC/USDT 1m
TIMEZONE = "timezone"  # its days, weeks and months begin at midnight there
OFFSET = "offset"  # and so much later
RESAMPLED_FROM = "resampled_from"  # of a read: its bars were made of these, such as candles 1m
FROZEN_BEFORE = "frozen_before"  # earlier bars stay as they are: their base was let go by retention

# What an ingestion service keeps about its own work.
WANTED_FROM = "wanted_from"  # it is configured to keep the series from this time on
ERROR = "error"  # what last went wrong, in a sentence; absent once it goes well again
ERROR_AT = "error_at"  # and when
REQUESTS = "requests"  # how many requests the series has cost so far, as a whole number
