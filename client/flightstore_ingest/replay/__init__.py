"""Recorded files, played as if they were live.

settings   the keys of [exchange.NAME.settings]
finding    the files a folder holds, by the pattern of their names
reading    a file of any layout that `flightstore import` takes, as a recording
recording  rows in order of time, as the pages and the live rows of a source
clock      time as it went by in the recording, N times as fast
source     ReplaySource: all of it as a `flightstore_ingest.Source`

[exchange.myvendor]
source = "replay"
keep = [{symbols = ["*"], candles = ["1m"], since = "2019-10"}]

[exchange.myvendor.settings]
files = {"ETH/USD" = "ETHUSD_1m_2019Q4.csv.xz"}
speed = 60
start = "2019-11-01"
"""

from flightstore_ingest.replay.source import ReplaySource

__all__ = ["ReplaySource"]
