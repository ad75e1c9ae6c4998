"""All measurements, by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bench.figures import Figure
from bench.floors.derived import aggregates, asof, flight_sql, resample, sql
from bench.floors.ingestion import ingest_backfill, ingest_live
from bench.floors.live import live, stuck
from bench.floors.operating import cold, memory, mixed, recovery, replica, start, unit_costs
from bench.floors.reading import (
    latest,
    read_history,
    read_many,
    read_tail,
    same_host,
    training,
    workers,
)
from bench.floors.writing import bulk_puts, small_puts, written_bytes
from bench.session import Session

MEASUREMENTS: Mapping[str, Callable[[Session], Iterator[Figure]]] = {
    "read_history": read_history.run,
    "read_many": read_many.run,
    "read_tail": read_tail.run,
    "latest": latest.run,
    "same_host": same_host.run,
    "workers": workers.run,
    "training": training.run,
    "small_puts": small_puts.run,
    "bulk_puts": bulk_puts.run,
    "written_bytes": written_bytes.run,
    "aggregates": aggregates.run,
    "resample": resample.run,
    "asof": asof.run,
    "sql": sql.run,
    "flight_sql": flight_sql.run,
    "live": live.run,
    "stuck": stuck.run,
    "ingest_backfill": ingest_backfill.run,
    "ingest_live": ingest_live.run,
    "start": start.run,
    "recovery": recovery.run,
    "memory": memory.run,
    "cold": cold.run,
    "unit_costs": unit_costs.run,
    "replica": replica.run,
    "mixed": mixed.run,
}

# What `make bench-quick` watches: what a change of the code could ruin unnoticed, and is steady
# enough in a run of seconds. The others need minutes, or are about seconds and bytes by themselves.
GUARDED = (
    "read_history",
    "read_many",
    "read_tail",
    "latest",
    "same_host",
    "training",
    "small_puts",
    "bulk_puts",
    "aggregates",
    "resample",
    "asof",
    "sql",
    "start",
)
