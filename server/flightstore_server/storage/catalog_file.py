"""The catalog's file: its tables, how it is opened or created, and its transactions.

SQLite in WAL mode with synchronous=FULL, so that a commit that returned survives power loss.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

from flightstore_proto.errors import DataDirError

FORMAT = 1
_SCHEMA = """
create table meta (key text primary key, value integer not null) without rowid;
create table datasets (
    id integer primary key, name text not null unique, schema blob not null,
    key_has_id integer not null
);
create table series (
    id integer not null, dataset integer not null, instrument text not null,
    timeframe text not null, free_grid integer not null, metadata text not null,
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
    name text primary key, version integer not null, lsn integer not null,
    created_ns integer not null
) without rowid;
create table positions (consumer text primary key, lsn integer not null) without rowid;
"""


def open_catalog(path: Path, *, may_create: bool) -> sqlite3.Connection:
    """A connection to the catalog at `path`, in autocommit: transactions are begun by hand.

    Raises DataDirError if it is damaged, of another format, or missing and not to be created.
    """
    mode = "rwc" if may_create else "rw"
    db: sqlite3.Connection | None = None
    try:
        db = sqlite3.connect(
            f"{uri_of(path)}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        _prepare(db, path, may_create=may_create)
    except BaseException as error:
        if db is not None:
            db.close()
        if isinstance(error, sqlite3.DatabaseError):
            raise damaged(path, error) from error
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, *, may_create: bool) -> None:
    # A crash while the catalog is made may leave a file without tables.
    blank = not db.execute("select count(*) from sqlite_master").fetchone()[0]
    if blank and not may_create:
        raise damaged(path, "it is empty")
    db.execute("pragma journal_mode=wal")
    db.execute("pragma synchronous=full")
    if blank:
        with Transaction(db):
            for statement in filter(str.strip, _SCHEMA.split(";")):
                db.execute(statement)
            db.execute("insert into meta values ('format', ?)", (FORMAT,))
    found = db.execute("select value from meta where key = 'format'").fetchone()
    if found is None or found[0] != FORMAT:
        raise DataDirError(
            f"{path} has format {found and found[0]}, and this flightstore reads format {FORMAT}; "
            "use the version that wrote it."
        )


def problems(path: Path) -> list[str]:
    """What SQLite finds wrong with the file; empty if nothing. May run beside a connection."""
    try:
        db = sqlite3.connect(f"{uri_of(path)}?mode=ro", uri=True)
        try:
            found = [row[0] for row in db.execute("pragma integrity_check")]
        finally:
            db.close()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if found == ["ok"] else found


def uri_of(path: Path) -> str:
    return f"file:{quote(str(path))}"


def damaged(path: Path, error: object) -> DataDirError:
    return DataDirError(
        f"The catalog {path} is damaged or missing ({error}); restore a backup, or run "
        "`flightstore repair` to rebuild it from the segments."
    )


class Transaction:
    """begin immediate … commit, or rollback if the block raises.

    What SQLite cannot write is an OSError: for the engine it is a disk that cannot be written.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> sqlite3.Connection:
        try:
            self._db.execute("begin immediate")
        except sqlite3.Error as error:
            raise _unwritable(error) from error
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
            raise _unwritable(error) from error


def _unwritable(error: sqlite3.Error) -> OSError:
    return OSError(f"the catalog could not be written: {error}")
