"""Why rows are absent from a range, in the words that `gaps` answers with.

Of these only NOT_FETCHED can be mended by fetching. Which one holds is decided in this order:

    BEFORE_LISTING   the series' metadata say when it was listed, and the range lies before
    AFTER_DELISTING  they say when it ended, and the range lies after
    NOT_FETCHED      the range is not covered: nobody has said that the rows do not exist
    OUTAGE           covered, and the exchange sends bars for quiet times, too (metadata
                     quiet_bars = flat): it was down, or has lost them
    LIKELY_OUTAGE    covered, and too long for chance: a run of n >= 30 absent bars, where p to the
                     power of n is below 1e-30. p is the share of absent bars around it: in the run
                     and in up to 10,000 points on either side that were asked about and are known
    NO_TRADES        covered, and short enough to be nothing but a quiet market
"""

from __future__ import annotations

NOT_FETCHED = "not fetched"
BEFORE_LISTING = "before listing"
AFTER_DELISTING = "after delisting"
OUTAGE = "exchange outage"
LIKELY_OUTAGE = "likely an outage"
NO_TRADES = "no trades"

REASONS = (NOT_FETCHED, BEFORE_LISTING, AFTER_DELISTING, OUTAGE, LIKELY_OUTAGE, NO_TRADES)
