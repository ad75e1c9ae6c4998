"""A part of a read: a value that any process can hold, send, and read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flightstore._batches import Batches
from flightstore._config import Endpoint
from flightstore._frames import Frame
from flightstore._parts.shared import shared_reads
from flightstore._reads import Reads


@dataclass(frozen=True, slots=True, repr=False)
class Part:
    """One part of a read that `Client.plan` has cut up; picklable, and read by whoever has it.

    instruments  whose rows it has, in the order of the rows
    start, end   the half-open range as ISO text, None where it is unbounded
    rows         about how many: whoever shares out work needs no more
    options      the other keywords of the read
    single       whether one exact name was asked for, so that rows do not say whose they are

    A process reads all its parts over one connection. It is made at the first one, with the
    address, the token and the options of the client that made the plan: a pickled part holds the
    token.
    """

    endpoint: Endpoint
    dataset: str
    instruments: tuple[str, ...]
    timeframe: str
    start: str | None
    end: str | None
    rows: int
    options: Mapping[str, Any] = field(hash=False)
    single: bool = False

    @property
    def uri(self) -> str:
        """The server's address."""
        return self.endpoint.uri

    def read(self, output: str = "polars", layout: str = "long") -> Frame:
        """The rows as one frame; `output` and `layout` as in `Client.read`."""
        return self.read_by(shared_reads(self.endpoint), output=output, layout=layout)

    def read_by(self, reads: Reads, **options: Any) -> Frame:
        """`read` by a client that is there already; `options` go before the part's own."""
        chosen: dict[str, Any] = {**self.options, **options}
        if self.dataset == "candles":
            return reads.candles(self._names, self.timeframe, self.start, self.end, **chosen)
        return reads.read(self.dataset, self._names, self.timeframe, self.start, self.end, **chosen)

    def batches(self) -> Batches:
        """The rows as record batches, in bounded memory; their times are UTC."""
        options = {name: value for name, value in self.options.items() if name != "tz"}
        return shared_reads(self.endpoint).batches(
            self._names, self.timeframe, self.start, self.end, dataset=self.dataset, **options
        )

    @property
    def _names(self) -> str | list[str]:
        return self.instruments[0] if self.single else list(self.instruments)

    def __repr__(self) -> str:
        what = " ".join(filter(None, [self.dataset, self.timeframe]))
        first, last = self.instruments[0], self.instruments[-1]
        many = f" to {last} ({len(self.instruments)} instruments)" if first != last else ""
        start, end = self.start or "the beginning", self.end or "the end"
        return (
            f"<flightstore.Part {what} of {first}{many}, from {start} to {end}, "
            f"about {self.rows:,} rows, at {self.uri}>"
        )
