"""Says when unusually much is traded. Made to be copied: a trigger need not be longer than this.

[[triggers]]
name = "volume"
on = "candles/*/5m"
closed = true
run = "flightstore_server.triggers.volume_alert:VolumeAlert"
options = {factor = 5.0, window = 100, file = "alerts.txt"}
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from flightstore_server.triggers import Trigger, TriggerBatch

log = logging.getLogger(__name__)


class VolumeAlert(Trigger):
    """Compares each bar's volume, or each trade's amount, with the average of those before it.

    Options: `factor` (5.0) times the average is unusual; the average is that of the last `window`
    (100) bars or trades of the instrument, and nothing is unusual before there are so many; each
    alert is a warning in the server's log, and a line at the end of `file` if one is given.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.factor = float(options.get("factor", 5.0))
        self.window = int(options.get("window", 100))
        self.file = Path(options["file"]) if "file" in options else None
        self.recent: dict[str, deque[float]] = {}
        self.seen: dict[str, int] = {}

    def on_batch(self, batch: TriggerBatch) -> None:
        if batch.deleted is not None or not batch.rows.num_rows:
            return
        name, rows = batch.instrument, batch.frame
        # The same rows may come again, and corrections of old ones: only what is later counts.
        ns = pl.col("ts").to_physical().alias("ns")
        rows = rows.with_columns(ns).filter(ns > self.seen.get(name, -(2**63)))
        recent = self.recent.setdefault(name, deque(maxlen=self.window))
        volume = "volume" if "volume" in rows.columns else "amount"
        for at, ts, value in rows.select("ns", "ts", volume).iter_rows():
            usual = sum(recent) / self.window
            if len(recent) == self.window and value > self.factor * usual:
                self.alert(f"{ts:%Y-%m-%d %H:%M:%S} {name}: {value:g}, usually {usual:g}")
            recent.append(value)
            self.seen[name] = at

    def alert(self, text: str) -> None:
        log.warning("%s", text)
        if self.file is not None:
            with self.file.open("a") as file:
                file.write(text + "\n")
