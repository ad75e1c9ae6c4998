"""Server configurations under which rare things are common."""

from __future__ import annotations

import random

from tests.support.server_process import toml


def small(rng: random.Random, *, followed: bool, token: str = "") -> str:
    """Limits so small that flushes, compactions and new log files happen all the time.

    A follower needs the log of the time it was away (deletes cannot be had from anywhere else), and
    a replica the secret `token` as well.
    """
    kept = {"keep_bytes": 2**26, "keep_seconds": 3_600} if followed else {"keep_bytes": 0}
    return toml(
        {
            "log": {"file_bytes": rng.choice([4_096, 65_536]), "keep_seconds": 0} | kept,
            "flush": {"records": rng.choice([10, 100, 1_000]), "memory_bytes": 50_000},
            "segments": {
                "bulk_put_bytes_min": rng.choice([20_000, 262_144]),
                "rows_max": rng.choice([500, 5_000]),
                "compact_segments_min": rng.choice([2, 4]),
                "compact_small_rows": 1_000,
                "cold_age_days": rng.choice([0.0, 1.0]),
            },
            "replication": {"token": token},
        }
    )
