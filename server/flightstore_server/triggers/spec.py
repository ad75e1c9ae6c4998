"""What the configuration says of one trigger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class TriggerSpec:
    """Which series it is called for, and with which class. `run` is `module:Class`.

    A trigger that the server has not seen before begins with what is committed from `now` on, or
    with the oldest record that the `log` still has.
    """

    name: str
    dataset: str
    instruments: str
    timeframe: str
    run: str
    options: Mapping[str, object] = field(default_factory=dict)
    closed: bool = False
    start: Literal["now", "log"] = "now"
    timeout_seconds: float = 60.0

    @property
    def consumer(self) -> str:
        """Its name among those who follow the log, and that of its position."""
        return f"trigger:{self.name}"
