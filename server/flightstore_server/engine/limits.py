"""Every size, count and age the engine obeys. Tests shrink them, so that rare paths are common."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Units are in the names. config.py reads them from server.toml, where each is explained."""

    put_bytes_max: int = 64 * MIB
    bulk_put_bytes_min: int = 4 * MIB
    bulk_run_bytes_min: int = 256 * 1024  # per series; below, a file of its own is not worth it
    memtable_bytes_max: int = 256 * MIB
    flush_bytes: int = 64 * MIB
    flush_records: int = 250_000
    flush_age_seconds: float = 6 * 3600.0
    log_file_bytes: int = 64 * MIB
    log_keep_bytes: int = 256 * MIB
    log_keep_seconds: float = 24 * 3600.0
    segment_rows_max: int = 1 << 20
    segment_maps_max: int = 32_768
    compact_segments_min: int = 8
    compact_small_rows: int = 65_536
    cold_age_days: float = 0.0  # 0: segments are never compressed
    put_wait_seconds: float = 60.0
    remembered_puts: int = 100_000
    series_max: int = 1_000_000
    group_bytes_max: int = 16 * MIB
    log_hold_bytes: int = 1024 * MIB  # log kept for consumers whose positions are stored
    feed_bytes_max: int = 32 * MIB
    subscribers_max: int = 256
    coalesce_seconds: float = 0.002
