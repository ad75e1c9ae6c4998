"""What SQL may cost."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class SqlLimits:
    """Units are in the names. config.py reads them from [sql] in server.toml."""

    memory_bytes_max: int = 1024 * MIB  # of all queries together
    spill_bytes_max: int = 8192 * MIB
    seconds_max: float = 120.0
    queries_max: int = 8
    result_bytes_max: int = 4096 * MIB  # of one answer
    threads: int = 0  # 0: as many as the machine has cores
