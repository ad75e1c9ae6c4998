"""Reading many series: which ones, which columns, in what order, and what could not be served."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from flightstore_proto import instrument as instruments
from flightstore_proto.errors import (
    BadRequest,
    FlightstoreError,
)
from flightstore_server.engine.aggregates.freshen import Aggregates
from flightstore_server.engine.columns import projected, projection
from flightstore_server.engine.gaps import require_complete
from flightstore_server.engine.names import Names
from flightstore_server.engine.pins import Pin, Pins
from flightstore_server.engine.reads import bounds, read
from flightstore_server.engine.series import Dataset, Series, SeriesView
from flightstore_server.engine.state import State
from flightstore_server.storage.segment.store import SegmentStore


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. `start` and `end` bound a half-open range of ts; None is unbounded."""

    dataset: str
    instruments: Sequence[str]
    timeframe: str = ""
    start: int | None = None
    end: int | None = None
    columns: Sequence[str] = ()
    limit: int = 0
    tail: int = 0
    snapshot: str = ""
    strict: bool = False
    closed: bool = False

    @property
    def is_single(self) -> bool:
        """Whether it names exactly one instrument, without wildcards."""
        return len(self.instruments) == 1 and not instruments.is_pattern(self.instruments[0])


class Selection:
    """The series of a query as of one moment, ready to be read."""

    __slots__ = (
        "_closed_until",
        "_names",
        "_pin",
        "_query",
        "_store",
        "dataset",
        "problems",
        "schema",
        "views",
    )

    def __init__(
        self,
        query: Query,
        dataset: Dataset,
        views: list[SeriesView],
        problems: dict[str, FlightstoreError],
        store: SegmentStore,
        pin: Pin,
        closed_until: dict[int, int],
    ) -> None:
        self.dataset = dataset
        self.views = views
        self.problems = problems
        self._query = query
        self._store = store
        self._pin = pin
        self._closed_until = closed_until
        schema = views[0].schema if views else dataset.schema
        self._names = projection(query.dataset, query.columns, schema)
        self.schema = projected(schema, self._names)

    def rows(self, view: SeriesView) -> Iterator[pa.RecordBatch]:
        """The rows of one of the views, with the columns asked for."""
        query = self._query
        start = -(2**63) if query.start is None else query.start
        end = 2**63 if query.end is None else query.end
        if query.closed and view.series.timeframe is not None:
            end = min(end, self._end_of_closed(view))
        batches = read(view, self._store, start, end, limit=query.limit, tail=query.tail)
        # A generator of this object, so that whoever holds only the rows holds the pin, too.
        for batch in batches:
            yield batch if self._names is None else batch.select(self._names)

    def _end_of_closed(self, view: SeriesView) -> int:
        until, frame = self._closed_until[view.series.id], view.series.timeframe
        # Of bars by count, those before the last one of all are over.
        held = bounds(view, self._store) if frame is not None and frame.count else None
        return until if held is None else max(until, held[1])


class Reader:
    """Answers queries from the present, or from a snapshot."""

    def __init__(
        self,
        state: State,
        pins: Pins,
        snapshot_names: Callable[[str], Names],
        aggregates: Aggregates,
        clock: Callable[[], int],
    ) -> None:
        self._state = state
        self._aggregates = aggregates
        self._pins = pins
        self._snapshot_names = snapshot_names
        self._clock = clock

    def names(self, snapshot: str) -> Names:
        """The series there are now, or in the snapshot of that name."""
        return self._snapshot_names(snapshot) if snapshot else self._state.names

    def select(self, query: Query) -> Selection:
        """The series that `query` names. Raises a BadRequest if none of them can be served."""
        _check(query)
        pin = self._pins.take()  # before the snapshot is looked up: from here on its files stay
        names = self.names(query.snapshot)
        with self._state.lock:
            dataset = names.dataset(query.dataset)
            if query.is_single:
                found = [names.find(query.dataset, query.instruments[0], query.timeframe)]
                problems: dict[str, FlightstoreError] = {}
            else:
                found, problems = names.match(query.dataset, query.instruments, query.timeframe)
            if problems and (query.strict or not found):
                raise next(iter(problems.values()))
            at_once = not query.closed and not any(s.is_stale for s in found)
            views = [s.view() for s in found] if at_once else []
        closed_until: dict[int, int] = {}
        if not at_once:
            if query.closed:
                # First of all: of what counts as over, every row must be in the view.
                closed_until = {s.id: self._aggregates.closed_until(s) for s in found}
            found = self._freshened(query, found, problems)
            views = self._state.view(found)
        selection = Selection(
            query, dataset, views, problems, self._state.segments, pin, closed_until
        )
        if query.strict:
            for view in views:
                require_complete(
                    view, self._state.segments, query.start, query.end, now_ns=self._clock()
                )
        return selection

    def view(self, dataset: str, instrument: str, timeframe: str, snapshot: str) -> SeriesView:
        """One series as of now, or as the snapshot has it. Raises UnknownInstrument."""
        names = self.names(snapshot)
        with self._state.lock:
            names.dataset(dataset)
            found = names.find(dataset, instrument, timeframe)
        self._aggregates.freshen(found)
        with self._state.lock:
            return found.view()

    def _freshened(
        self, query: Query, found: list[Series], problems: dict[str, FlightstoreError]
    ) -> list[Series]:
        """Those of `found` whose rows could be brought up to date; others become problems."""
        low = -(2**63) if query.start is None else query.start
        high = 2**63 if query.end is None else query.end
        kept = []
        for series in found:
            try:
                self._aggregates.freshen(series, low, high)
                kept.append(series)
            except FlightstoreError as error:
                if query.is_single or query.strict:
                    raise
                problems[str(series.instrument)] = error
        return kept


def _check(query: Query) -> None:
    if not query.instruments:
        raise BadRequest("The request names no instrument.")
    if query.limit and query.tail:
        raise BadRequest("limit and tail exclude each other; give one of them.")
