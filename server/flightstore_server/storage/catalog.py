"""The catalog: which datasets, series and segments exist, what is covered, what is pinned.

SQLite in WAL mode with synchronous=FULL. It is a checkpoint of the log: always exactly the state
after the record `flushed_lsn`, plus rearrangements (compaction, trimming) that change no answer.
Later records are replayed from the log at start.

Versions: every commit has a number. A row lives from the version that `created` it until the one
that `retired` it, so a snapshot is one number, and pinning it costs nothing per series.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from flightstore_server.storage.catalog_file import Transaction, damaged, open_catalog, problems
from flightstore_server.storage.segment.segment import RowRanges, Segment

_SERIES_COLUMNS = "id, dataset, instrument, timeframe, free_grid, metadata, rule"
_SEGMENT_COLUMNS = (
    "id, series, file, rows, min_ts, max_ts, max_lsn, size, crc, idx, columns, codec, file_rows, "
    "visible, bulk_lsn"
)
# Ids of series and datasets that rules make, which nobody hands out beforehand.
DERIVED_IDS = 1 << 31
_LIVE = "retired is null"
_AT_VERSION = "created <= :v and (retired is null or retired > :v)"


@dataclass(frozen=True, slots=True)
class DatasetRow:
    id: int
    name: str
    schema: pa.Schema
    key_has_id: bool


@dataclass(frozen=True, slots=True)
class SeriesRow:
    id: int
    dataset: int
    instrument: str
    timeframe: str
    free_grid: bool
    metadata: dict[str, str]
    rule: str = ""  # the name of the rule that keeps it; empty if it is written


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    name: str
    version: int
    lsn: int
    created_ns: int


@dataclass(frozen=True, slots=True)
class VersionedSegment:
    """A segment as the versions from `created` until `retired` (None: all since) have it."""

    created: int
    retired: int | None
    segment: Segment


@dataclass(frozen=True, slots=True)
class VersionedCoverage:
    """A series' coverage as the versions from `created` until `retired` have it."""

    created: int
    retired: int | None
    ranges: bytes


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything alive at one version."""

    datasets: list[DatasetRow]
    series: list[SeriesRow]
    segments: list[Segment]
    coverage: dict[int, bytes]
    rules: list[bytes]


@dataclass(slots=True)
class Change:
    """One transaction's worth of changes."""

    flushed_lsn: int | None = None
    datasets: list[DatasetRow] = field(default_factory=list)
    series: list[SeriesRow] = field(default_factory=list)
    retired_series: list[int] = field(default_factory=list)
    added: list[Segment] = field(default_factory=list)
    retired: list[int] = field(default_factory=list)
    coverage: dict[int, bytes] = field(default_factory=dict)
    rules: dict[str, bytes] = field(default_factory=dict)
    retired_rules: list[str] = field(default_factory=list)


