"""The catalog: which datasets, series and segments exist, what is covered, what is pinned.

SQLite in WAL mode with synchronous=FULL. It is a checkpoint of the log: always exactly the state after
the record `flushed_lsn`, plus rearrangements (compaction, trimming) that change no answer. Later
records are replayed from the log at start.

Versions: every commit has a number. A row lives from the version that `created` it until the one that
`retired` it, so a snapshot is one number, and pinning it costs nothing per series.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from flightstore_proto.errors import DataDirError
from flightstore_server.storage.segment.segment import RowRanges, Segment

FORMAT = 1
_SCHEMA = """
create table meta (key text primary key, value integer not null) without rowid;
create table datasets (
    id integer primary key, name text not null unique, schema blob not null, key_has_id integer not null
);
create table series (
    id integer not null, dataset integer not null, instrument text not null, timeframe text not null,
    free_grid integer not null, metadata text not null,
    created integer not null, retired integer,
    primary key (id, created)
) without rowid;
create table segments (
    id integer not null, series integer not null, file text not null, rows integer not null,
    min_ts integer not null, max_ts integer not null, max_lsn integer not null,
    size integer not null, crc integer not null, idx blob not null, columns integer not null,
    codec text not null, file_rows integer not null, visible text, bulk_lsn integer not null,
    created integer not null, retired integer,
    primary key (id, created)
) without rowid;
create index segments_retired on segments (retired) where retired is not null;
create table coverage (
    series integer not null, ranges blob not null, created integer not null, retired integer,
    primary key (series, created)
) without rowid;
create table snapshots (
    name text primary key, version integer not null, lsn integer not null, created_ns integer not null
) without rowid;
create table positions (consumer text primary key, lsn integer not null) without rowid;
"""
_SEGMENT_COLUMNS = (
    "id, series, file, rows, min_ts, max_ts, max_lsn, size, crc, idx, columns, codec, file_rows, "
    "visible, bulk_lsn"
)
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


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    name: str
    version: int
    lsn: int
    created_ns: int


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything alive at one version."""

    datasets: list[DatasetRow]
    series: list[SeriesRow]
    segments: list[Segment]
    coverage: dict[int, bytes]


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


