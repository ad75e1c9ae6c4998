"""Reading many series: which ones, which columns, in what order, and what could not be served."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa

from flightstore_proto import instrument as instruments
from flightstore_proto.errors import (
    BadRequest,
    FlightstoreError,
)
from flightstore_server.access.grants import EVERYTHING, Scope
from flightstore_server.engine.aggregates.freshen import Aggregates
from flightstore_server.engine.columns import projected, projection
from flightstore_server.engine.gaps import require_complete
from flightstore_server.engine.names import Names
from flightstore_server.engine.pins import Pin, Pins
from flightstore_server.engine.reads import bounds, pieces_of, read
from flightstore_server.engine.resampling.asked import Fill, Resample
from flightstore_server.engine.resampling.grids import require_grid
from flightstore_server.engine.resampling.made import MadeView
from flightstore_server.engine.resampling.shaping import FILL, LABEL, Shaping, filled_schema
from flightstore_server.engine.resampling.sources import Found, Sources
from flightstore_server.engine.runs import Piece
from flightstore_server.engine.series import Dataset, SeriesView
from flightstore_server.engine.state import State
from flightstore_server.storage.segment.store import SegmentStore

_SNAPSHOTS_KEPT = 4


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
    resample: Resample | None = None
    fill: Fill | None = None
    label_close: bool = False

    @property
    def is_shaped(self) -> bool:
        """Whether rows are not handed out as they are stored, even of stored series."""
        return self.fill is not None or self.label_close

    @property
    def is_single(self) -> bool:
        """Whether it names exactly one instrument, without wildcards."""
        return len(self.instruments) == 1 and not instruments.is_pattern(self.instruments[0])


class Selection:
    """The series of a query as of one moment, ready to be read.

    `is_stored` says whether its rows are those of its views, and not made or changed on the way.
    """

    __slots__ = (
        "_closed_until",
        "_names",
        "_pin",
        "_query",
        "_store",
        "dataset",
        "is_stored",
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
        self.is_stored = not query.is_shaped and not any(isinstance(v, MadeView) for v in views)
        schema = filled_schema(views[0].schema if views else dataset.schema, query.fill)
        self._names = projection(query.dataset, query.columns, schema)
        self.schema = projected(schema, self._names)

    def rows(self, view: SeriesView) -> Iterator[pa.RecordBatch]:
        """The rows of one of the views, with the columns asked for."""
        query, (start, end) = self._query, self._range(view)
        if self.is_stored:
            batches = read(view, self._store, start, end, limit=query.limit, tail=query.tail)
        else:
            batches = self._shaped(view, start, end)
        # A generator of this object, so that whoever holds only the rows holds the pin, too.
        for batch in batches:
            yield batch if self._names is None else batch.select(self._names)

    def _shaped(self, view: SeriesView, start: int, end: int) -> Iterator[pa.RecordBatch]:
        query = self._query
        closed_until = self._closed_until.get(view.series.id)
        shaping = Shaping(view, self._store, closed_until, self._names)
        return shaping.rows(
            start, end, query.limit, query.tail, query.fill, label_close=query.label_close
        )

    def between(
        self, view: SeriesView, start: int, end: int, *, tail: int = 0
    ) -> Iterator[pa.RecordBatch]:
        """The rows of one of the views in [start, end), whatever range was asked for; 0: all."""
        closed_until = self._closed_until.get(view.series.id)
        shaping = Shaping(view, self._store, closed_until, self._names)
        label_close = self._query.label_close
        for batch in shaping.rows(start, end, 0, tail, None, label_close=label_close):
            yield batch if self._names is None else batch.select(self._names)

    def pieces(self, view: SeriesView) -> list[Piece]:
        """What is read of one of the views, with every column, before `limit` and `tail`."""
        return pieces_of(view, self._store, *self._range(view))

    def _range(self, view: SeriesView) -> tuple[int, int]:
        query = self._query
        start = -(2**63) if query.start is None else query.start
        end = 2**63 if query.end is None else query.end
        if query.closed and view.series.timeframe is not None and not isinstance(view, MadeView):
            end = min(end, self._end_of_closed(view))
        return start, end

    def _end_of_closed(self, view: SeriesView) -> int:
        until, frame = self._closed_until[view.series.id], view.series.timeframe
        # Of bars by count, those before the last one of all are over.
        held = bounds(view, self._store) if frame is not None and frame.count else None
        return until if held is None else max(until, held[1])


class Reader:
    """Answers queries from the present, or from a snapshot, as far as its scope reaches.

    Whoever reads for a caller reads with within(): every name is looked up through names().
    """

    def __init__(
        self,
        state: State,
        pins: Pins,
        snapshot_names: Callable[[str], Names],
        aggregates: Aggregates,
        clock: Callable[[], int],
        scope: Scope = EVERYTHING,
    ) -> None:
        self.scope = scope
        self._state = state
        self._aggregates = aggregates
        self._pins = pins
        self._snapshot_names = snapshot_names
        self._clock = clock
        # Of a part of the names, so that it need not be searched for each time.
        self._present: Names | None = None
        self._pinned: deque[Names] = deque(maxlen=_SNAPSHOTS_KEPT)

    def within(self, scope: Scope) -> Reader:
        """A reader for which only the series are there that `scope` reaches."""
        words = (self._state, self._pins, self._snapshot_names, self._aggregates, self._clock)
        reader = Reader(*words, scope)
        reader._present = reader.names("")
        return reader

    def names(self, snapshot: str) -> Names:
        """The series there are now, or in the snapshot of that name."""
        every = self._snapshot_names(snapshot) if snapshot else self._state.names
        if self.scope.is_everything:
            return every
        with self._state.lock:
            part = every.within(self.scope)
        if snapshot and part not in self._pinned:
            self._pinned.append(part)
        return part

    def select(self, query: Query) -> Selection:
        """The series that `query` names. Raises a BadRequest if none of them can be served."""
        _check(query)
        sources = None
        if query.resample is not None:
            sources = Sources(query.dataset, query.timeframe, query.resample)
        pin = self._pins.take()  # before the snapshot is looked up: from here on its files stay
        names = self.names(query.snapshot)
        with self._state.lock:
            dataset = names.dataset(query.dataset)
            found = _found(names, dataset, query, sources)
            if found.problems and (query.strict or not found.series):
                raise next(iter(found.problems.values()))
            at_once = not query.closed and not any(s.is_stale for s in found.series)
            views = found.over([s.view() for s in found.series]) if at_once else []
        closed_until: dict[int, int] = {}
        if not at_once:
            if query.closed:
                # First of all: of what counts as over, every row must be in the view.
                closed_until = {s.id: self._aggregates.closed_until(s) for s in found.series}
            self._freshen(query, found)
            views = found.over(self._state.view(found.series))
        if query.is_shaped:
            views = _with_grid(query, views, found.problems)
        store = self._state.segments
        selection = Selection(query, dataset, views, found.problems, store, pin, closed_until)
        if query.strict:
            for view in views:
                self._require_complete(query, view)
        return selection

    def _require_complete(self, query: Query, view: SeriesView) -> None:
        start, end = query.start, query.end
        if isinstance(view, MadeView):
            low, high = view.target.base_range(start or 0, end or 0)
            start, end = start and low, end and high
            view = view.base
        require_complete(view, self._state.segments, start, end, now_ns=self._clock())

    def fitting(
        self, dataset: str, names: Sequence[str], timeframe: str, snapshot: str
    ) -> list[SeriesView]:
        """Every series that fits these words, by name; an empty one fits everything."""
        every = self.names(snapshot)
        with self._state.lock:
            fitting = list(every.select(dataset, names, timeframe))
        for series in fitting:
            with suppress(FlightstoreError):  # whoever reads the series is told what is wrong
                self._aggregates.freshen(series)
        return self._state.view(fitting)

    def view(self, dataset: str, instrument: str, timeframe: str, snapshot: str) -> SeriesView:
        """One series as of now, or as the snapshot has it. Raises UnknownInstrument."""
        names = self.names(snapshot)
        with self._state.lock:
            names.dataset(dataset)
            found = names.find(dataset, instrument, timeframe)
        self._aggregates.freshen(found)
        with self._state.lock:
            return found.view()

    def _freshen(self, query: Query, found: Found) -> None:
        """Bring the rows of what was found up to date; where that fails there is a problem."""
        low = -(2**63) if query.start is None or query.fill else query.start
        high = 2**63 if query.end is None or query.fill else query.end
        kept = []
        for series in found.series:
            try:
                self._aggregates.freshen(series, *found.base_range(series, low, high))
                kept.append(series)
            except FlightstoreError as error:
                if query.is_single or query.strict:
                    raise
                found.problems[str(series.instrument)] = error
        found.series = kept


def _found(names: Names, dataset: Dataset, query: Query, sources: Sources | None) -> Found:
    """The series that `query` names, and what is to be made of them. Under the state lock."""
    if sources is not None:
        search = sources.among(names, dataset)
        if query.is_single:
            return search.find(query.instruments[0])
        return search.match(query.instruments)
    if query.is_single:
        return Found([names.find(query.dataset, query.instruments[0], query.timeframe)])
    series, problems = names.match(query.dataset, query.instruments, query.timeframe)
    return Found(series, problems=problems)


def _with_grid(
    query: Query, views: list[SeriesView], problems: dict[str, FlightstoreError]
) -> list[SeriesView]:
    """Those of `views` that have a grid; others become problems."""
    kept = []
    for view in views:
        try:
            require_grid(view, FILL if query.fill else LABEL)
            kept.append(view)
        except BadRequest as error:
            if query.is_single or query.strict:
                raise
            problems[str(view.series.instrument)] = error
    if problems and not kept:
        raise next(iter(problems.values()))
    return kept


def _check(query: Query) -> None:
    if not query.instruments:
        raise BadRequest("The request names no instrument.")
    if query.limit and query.tail:
        raise BadRequest("limit and tail exclude each other; give one of them.")
