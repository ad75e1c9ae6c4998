"""From a plan's scans to tables with rows: which series, of which time, as of one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import duckdb
import pyarrow as pa

from flightstore_server.engine.names import Names
from flightstore_server.engine.queries import Reader
from flightstore_server.engine.series import Series
from flightstore_server.engine.store import Store
from flightstore_server.sql.plans import Scan
from flightstore_server.sql.predicates import Region, Span
from flightstore_server.sql.rows import Copies, Part, first_rows_of, identities_of, rows_of
from flightstore_server.sql.tables import IDENTITY

_SERIES = "series"
# A query looks again for its series until none comes or goes while it does; so often at most.
_LOOKS_MAX = 10


class Sources:
    """Reads the store for one query."""

    def __init__(
        self,
        store: Store,
        reader: Reader,
        snapshot: str,
        cursor: duckdb.DuckDBPyConnection,
        copies: Copies,
        alive: Callable[[], None],
    ) -> None:
        self._store = store
        self._cursor = cursor
        self._copies = copies
        self._alive = alive
        self._pin = store.maintenance.pins.take()  # before the snapshot is looked up
        self._names: Names = reader.names(snapshot)

    def tables(self, datasets: Sequence[str], scans: Sequence[Scan]) -> dict[str, pa.Table]:
        """For each of `datasets` the rows that `scans` can need, all as of one moment."""
        by_dataset = {name: [s for s in scans if s.table == name] for name in datasets}
        for _ in range(_LOOKS_MAX):
            version = self._names.version
            spans = {name: self._spans(name, of_it) for name, of_it in by_dataset.items()}
            self._freshen(spans.values())
            with self._store.state.lock:
                parts = {
                    name: [(series.view(), span) for series, span in wanted.items()]
                    for name, wanted in spans.items()
                }
                if self._names.version == version:
                    break
            # Series came or went meanwhile: with their rows others may have changed.
        return {name: self._rows(name, parts[name], by_dataset[name]) for name in datasets}

    def _freshen(self, spans: Iterable[dict[Series, Span]]) -> None:
        for wanted in spans:
            for series, (low, high) in wanted.items():
                self._alive()
                self._store.aggregates.freshen(series, low, high + 1)

    def schema(self, dataset: str) -> pa.Schema:
        """The columns that `dataset` has in the store."""
        return self._names.dataset(dataset).schema

    def _spans(self, dataset: str, scans: Sequence[Scan]) -> dict[Series, Span]:
        """The series that one of `scans` can need, by name, and the time of it that all can."""
        with self._store.state.lock:
            known = [s for s in self._names.by_id.values() if s.dataset.name == dataset]
        found: dict[Series, Span] = {}
        for scan in scans:
            low, high = scan.region.span
            if low > high:
                continue
            for series in self._matching(known, scan.region):
                before = found.get(series, (low, high))
                found[series] = min(low, before[0]), max(high, before[1])
        return {series: found[series] for series in sorted(found, key=_words)}

    def _matching(self, known: list[Series], region: Region) -> list[Series]:
        """Those of `known` that meet the conditions, as DuckDB itself understands them."""
        for column, values in region.words:
            place = IDENTITY.index(column)
            known = [series for series in known if _words(series)[place] in values]
        if not region.conditions or not known:
            return known
        columns = [pa.array(words) for words in zip(*map(_words, known), strict=True)]
        places = pa.array(range(len(known)))
        self._cursor.register(_SERIES, pa.table([*columns, places], names=[*IDENTITY, "place"]))
        conditions = " AND ".join(f"({condition})" for condition in region.conditions)
        query = f"SELECT place FROM {_SERIES} WHERE {conditions}"
        places = self._cursor.execute(query).fetchall()
        return [known[place] for (place,) in places]

    def _rows(self, dataset: str, parts: list[Part], scans: Sequence[Scan]) -> pa.Table:
        segments, described = self._store.segments, self._names.dataset(dataset)
        only = scans[0] if len(scans) == 1 else None
        if only is not None and only.rows_max is not None:
            return first_rows_of(described, parts, segments, self._copies, only.rows_max)
        if scans and all(_needs_words_only(scan) for scan in scans):
            return identities_of(parts, segments)
        return rows_of(described, parts, segments, self._copies, self._alive)


def _needs_words_only(scan: Scan) -> bool:
    return scan.region.exact and scan.columns.issubset(IDENTITY)


def _words(series: Series) -> tuple[str, str, str]:
    return series.instrument.exchange, series.instrument.symbol, series.timeframe_text
