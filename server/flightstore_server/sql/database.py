"""DuckDB, locked down: it reads no files, loads nothing, and cannot be told otherwise."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb

from flightstore_server.sql.limits import MIB, SqlLimits
from flightstore_server.sql.plans import OPTIMIZERS, Standing

Settings = dict[str, str | bool | int]
_FIXED: Settings = {
    "python_enable_replacements": False,  # or a query could name variables of this process
    "allow_community_extensions": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "asof_loop_join_threshold": 0,  # a nested loop takes minutes where the join takes a moment
    "pin_threads": "off",  # other threads of this process need the cores, too
}
# What Grafana's Flight SQL plug-in writes for its time buckets.
_DATE_BIN = (
    "CREATE MACRO date_bin(width, moment, origin := TIMESTAMPTZ '1970-01-01 00:00:00+00') AS "
    "time_bucket(width, moment, CAST(origin AS TIMESTAMPTZ))"
)


class Databases:
    """Two databases in memory: one that answers, and one that only plans (see plans.py)."""

    def __init__(self, limits: SqlLimits, spill: Path) -> None:
        self._limits = limits
        self._spill = spill
        self._lock = threading.Lock()
        self._open()

    def _open(self) -> None:
        limits = self._limits
        sizes: Settings = {
            "memory_limit": f"{limits.memory_bytes_max}B",
            "max_temp_directory_size": f"{limits.spill_bytes_max}B",
            "temp_directory": str(self._spill),
            "max_execution_time": int(1000 * limits.seconds_max) + 1000,  # should the watch fail
            **({"threads": limits.threads} if limits.threads else {}),
        }
        self.answering = _opened({**_FIXED, **sizes})
        _lock_down(self.answering)
        # Enough for any plan; nothing is ever in its tables.
        self.planning = _opened({**_FIXED, "memory_limit": f"{64 * MIB}B", "temp_directory": ""})
        known = self.planning.execute("SELECT name FROM duckdb_optimizers()").fetchall()
        off = ",".join(name for (name,) in known if name not in OPTIMIZERS)
        self.planning.execute(f"SET disabled_optimizers = '{off}'")
        _lock_down(self.planning)
        self.standing = Standing(self.planning)

    def replace(self) -> None:
        """Begin anew: a DuckDB that met a defect of its own answers nothing any more.

        What still uses the old ones keeps them until it ends.
        """
        with self._lock:
            self._open()

    def close(self) -> None:
        self.answering.close()
        self.planning.close()


def _opened(settings: Settings) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(config=settings)
    database.execute("SET GLOBAL TimeZone = 'UTC'")
    database.execute(_DATE_BIN)
    return database


def _lock_down(database: duckdb.DuckDBPyConnection) -> None:
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")
