"""Who takes part, and where each is found. A contestant is loaded only in its own process."""

from __future__ import annotations

from importlib import import_module

from bench.peers.contestant import Contestant

CONTESTANTS = {
    "flightstore": "bench.peers.contestants.flightstore:Flightstore",
    "PostgreSQL": "bench.peers.contestants.postgresql:PostgreSQL",
    "InfluxDB": "bench.peers.contestants.influxdb:InfluxDB",
    "ArcticDB": "bench.peers.contestants.arcticdb:ArcticDB",
    "DuckDB": "bench.peers.contestants.duckdb:DuckDB",
    "chDB": "bench.peers.contestants.chdb:ChDB",
    "Feather": "bench.peers.contestants.feather:Feather",
    "bare Flight": "bench.peers.contestants.bare_flight:BareFlight",
    "floor": "bench.peers.contestants.floor:Floor",
}


def load(name: str) -> Contestant:
    """The contestant of that name, or of a place like those above. Raises ImportError."""
    module, _, kind = CONTESTANTS.get(name, name).partition(":")
    contestant: Contestant = getattr(import_module(module), kind)()
    return contestant
