"""flightstore: market data of many exchanges, read over Arrow Flight.

    import flightstore as fs

    db = fs.connect("grpc://data01:8815")               # or $FLIGHTSTORE_URI
    db.series("binance:*/USDT")                         # what is there
    btc = db.candles("binance:BTC/USDT", "1m", "2024-01-01", "2024-02-01")
    px = db.candles("binance:*/USDT", "1h", "-90d", columns=["close"], layout="wide")
    for batch in db.live("binance:*/USDT", "1m", "-1h"): ...   # and what comes, as it comes
    db.gaps("binance:BTC/USDT", "1m", "2024")           # what is missing, and why
    db.write("mylab:BTC/USDT", btc, timeframe="1m", covers=("2024-01-01", "2024-02-01"))

Frames are polars' unless `output` says "pandas" or "arrow". Times are UTC, ranges are [start, end).
Every error is a FlightstoreError. `fs.aio` has the same for an event loop.
"""

from flightstore import aio
from flightstore._acks import PendingAck, WriteAck
from flightstore._answers import (
    BackupResult,
    CompactResult,
    Consumer,
    Health,
    Snapshot,
    Status,
    SyncResult,
    VerifyProgress,
)
from flightstore._batches import Batches
from flightstore._client import Client, connect
from flightstore._config import Retry, Timeout, Tls
from flightstore._layouts import Frames
from flightstore._live.batch import Deleted, LiveBatch
from flightstore._live.iterator import Live
from flightstore._live.selection import Selection
from flightstore._named_rows import Rows
from flightstore._parts.part import Part
from flightstore._reading import PartialReadWarning
from flightstore._rules import Rule, Rules
from flightstore._sweeps.sweep import sweep
from flightstore._windows.windows import Windows
from flightstore._writer import Writer
from flightstore_proto.errors import (
    BadInstrument,
    BadRange,
    BadRequest,
    BadTimeframe,
    CommitMismatch,
    ConfigError,
    Corrupt,
    DataDirError,
    DeadlineExceeded,
    DerivedSeries,
    FlightstoreError,
    InternalError,
    InvalidRows,
    Lagged,
    MissingCoverage,
    MissingExtra,
    Overloaded,
    PartialRead,
    Poisoned,
    ReadOnly,
    RuleConflict,
    SchemaMismatch,
    StrategyFailed,
    Unauthorized,
    Unavailable,
    UnknownAction,
    UnknownColumn,
    UnknownDataset,
    UnknownInstrument,
    UnknownRule,
    UnknownSnapshot,
)

__all__ = [
    # connecting
    "connect",
    "Client",
    "Timeout",
    "Retry",
    "Tls",
    "aio",
    # reading
    "Batches",
    "Frames",
    "Rows",
    "PartialReadWarning",
    # training
    "Windows",
    # backtests
    "Part",
    "sweep",
    # following
    "Live",
    "LiveBatch",
    "Deleted",
    "Selection",
    # writing
    "Writer",
    "WriteAck",
    "PendingAck",
    # derived series
    "Rules",
    "Rule",
    # what the server answers
    "Health",
    "Status",
    "Consumer",
    "SyncResult",
    "Snapshot",
    "CompactResult",
    "VerifyProgress",
    "BackupResult",
    # errors
    "FlightstoreError",
    "BadRequest",
    "BadInstrument",
    "BadTimeframe",
    "BadRange",
    "UnknownInstrument",
    "UnknownDataset",
    "UnknownColumn",
    "UnknownSnapshot",
    "UnknownAction",
    "SchemaMismatch",
    "InvalidRows",
    "CommitMismatch",
    "DerivedSeries",
    "RuleConflict",
    "UnknownRule",
    "MissingCoverage",
    "PartialRead",
    "Corrupt",
    "Poisoned",
    "ReadOnly",
    "Overloaded",
    "Lagged",
    "Unauthorized",
    "Unavailable",
    "DeadlineExceeded",
    "ConfigError",
    "DataDirError",
    "MissingExtra",
    "StrategyFailed",
    "InternalError",
]

# Tracebacks and help() name what users import, not the file it happens to live in.
for _name in __all__:
    if _name != "aio":
        globals()[_name].__module__ = "flightstore"
del _name
