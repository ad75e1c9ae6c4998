"""Datasets and series as the engine holds them in memory.

A series' parts (segments, memtables, coverage) are immutable values that are replaced, never
changed, so a reader's view is a handful of references taken under the state lock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from flightstore_proto import timeframe as timeframes
from flightstore_proto.instrument import Instrument
from flightstore_proto.intervals import EMPTY, IntervalSet
from flightstore_proto.timeframe import Timeframe
from flightstore_server.engine.memtable import Memtable, MemtableView
from flightstore_server.engine.periods import unit_of
from flightstore_server.storage.segment.segment import Segment
from flightstore_server.storage.segment.trailer import SeriesIdentity

if TYPE_CHECKING:
    from flightstore_server.engine.aggregates.derived import Derived

Segments = tuple[Segment, ...]


@dataclass(slots=True)
class Dataset:
    """A table's worth of series: one schema (columns may be added), one kind of key."""

    id: int
    name: str
    schema: pa.Schema
    key_has_id: bool


@dataclass(slots=True, eq=False)
class Series:
    """One series: its words, and its present parts."""

    id: int
    dataset: Dataset
    instrument: Instrument
    timeframe: Timeframe | None
    free_grid: bool
    metadata: dict[str, str] = field(default_factory=dict)
    segments: Segments = ()  # rising by max_lsn
    memory: tuple[Memtable, ...] = ()  # oldest first; the last one takes appends unless sealed
    sealed: int = 0  # how many of `memory` take no more appends
    coverage: IntervalSet = EMPTY
    derived: Derived | None = None  # if a rule keeps it
    dependents: tuple[Series, ...] = ()  # what is derived from it, directly or through others
    version: int = 0  # how often its rows or its coverage have changed; a flush changes neither

    @property
    def timeframe_text(self) -> str:
        return "" if self.timeframe is None else self.timeframe.text

    @property
    def unit(self) -> str:
        """The calendar period of its segments."""
        return unit_of(self.timeframe)

    @property
    def identity(self) -> SeriesIdentity:
        """What its segment files say of it."""
        return SeriesIdentity(
            self.id,
            self.dataset.id,
            self.dataset.name,
            self.dataset.key_has_id,
            str(self.instrument),
            self.timeframe_text,
            self.free_grid,
        )

    def __str__(self) -> str:
        words = [self.dataset.name, str(self.instrument), self.timeframe_text]
        return " ".join(word for word in words if word)

    def view(self) -> SeriesView:
        """What the series holds now. The caller holds the state lock."""
        memory = tuple([m.view() for m in self.memory]) if self.memory else ()
        return SeriesView(self, self.dataset.schema, self.segments, memory, self.covered())

    @property
    def is_stale(self) -> bool:
        """Whether a rule keeps it and has windows of it to compute. Under the state lock."""
        return self.derived is not None and not self.derived.is_current

    def covered(self) -> IntervalSet:
        """The ranges that are known complete."""
        return self.coverage if self.derived is None else self.derived.coverage()


@dataclass(frozen=True, slots=True)
class SeriesView:
    """A series as it stood at one moment."""

    series: Series
    schema: pa.Schema
    segments: Segments
    memory: tuple[MemtableView, ...]
    coverage: IntervalSet


def parse_timeframe(text: str) -> Timeframe | None:
    """The timeframe called `text`; None for the empty one of datasets without bars."""
    return timeframes.parse(text) if text else None
