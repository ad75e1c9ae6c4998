"""What to follow: rows of a dataset, as they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flightstore._requests import Instruments, column_names, is_single, message, names, window
from flightstore_proto import flightstore_pb2 as pb


@dataclass(frozen=True)
class Selection:
    """One of the things that `Client.live_many` follows; arguments as in `Client.live`."""

    instruments: Instruments
    timeframe: str = ""
    start: Any = None
    dataset: str = "candles"
    columns: str | Sequence[str] | None = None
    closed: bool = False
    after_lsn: int | None = None

    @property
    def is_single(self) -> bool:
        """Whether it is one exact name, whose rows need not say whose they are."""
        return is_single(self.instruments)

    def request(self) -> pb.SubscribeRequest:
        """As a message; relative times are taken as of now."""
        found = message(
            pb.SubscribeRequest,
            dataset=self.dataset,
            instruments=names(self.instruments),
            timeframe=self.timeframe or "",
            columns=column_names(self.columns),
            after_lsn=self.after_lsn,
            closed=self.closed,
        )
        since = window(self.start, None)
        if since.HasField("start"):
            found.start = since.start
        return found
