"""Which series somebody follows, and which of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from flightstore_proto import instrument as instruments
from flightstore_proto.errors import BadRequest
from flightstore_server.access.grants import EVERYTHING, Scope
from flightstore_server.engine.columns import projected, projection
from flightstore_server.engine.series import Dataset, Series, parse_timeframe
from flightstore_server.storage.rows import widen


@dataclass(frozen=True, slots=True)
class Selector:
    """Series by exact names or patterns, which may match nothing yet, as far as `scope` reaches.

    With `closed`, bars of derived series only once they are over.
    """

    dataset: str
    instruments: Sequence[str]
    timeframe: str = ""
    columns: Sequence[str] = ()
    closed: bool = False
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        # Equal selections share their work, so they are keys of a table.
        object.__setattr__(self, "instruments", tuple(self.instruments))
        object.__setattr__(self, "columns", tuple(self.columns))

    def __str__(self) -> str:
        names = ",".join(self.instruments[:3]) + (",…" if len(self.instruments) > 3 else "")
        return " ".join(filter(None, [self.dataset, names, self.timeframe]))


class Wanted:
    """The instruments of a selector, ready to be compared with."""

    def __init__(self, selector: Selector) -> None:
        """Raises a BadRequest if a name or the timeframe could not be any series'."""
        if not selector.instruments:
            raise BadRequest("The request names no instrument.")
        parse_timeframe(selector.timeframe)
        exact = [name for name in selector.instruments if not instruments.is_pattern(name)]
        self._words = (selector.dataset, selector.timeframe)
        self._scope = selector.scope
        self._exact = frozenset(str(instruments.parse(name)) for name in exact)
        for name in self._exact:
            self._scope.check(selector.dataset, name)
        self._patterns = [
            instruments.pattern(name) for name in selector.instruments if name not in self._exact
        ]

    def match(self, series: Series) -> bool:
        """Whether `series` is one of them."""
        if (series.dataset.name, series.timeframe_text) != self._words:
            return False
        name = str(series.instrument)
        if name not in self._exact and not any(p.fullmatch(name) for p in self._patterns):
            return False
        return self._scope.has(series.dataset.name, name)


class Columns:
    """The columns of a selector as the dataset has them at one time; it may gain others later."""

    def __init__(self, selector: Selector, dataset: Dataset) -> None:
        """Raises UnknownColumn with near names."""
        self._all = dataset.schema
        self._names = projection(selector.dataset, selector.columns, self._all)
        self.schema = projected(self._all, self._names)

    def all_of(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`batch` with the dataset's columns, whenever it was written."""
        if batch.num_columns > len(self._all):
            return batch.select(self._all.names)
        return widen(batch, self._all)

    def project(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Only what was asked for of a batch with all columns."""
        return batch if self._names is None else batch.select(self._names)
