"""Catalogs as flightstore 1 wrote them: without rules."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from flightstore_server.storage.checksum import crc

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
create table sums (name text primary key, value integer not null) without rowid;
"""
_COLUMNS = {
    "meta": "key value",
    "datasets": "id name schema key_has_id",
    "series": "id dataset instrument timeframe free_grid metadata created retired",
    "segments": "id series file rows min_ts max_ts max_lsn size crc idx columns codec file_rows "
    "visible bulk_lsn created retired",
    "coverage": "series ranges created retired",
    "snapshots": "name version lsn created_ns",
    "positions": "consumer lsn",
}
_CHANGES = {
    "insert": "+ row_crc({new})",
    "delete": "- row_crc({old})",
    "update": "+ row_crc({new}) - row_crc({old})",
}


def rewrite(path: Path) -> None:
    """Make the catalog at `path` one of format 1. Nobody has it open, and it holds no rule."""
    rows = _rows(path)
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    db = sqlite3.connect(path, isolation_level=None)
    db.create_function("row_crc", -1, _row_crc, deterministic=True)
    db.execute("pragma recursive_triggers=on")
    for statement in filter(str.strip, _SCHEMA.split(";")):
        db.execute(statement)
    for table, columns in _COLUMNS.items():
        _watch(db, table, columns.split())
    definition = db.execute("select type, name, tbl_name, sql from sqlite_master order by name")
    db.execute("insert into sums values ('sqlite_master', ?)", (_row_crc(definition.fetchall()),))
    for table, columns in _COLUMNS.items():
        places = ", ".join("?" * len(columns.split()))
        db.executemany(f"insert into {table} values ({places})", rows[table])
    db.execute("update meta set value = 1 where key = 'format'")
    db.close()


def _rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    db = sqlite3.connect(path)
    try:
        assert db.execute("select count(*) from rules").fetchone() == (0,)
        return {
            table: db.execute(f"select {', '.join(columns.split())} from {table}").fetchall()
            for table, columns in _COLUMNS.items()
        }
    finally:
        db.close()


def _watch(db: sqlite3.Connection, table: str, columns: list[str]) -> None:
    db.execute("insert into sums values (?, 0)", (table,))
    for event, change in _CHANGES.items():
        old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("old", "new"))
        db.execute(
            f"create trigger {table}_{event} after {event} on {table} begin update sums set "
            f"value = value {change.format(old=old, new=new)} where name = '{table}'; end"
        )


def _row_crc(*values: object) -> int:
    return crc(repr(values).encode())
