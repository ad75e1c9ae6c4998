"""Rows of a server by name: what a join reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flightstore._requests import (
    LABELS,
    Instruments,
    choice,
    column_names,
    is_single,
    message,
    names,
    resampling,
)
from flightstore_proto import flightstore_pb2 as pb


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that are stored, named and not yet read: a side of `Client.asof`.

    dataset      candles, trades, or one of your own
    instruments  one name, a pattern (`*` any run of characters, `?` one), or a list of both
    timeframe    of bars: any, as in `Client.candles`; empty for datasets that have none
    columns      names to take; None: all. Of a right side `ts` comes along only if it is named
    label        "close": bars count from their end on and not from their open time
    """

    dataset: str
    instruments: Instruments
    timeframe: str = ""
    columns: str | Sequence[str] | None = None
    label: str = "open"

    @property
    def is_single(self) -> bool:
        """Whether they are of one exact instrument."""
        return is_single(self.instruments)

    @property
    def names_ts(self) -> bool:
        """Whether `ts` is one of the columns named."""
        return "ts" in column_names(self.columns)

    def request(
        self, span: pb.TimeRange | None = None, *, tail: int = 0, snapshot: str | None = None
    ) -> pb.ReadRequest:
        """A request for them. Raises BadRequest for a label that there is not."""
        return message(
            pb.ReadRequest,
            dataset=self.dataset,
            instruments=names(self.instruments),
            timeframe=self.timeframe or "",
            range=span,
            columns=column_names(self.columns),
            tail=tail,
            snapshot=snapshot or "",
            identity=(
                pb.ReadRequest.IDENTITY_AUTO if self.is_single else pb.ReadRequest.IDENTITY_RUNS
            ),
            resample=resampling(None, None, None, always=self.dataset == "candles"),
            label_close=choice("label", self.label, LABELS) == "close",
        )
