"""The catalog's file: its tables, how it is opened or created, and its transactions.

SQLite in WAL mode with synchronous=FULL, so that a commit that returned survives power loss. SQLite
has no checksums of its own: a changed byte in a name or a range of coverage would be believed. So
triggers keep, for each table, the sum of its rows' CRCs, and opening the catalog compares it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from flightstore_proto.errors import DataDirError
from flightstore_server.storage import catalog_upgrade
from flightstore_server.storage.checksum import crc

FORMAT = 2
_SCHEMA = """
create table meta (key text primary key, value integer not null) without rowid;
create table datasets (
    id integer primary key, name text not null unique, schema blob not null,
    key_has_id integer not null
);
create table series (
    id integer not null, dataset integer not null, instrument text not null,
    timeframe text not null, free_grid integer not null, metadata text not null,
    rule text not null, created integer not null, retired integer,
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
create table sums (name text primary key, value integer not null) without rowid;
"""
_RULES_TABLE = """
create table rules (
    name text not null, rule blob not null, created integer not null, retired integer,
    primary key (name, created)
) without rowid
"""
_COLUMNS = {
    "meta": ("key", "value"),
    "datasets": ("id", "name", "schema", "key_has_id"),
    "series": (
        *("id", "dataset", "instrument", "timeframe", "free_grid", "metadata"),
        *("rule", "created", "retired"),
    ),
    "rules": ("name", "rule", "created", "retired"),
    "segments": (
        *("id", "series", "file", "rows", "min_ts", "max_ts", "max_lsn", "size", "crc", "idx"),
        *("columns", "codec", "file_rows", "visible", "bulk_lsn", "created", "retired"),
    ),
    "coverage": ("series", "ranges", "created", "retired"),
    "snapshots": ("name", "version", "lsn", "created_ns"),
    "positions": ("consumer", "lsn"),
}
# SQLite's own messages may quote the damaged bytes, which are then not UTF-8.
_DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)
# What SQLite says where the disk is full, read-only or failing, whatever the file is like.
_UNWRITABLE = frozenset(
    {
        *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY),
        *(sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_FSYNC),
        *(sqlite3.SQLITE_IOERR_DIR_FSYNC, sqlite3.SQLITE_IOERR_DELETE),
        *(sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP),
    }
)
_SUM_OF_SCHEMA = "sqlite_master"


def open_catalog(path: Path, *, may_create: bool) -> sqlite3.Connection:
    """A connection to the catalog at `path`, in autocommit: transactions are begun by hand.

    Raises DataDirError if it is damaged, of another format, or missing and not to be created,
    OSError if the disk cannot be written.
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
        if isinstance(error, sqlite3.Error) and _is_of_the_disk(error, path, may_create=may_create):
            raise _unwritable(error) from error
        if isinstance(error, _DAMAGE):
            raise damaged(path, error) from error
        raise
    return db


def _is_of_the_disk(error: sqlite3.Error, path: Path, *, may_create: bool) -> bool:
    """Whether `error` says nothing about the file, which a repair would therefore not mend."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)  # errors of the module have none
    return code in _UNWRITABLE and (may_create or path.exists())


def _prepare(db: sqlite3.Connection, path: Path, *, may_create: bool) -> None:
    # A crash while the catalog is made may leave a file without tables.
    blank = not db.execute("select count(*) from sqlite_master").fetchone()[0]
    if blank and not may_create:
        raise damaged(path, "it is empty")
    db.execute("pragma journal_mode=wal")
    db.execute("pragma synchronous=full")
    db.execute("pragma recursive_triggers=on")  # what a row replaces is subtracted, too
    db.create_function("row_crc", -1, _row_crc, deterministic=True)
    if blank:
        with Transaction(db):
            _create(db)
    found = db.execute("select value from meta where key = 'format'").fetchone()
    if found == (1,):
        found = _upgraded(db, path)
    if found is None or found[0] != FORMAT:
        raise DataDirError(
            f"{path} has format {found and found[0]}, and this flightstore reads format {FORMAT}; "
            "use the version that wrote it."
        )
    for problem in _wrong_sums(db):
        raise damaged(path, problem)


def _create(db: sqlite3.Connection) -> None:
    for statement in filter(str.strip, [*_SCHEMA.split(";"), _RULES_TABLE]):
        db.execute(statement)
    for table in _COLUMNS:
        db.execute("insert into sums values (?, 0)", (table,))
        _watch(db, table)
    db.execute("insert into sums values (?, ?)", (_SUM_OF_SCHEMA, _schema_crc(db)))
    db.execute("insert into meta values ('format', ?)", (FORMAT,))


def _upgraded(db: sqlite3.Connection, path: Path) -> tuple[int]:
    """Bring a sound catalog of format 1 to this one; returns the format it has then."""
    columns = {t: c for t, c in _COLUMNS.items() if t != "rules"} | catalog_upgrade.COLUMNS_1
    for problem in _wrong_sums(db, columns):
        raise damaged(path, problem)
    with Transaction(db):
        catalog_upgrade.upgrade_from_1(
            db, _RULES_TABLE, lambda table: _watch(db, table), lambda table: _sum_of(db, table)
        )
        db.execute("update meta set value = ? where key = 'format'", (FORMAT,))
        crc_now = (_schema_crc(db), _SUM_OF_SCHEMA)
        db.execute("update sums set value = ? where name = ?", crc_now)
    return (FORMAT,)


def _watch(db: sqlite3.Connection, table: str) -> None:
    """Have the sum of `table` follow every change of its rows."""
    for event, change in _SUM_CHANGES.items():
        old, new = (", ".join(f"{row}.{c}" for c in _COLUMNS[table]) for row in ("old", "new"))
        db.execute(
            f"create trigger {table}_{event} after {event} on {table} begin update sums set "
            f"value = value {change.format(old=old, new=new)} where name = '{table}'; end"
        )


def _sum_of(db: sqlite3.Connection, table: str, columns: Sequence[str] = ()) -> int:
    listed = ", ".join(columns or _COLUMNS[table])
    found = db.execute(f"select coalesce(sum(row_crc({listed})), 0) from {table}").fetchone()
    return int(found[0])


_SUM_CHANGES = {
    "insert": "+ row_crc({new})",
    "delete": "- row_crc({old})",
    "update": "+ row_crc({new}) - row_crc({old})",
}


def _row_crc(*values: object) -> int:
    return crc(repr(values).encode())


def _schema_crc(db: sqlite3.Connection) -> int:
    rows = db.execute("select type, name, tbl_name, sql from sqlite_master order by name")
    return _row_crc(rows.fetchall())


def _wrong_sums(
    db: sqlite3.Connection, tables: Mapping[str, Sequence[str]] = _COLUMNS
) -> Iterator[str]:
    """The tables whose rows are not those that were written."""
    known = dict(db.execute("select name, value from sums").fetchall())
    if known.get(_SUM_OF_SCHEMA) != _schema_crc(db):
        yield "the definition of its tables has changed"
    for table, columns in tables.items():
        if known.get(table) != _sum_of(db, table, columns):
            yield f"the rows of its table {table} are not those that were written"


def problems(path: Path) -> list[str]:
    """What SQLite finds wrong with the file; empty if nothing. May run beside a connection."""
    try:
        db = sqlite3.connect(f"{uri_of(path)}?mode=ro", uri=True)
        try:
            db.create_function("row_crc", -1, _row_crc, deterministic=True)
            db.execute("begin")  # one moment for all tables, whatever is committed meanwhile
            found = [row[0] for row in db.execute("pragma integrity_check") if row[0] != "ok"]
            found += _wrong_sums(db)
        finally:
            db.close()
    except _DAMAGE as error:
        return [str(error)]
    return found


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
