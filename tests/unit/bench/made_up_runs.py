"""Runs with figures that nobody has measured."""

from __future__ import annotations

from bench.peers.results import Result, Run
from bench.peers.standing import FEW, GROWN_READ, HISTORY_PANDAS, MANY, ON_DISK, PUT

MACHINE = "* measured: 2026-01-01 00:00 UTC, load before the run 0.00\n* processor: 2 x slow"
TITLES = {
    "flightstore": "flightstore 1.0",
    "PostgreSQL": "PostgreSQL 15.1",
    "InfluxDB": "InfluxDB 1.6",
    "DuckDB": "DuckDB 2.0",
    "chDB": "chDB",
}


def run(workload: str, *results: Result) -> Run:
    durable = dict.fromkeys(TITLES, "a sync")
    missing = {"chDB": "No module named 'chdb'"}
    return Run(
        workload, f"bench {workload}", MACHINE, dict(TITLES), durable, missing, list(results)
    )


def runs() -> dict[str, Run]:
    """Of workloads with all that a result can have: ways, wrong answers, failures, numbers."""
    history = run(
        "W1",
        Result("W1", HISTORY_PANDAS, "PostgreSQL (ADBC)", [0.6, 0.7, 0.65], verdict="right"),
        Result("W1", HISTORY_PANDAS, "flightstore", [0.02, 0.03, 0.04], verdict="right"),
        Result("W1", HISTORY_PANDAS, "InfluxDB", [3.0], verdict="12 lost"),
    )
    writes = run(
        "W3",
        Result("W3", PUT, "flightstore", [1.0], [0.5], 2**30, "right", 5_000_000),
        Result("W3", PUT, "DuckDB", failed="OutOfMemory: no | memory\nat all"),
        Result("W3", PUT, "InfluxDB", [28.0], verdict="1,234 lost", rows=5_000_000),
    )
    growth = run("W9", Result("W9", GROWN_READ, FEW, [1.0]), Result("W9", GROWN_READ, MANY, [1.5]))
    disk = run("W10", Result("W10", ON_DISK, "flightstore", values={"bars, MB": 61.25}))
    return {"W1": history, "W3": writes, "W9": growth, "W10": disk}
