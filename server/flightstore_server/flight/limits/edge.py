"""What clients may cost the edge. Tests shrink these, so that each limit is met."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """Units are in the names. config/server.toml, [limits], explains each."""

    message_bytes_max: int = 256 * MIB
    request_bytes_max: int = 8 * MIB
    puts_max: int = 256
    gather_bytes_max: int = 512 * MIB
    put_idle_seconds: float = 300.0
    streams_max: int = 256
    memory_bytes_max: int = 0  # 0: three quarters of what the machine, or its control group, has