class Catalog:
    """The one connection to the catalog. Callers take turns (the engine's maintenance lock)."""

    def __init__(self, path: Path) -> None:
        self._db = _open(path)
        self.version = self._meta("version")
        self.flushed_lsn = self._meta("flushed_lsn")

    def close(self) -> None:
        self._db.close()

    def load(self, version: int | None = None) -> Contents:
        """What is alive now, or was at `version`."""
        where = _LIVE if version is None else _AT_VERSION
        at = {"v": version}
        datasets = self._db.execute("select id, name, schema, key_has_id from datasets")
        series = self._db.execute(
            "select id, dataset, instrument, timeframe, free_grid, metadata from series "
            f"where {where}",
            at,
        )
        segments = self._db.execute(f"select {_SEGMENT_COLUMNS} from segments where {where}", at)
        coverage = self._db.execute(f"select series, ranges from coverage where {where}", at)
        return Contents(
            [
                DatasetRow(i, name, pa.ipc.read_schema(pa.py_buffer(schema)), bool(has_id))
                for i, name, schema, has_id in datasets
            ],
            [
                SeriesRow(i, dataset, name, timeframe, bool(free), json.loads(metadata))
                for i, dataset, name, timeframe, free, metadata in series
            ],
            [_segment(row) for row in segments],
            dict(coverage.fetchall()),
        )

    def next_ids(self) -> tuple[int, int, int]:
        """The first unused dataset, series and segment id, of all versions."""
        query = "select coalesce(max(id), 0) + 1 from "
        first = [self._db.execute(query + t).fetchone()[0] for t in _TABLES_WITH_IDS]
        return first[0], first[1], first[2]

    def commit(self, change: Change) -> int:
        """Apply `change` in one durable transaction. Returns the new version."""
        version = self.version + 1
        flushed = self.flushed_lsn if change.flushed_lsn is None else change.flushed_lsn
        with self._transaction() as db:
            self._retire(version, "segments", "id", change.retired)
            for table in ("segments", "coverage"):
                self._retire(version, table, "series", change.retired_series)
            self._retire(version, "series", "id", change.retired_series)
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

    def add_snapshot(self, row: SnapshotRow) -> None:
        with self._transaction() as db:
            db.execute(
                "insert into snapshots (name, version, lsn, created_ns) values (?, ?, ?, ?)",
                (row.name, row.version, row.lsn, row.created_ns),
            )

    def drop_snapshot(self, name: str) -> bool:
        with self._transaction() as db:
            return db.execute("delete from snapshots where name = ?", (name,)).rowcount > 0

    def forget_unpinned(self, log_tail_lsn: int) -> list[tuple[int, str]]:
        """Delete retired rows that no snapshot pins; returns (segment id, file) now unused.

        Files that a log record at or after `log_tail_lsn` names are kept: consumers may read them.
        """
        pinned = "exists (select 1 from snapshots s where s.version >= x.created and s.version < x.retired)"
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
            for table in ("coverage", "series"):
                db.execute(f"delete from {table} as x where x.retired is not null and not {pinned}")
        still = {i for (i,) in self._db.execute("select distinct id from segments")}
        return [(i, file) for i, file in {row[0]: row[2] for row in gone}.items() if i not in still]

    def files(self) -> list[Segment]:
        """One entry for each file that any version names."""
        rows = self._db.execute(f"select {_SEGMENT_COLUMNS} from segments group by id").fetchall()
        return [_segment(row) for row in rows]

    def backup(self, destination: Path) -> None:
        """A consistent, complete copy of the catalog as a single new file."""
        copy = sqlite3.connect(destination)
        try:
            self._db.backup(copy)
            copy.execute("pragma journal_mode=delete")
        finally:
            copy.close()

    def check(self) -> list[str]:
        """What SQLite finds wrong with the file; empty if nothing."""
        found = [row[0] for row in self._db.execute("pragma integrity_check")]
        return [] if found == ["ok"] else found

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
                    "insert or replace into series values (?, ?, ?, ?, ?, ?, ?, null)",
                    (s.id, s.dataset, s.instrument, s.timeframe, s.free_grid, metadata, version),
                )

    def _retire(self, version: int, table: str, key: str, ids: Iterable[int]) -> None:
        self._db.executemany(
            f"update {table} set retired = ? where {key} = ? and retired is null",
            [(version, i) for i in ids],
        )

    def _meta(self, key: str) -> int:
        row = self._db.execute("select value from meta where key = ?", (key,)).fetchone()
        return int(row[0]) if row else 0

    def _set_meta(self, key: str, value: int) -> None:
        self._db.execute("insert or replace into meta values (?, ?)", (key, value))

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


_TABLES_WITH_IDS = ("datasets", "series", "segments")


class _Transaction:
    """begin immediate … commit, or rollback if the block raises."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> sqlite3.Connection:
        self._db.execute("begin immediate")
        return self._db

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if kind is None:
            try:
                self._db.execute("commit")
                return
            except sqlite3.Error as failed:
                error = failed
        if self._db.in_transaction:
            self._db.execute("rollback")
        if isinstance(error, sqlite3.Error):
            # For the engine a catalog that cannot be written is a disk that cannot be written.
            raise OSError(f"the catalog could not be written: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    new = not path.exists()
    try:
        # Autocommit: transactions are begun by hand, and seen in the code.
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=full")
        if new:
            with _Transaction(db):
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    db.execute(statement)
                db.execute("insert into meta values ('format', ?)", (FORMAT,))
        found = db.execute("select value from meta where key = 'format'").fetchone()
    except sqlite3.DatabaseError as error:
        raise DataDirError(
            f"The catalog {path} is damaged ({error}); restore a backup, or run "
            "`flightstore repair` to rebuild it from the segments."
        ) from error
    if found is None or found[0] != FORMAT:
        raise DataDirError(
            f"{path} has format {found and found[0]}, and this flightstore reads format {FORMAT}; "
            "use the version that wrote it."
        )
    return db


def _segment(row: Sequence[object]) -> Segment:
    values = list(row)
    visible = values[13]
    ranges: RowRanges | None = None
    if visible is not None:
        ranges = tuple((a, b) for a, b in json.loads(str(visible)))
    return Segment(
        *values[:13],  # type: ignore[arg-type]
        visible=ranges,
        bulk_lsn=values[14],  # type: ignore[arg-type]
    )


def _segment_values(segment: Segment) -> tuple[object, ...]:
    s = segment
    visible = None if s.visible is None else json.dumps(s.visible)
    head = (s.id, s.series, s.file, s.rows, s.min_ts, s.max_ts, s.max_lsn, s.size, s.crc, s.index)
    return (*head, s.columns, s.codec, s.file_rows, visible, s.bulk_lsn)