class Catalog:
    """The one connection to the catalog. Callers take turns (the engine's maintenance lock)."""

    def __init__(self, path: Path, *, may_create: bool = True) -> None:
        self.path = path
        self._db = open_catalog(path, may_create=may_create)
        self.version = self._meta("version")
        self.flushed_lsn = self._meta("flushed_lsn")
        # What forget_unpinned() goes by, and what that was when it last looked.
        self._dropped_snapshots = 0
        self._looked_at: tuple[int, int, int] | None = None

    def close(self) -> None:
        self._db.close()

    def load(self, version: int | None = None) -> Contents:
        """What is alive now, or was at `version`. Raises DataDirError if SQLite cannot read it."""
        with self._reading():
            return self._load(version)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise damaged(self.path, error) from error

    def _load(self, version: int | None) -> Contents:
        where = _LIVE if version is None else _AT_VERSION
        at = {"v": version}
        datasets = self._db.execute("select id, name, schema, key_has_id from datasets")
        series = self._db.execute(f"select {_SERIES_COLUMNS} from series where {where}", at)
        segments = self._db.execute(f"select {_SEGMENT_COLUMNS} from segments where {where}", at)
        coverage = self._db.execute(f"select series, ranges from coverage where {where}", at)
        rules = self._db.execute(f"select rule from rules where {where} order by name", at)
        return Contents(
            [
                DatasetRow(i, name, pa.ipc.read_schema(pa.py_buffer(schema)), bool(has_id))
                for i, name, schema, has_id in datasets
            ],
            [_series(row) for row in series],
            [_segment(row) for row in segments],
            dict(coverage.fetchall()),
            [rule for (rule,) in rules],
        )

    def next_ids(self) -> tuple[int, int, int]:
        """The first unused dataset, series and segment id, of all versions.

        Ids from DERIVED_IDS on are not handed out, but counted by the state as rules are applied.
        """
        query = f"select coalesce(max(id), 0) + 1 from {{}} where id < {DERIVED_IDS}"
        first = [self._db.execute(query.format(t)).fetchone()[0] for t in ("datasets", "series")]
        last = self._db.execute("select coalesce(max(id), 0) + 1 from segments").fetchone()
        return first[0], first[1], last[0]

    def next_derived_id(self) -> int:
        """The first unused id of a derived series or dataset. Raises DataDirError."""
        query = "select max(id) from (select id from datasets union all select id from series)"
        with self._reading():
            return max(DERIVED_IDS, (self._db.execute(query).fetchone()[0] or 0) + 1)

    def positions(self) -> dict[str, int]:
        """The durable positions of consumers, by name. Raises DataDirError as load() does."""
        with self._reading():
            return dict(self._db.execute("select consumer, lsn from positions").fetchall())

    def set_positions(self, positions: dict[str, int]) -> None:
        """Replace all positions."""
        with self._transaction() as db:
            db.execute("delete from positions")
            db.executemany("insert into positions values (?, ?)", list(positions.items()))

    def commit(self, change: Change) -> int:
        """Apply `change` in one durable transaction. Returns the new version."""
        version = self.version + 1
        flushed = self.flushed_lsn if change.flushed_lsn is None else change.flushed_lsn
        with self._transaction() as db:
            self._retire(version, "segments", "id", change.retired)
            for table in ("segments", "coverage"):
                self._retire(version, table, "series", change.retired_series)
            self._retire(version, "series", "id", change.retired_series)
            self._retire(version, "rules", "name", {*change.retired_rules, *change.rules})
            db.executemany(
                "insert or replace into rules (name, rule, created) values (?, ?, ?)",
                [(name, rule, version) for name, rule in change.rules.items()],
            )
            self._write_words(version, change)
            db.executemany(
                f"insert into segments ({_SEGMENT_COLUMNS}, created) values ({'?,' * 15} ?)",
                [(*_segment_values(segment), version) for segment in change.added],
            )
            self._retire(version, "coverage", "series", change.coverage)
            db.executemany(
                "insert or replace into coverage (series, ranges, created) values (?, ?, ?)",
                [(series, ranges, version) for series, ranges in change.coverage.items()],
            )
            self._set_meta("version", version)
            self._set_meta("flushed_lsn", flushed)
        self.version, self.flushed_lsn = version, flushed
        return version

    def snapshots(self) -> list[SnapshotRow]:
        rows = self._db.execute(
            "select name, version, lsn, created_ns from snapshots order by name"
        )
        return [SnapshotRow(*row) for row in rows]

    def series_count(self, version: int) -> int:
        """How many series were alive at `version`."""
        query = f"select count(*) from series where {_AT_VERSION}"
        return int(self._db.execute(query, {"v": version}).fetchone()[0])

    def add_snapshot(self, row: SnapshotRow) -> None:
        with self._transaction() as db:
            db.execute(
                "insert into snapshots (name, version, lsn, created_ns) values (?, ?, ?, ?)",
                (row.name, row.version, row.lsn, row.created_ns),
            )

    def drop_snapshot(self, name: str) -> bool:
        with self._transaction() as db:
            dropped = db.execute("delete from snapshots where name = ?", (name,)).rowcount > 0
        self._dropped_snapshots += 1
        return dropped

    def forget_unpinned(self, log_tail_lsn: int) -> list[tuple[int, str]]:
        """Delete retired rows that no snapshot pins; returns (segment id, file) now unused.

        Files that a log record at or after `log_tail_lsn` names are kept: consumers may read them.
        """
        looking_at = (self.version, self._dropped_snapshots, log_tail_lsn)
        if looking_at == self._looked_at:  # nothing can have come free since
            return []
        gone = self._forget_unpinned(log_tail_lsn)
        self._looked_at = looking_at
        return gone

    def _forget_unpinned(self, log_tail_lsn: int) -> list[tuple[int, str]]:
        pinned = (
            "exists (select 1 from snapshots s "
            "where s.version >= x.created and s.version < x.retired)"
        )
        gone = self._db.execute(
            "select x.id, x.created, x.file from segments x where x.retired is not null "
            f"and not (x.bulk_lsn >= ? and x.bulk_lsn > 0) and not {pinned}",
            (log_tail_lsn,),
        ).fetchall()
        if not gone:
            return []
        with self._transaction() as db:
            db.executemany(
                "delete from segments where id = ? and created = ?", [row[:2] for row in gone]
            )
            for table in ("coverage", "rules"):
                db.execute(f"delete from {table} as x where x.retired is not null and not {pinned}")
            # A series stays for as long as a file of it does, which says whose rows it holds.
            db.execute(
                f"delete from series as x where x.retired is not null and not {pinned} "
                "and not exists (select 1 from segments g where g.series = x.id)"
            )
        still = {i for (i,) in self._db.execute("select distinct id from segments")}
        return [(i, file) for i, file in {row[0]: row[2] for row in gone}.items() if i not in still]

    def files(self) -> list[Segment]:
        """One entry for each file that any version names."""
        rows = self._db.execute(f"select {_SEGMENT_COLUMNS} from segments group by id").fetchall()
        return [_segment(row) for row in rows]

    def every_series(self) -> dict[int, SeriesRow]:
        """The series of all versions, by id."""
        query = f"select {_SERIES_COLUMNS} from series order by created"
        return {row[0]: _series(row) for row in self._db.execute(query)}

    def backup(self, destination: Path) -> None:
        """A consistent, complete copy of the catalog as a single new file, durably."""
        copy = sqlite3.connect(destination)
        try:
            self._db.backup(copy)
            copy.execute("pragma journal_mode=delete")
        except sqlite3.Error as error:
            raise OSError(f"the catalog could not be copied: {error}") from error
        finally:
            copy.close()

    def check(self) -> list[str]:
        """What SQLite finds wrong with the file; empty if nothing. Callers need not take turns."""
        return problems(self.path)

    def versions_of(self, segment_id: int) -> list[VersionedSegment]:
        """What every version says of one segment."""
        rows = self._db.execute(
            f"select created, retired, {_SEGMENT_COLUMNS} from segments where id = ?", (segment_id,)
        )
        return [VersionedSegment(row[0], row[1], _segment(row[2:])) for row in rows]

    def coverage_of(self, series: int) -> list[VersionedCoverage]:
        """What every version says of one series' coverage."""
        query = "select created, retired, ranges from coverage where series = ?"
        return [VersionedCoverage(*row) for row in self._db.execute(query, (series,))]

    def correct(
        self,
        segment_id: int,
        versions: Iterable[VersionedSegment],
        series: int,
        coverage: Iterable[VersionedCoverage],
    ) -> None:
        """Replace what all versions say of one segment and of the coverage of its series.

        Only repair does this: it changes what snapshots show.
        """
        with self._transaction() as db:
            db.execute("delete from segments where id = ?", (segment_id,))
            db.executemany(
                f"insert into segments ({_SEGMENT_COLUMNS}, created, retired) "
                f"values ({'?,' * 15} ?, ?)",
                [(*_segment_values(v.segment), v.created, v.retired) for v in versions],
            )
            db.execute("delete from coverage where series = ?", (series,))
            db.executemany(
                "insert into coverage (series, ranges, created, retired) values (?, ?, ?, ?)",
                [(series, c.ranges, c.created, c.retired) for c in coverage],
            )

    def _write_words(self, version: int, change: Change) -> None:
        self._db.executemany(
            "insert or replace into datasets values (?, ?, ?, ?)",
            [
                (d.id, d.name, d.schema.serialize().to_pybytes(), d.key_has_id)
                for d in change.datasets
            ],
        )
        # Metadata is not versioned: the row of a known series is rewritten in place.
        for s in change.series:
            metadata = json.dumps(s.metadata, sort_keys=True)
            updated = self._db.execute(
                "update series set metadata = ? where id = ? and retired is null", (metadata, s.id)
            )
            if not updated.rowcount:
                self._db.execute(
                    f"insert or replace into series ({_SERIES_COLUMNS}, created) "
                    "values (?, ?, ?, ?, ?, ?, ?, ?)",
                    (*_series_values(s, metadata), version),
                )

    def _retire(self, version: int, table: str, key: str, ids: Iterable[object]) -> None:
        self._db.executemany(
            f"update {table} set retired = ? where {key} = ? and retired is null",
            [(version, i) for i in ids],
        )

    def _meta(self, key: str) -> int:
        row = self._db.execute("select value from meta where key = ?", (key,)).fetchone()
        return int(row[0]) if row else 0

    def _set_meta(self, key: str, value: int) -> None:
        self._db.execute("insert or replace into meta values (?, ?)", (key, value))

    def _transaction(self) -> Transaction:
        return Transaction(self._db)


def _series(row: tuple[Any, ...]) -> SeriesRow:
    number, dataset, instrument, timeframe, free, metadata, rule = row
    return SeriesRow(number, dataset, instrument, timeframe, bool(free), json.loads(metadata), rule)


def _series_values(s: SeriesRow, metadata: str) -> tuple[object, ...]:
    return (s.id, s.dataset, s.instrument, s.timeframe, s.free_grid, metadata, s.rule)


def _segment(row: Sequence[Any]) -> Segment:
    *head, visible, bulk_lsn = row
    ranges: RowRanges | None = None
    if visible is not None:
        ranges = tuple((a, b) for a, b in json.loads(visible))
    return Segment(*[*head, ranges, bulk_lsn])


def _segment_values(segment: Segment) -> tuple[object, ...]:
    s = segment
    visible = None if s.visible is None else json.dumps(s.visible)
    head = (s.id, s.series, s.file, s.rows, s.min_ts, s.max_ts, s.max_lsn, s.size, s.crc, s.index)
    return (*head, s.columns, s.codec, s.file_rows, visible, s.bulk_lsn)
