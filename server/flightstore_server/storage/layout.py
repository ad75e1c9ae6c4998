"""Names: where everything lies inside a data directory. The only module that knows them.

    LOCK                                    held while a server runs
    catalog.sqlite                          which series and segments exist
    replica.json                            of a replica: whose it is, until it is promoted
    tokens.json, tokens.lock                who may do what, and held while that is changed
    scrub.json                              how far the background check of segments has come
    log/<first LSN>.log                     the write-ahead log
    tmp/<segment id>.arrow                  segments being written
    tmp/<segment id>.fetched                segments that a replica is fetching
    tmp/sql/                                what SQL queries have no memory for
    damaged/                                what `flightstore repair` took out, under its old names
    segments/dataset=candles/exchange=binance/symbol=BTC%2FUSDT/timeframe=1m/2024-17.arrow

The segment folders are Hive style, so polars, DuckDB or pyarrow read a directory without the
server.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from flightstore_proto.instrument import Instrument

LOCK = "LOCK"
CATALOG = "catalog.sqlite"
LOG_DIR = "log"
TMP_DIR = "tmp"
SPILL_DIR = f"{TMP_DIR}/sql"
SEGMENTS_DIR = "segments"
DAMAGED_DIR = "damaged"
SALVAGED_LOG = f"{TMP_DIR}/salvaged.log"
REPLICA = "replica.json"
REPLICA_UNFINISHED = f"{TMP_DIR}/{REPLICA}"
TOKENS = "tokens.json"
TOKENS_LOCK = "tokens.lock"
TOKENS_UNFINISHED = f"{TMP_DIR}/{TOKENS}"
SCRUB = "scrub.json"
SCRUB_UNFINISHED = f"{TMP_DIR}/{SCRUB}"
CATALOG_COPY = f"{TMP_DIR}/{CATALOG}"
# SQLite's own companions of the catalog.
CATALOG_FILES = (CATALOG, CATALOG + "-wal", CATALOG + "-shm")
_LOG_SUFFIX = ".log"
_FETCHED_SUFFIX = ".fetched"


def log_file(first_lsn: int) -> str:
    """The log file whose first record is `first_lsn`; names sort as their numbers do."""
    return f"{LOG_DIR}/{first_lsn:020}{_LOG_SUFFIX}"


def log_first_lsn(file: str) -> int | None:
    """The first LSN of the log file called `file` (without folder), or None if it is not one."""
    stem = file.removesuffix(_LOG_SUFFIX)
    return (
        int(stem) if file.endswith(_LOG_SUFFIX) and stem.isdecimal() and len(stem) == 20 else None
    )


def temporary(segment_id: int) -> str:
    return f"{TMP_DIR}/{segment_id}.arrow"


def fetched(segment_id: int) -> str:
    return f"{TMP_DIR}/{segment_id}{_FETCHED_SUFFIX}"


def is_fetched(file: str) -> bool:
    """Whether the file called `file` (without folder) is a segment that was being fetched."""
    return file.endswith(_FETCHED_SUFFIX)


def is_segment(file: str) -> bool:
    """Whether `file` is a name that segment_file() makes: none that leaves the folder, say."""
    parts = file.split("/")
    keyed = len(parts) > 2 and all("=" in part for part in parts[1:-1])
    return parts[0] == SEGMENTS_DIR and keyed and segment_id(file) is not None


def series_dir(dataset: str, instrument: Instrument, timeframe: str) -> str:
    """The folder of one series. Every part is percent-encoded, so no name can leave the root."""
    parts = [
        SEGMENTS_DIR,
        f"dataset={_encoded(dataset)}",
        f"exchange={_encoded(instrument.exchange)}",
        f"symbol={_encoded(instrument.symbol)}",
    ]
    if timeframe:
        parts.append(f"timeframe={_encoded(timeframe)}")
    return "/".join(parts)


def segment_file(folder: str, period: str, segment_id: int) -> str:
    return f"{folder}/{period}-{segment_id}.arrow"


def damaged(name: str, number: int) -> str:
    """Where `name` is kept once it is damaged; `number` tells repeated finds apart."""
    return f"{DAMAGED_DIR}/{number}/{name}"


def period_of(file: str) -> str:
    """The period in a segment's file name."""
    return file.rpartition("/")[2].rpartition("-")[0]


def segment_id(file: str) -> int | None:
    """The id in a segment's file name, or None if the name is not a segment's."""
    stem, _, suffix = file.rpartition(".")
    number = stem.rpartition("-")[2]
    return int(number) if suffix == "arrow" and number.isdecimal() else None


@lru_cache(maxsize=4_096)  # most parts of most paths are the same, and a flush writes thousands
def _encoded(text: str) -> str:
    # quote() leaves '.' alone; a part is never only dots because it always has its key in front.
    return quote(text, safe="")
