"""The commands that ask what there is; each is answered with one small table."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from flightstore_server.flight.flight_sql import objects
from flightstore_server.flight.flight_sql.keys import foreign_keys, primary_keys
from flightstore_server.flight.flight_sql.sql_info import sql_info
from flightstore_server.flight.flight_sql.wire import Message
from flightstore_server.flight.flight_sql.xdbc import xdbc_types
from flightstore_server.sql.engine import SqlEngine

_Answer = Callable[[SqlEngine, Message], pa.Table]


def _tables(engine: SqlEngine, body: Message) -> pa.Table:
    return objects.tables(
        engine.tables(),
        catalog=body.text(1),
        schema_pattern=body.text(2),
        table_pattern=body.text(3),
        types=body.texts(4),
        with_schema=body.flag(5),
    )


METADATA: dict[str, _Answer] = {
    "CommandGetSqlInfo": lambda _, body: sql_info(body.uint32s(1)),
    "CommandGetXdbcTypeInfo": lambda _, body: xdbc_types(body.int32(1)),
    "CommandGetCatalogs": lambda *_: objects.catalogs(),
    "CommandGetDbSchemas": lambda _, body: objects.schemas(body.text(1), body.text(2)),
    "CommandGetTables": _tables,
    "CommandGetTableTypes": lambda *_: objects.table_types(),
    "CommandGetPrimaryKeys": lambda *_: primary_keys(),
    "CommandGetExportedKeys": lambda *_: foreign_keys(),
    "CommandGetImportedKeys": lambda *_: foreign_keys(),
    "CommandGetCrossReference": lambda *_: foreign_keys(),
}
