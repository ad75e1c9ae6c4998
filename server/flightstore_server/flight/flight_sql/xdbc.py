"""The types of SQL here, as JDBC and ODBC call them: CommandGetXdbcTypeInfo."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

SCHEMA = pa.schema(
    [
        pa.field("type_name", pa.utf8(), nullable=False),
        pa.field("data_type", pa.int32(), nullable=False),
        pa.field("column_size", pa.int32()),
        pa.field("literal_prefix", pa.utf8()),
        pa.field("literal_suffix", pa.utf8()),
        pa.field("create_params", pa.list_(pa.field("item", pa.utf8(), nullable=False))),
        pa.field("nullable", pa.int32(), nullable=False),
        pa.field("case_sensitive", pa.bool_(), nullable=False),
        pa.field("searchable", pa.int32(), nullable=False),
        pa.field("unsigned_attribute", pa.bool_()),
        pa.field("fixed_prec_scale", pa.bool_(), nullable=False),
        pa.field("auto_increment", pa.bool_()),
        pa.field("local_type_name", pa.utf8()),
        pa.field("minimum_scale", pa.int32()),
        pa.field("maximum_scale", pa.int32()),
        pa.field("sql_data_type", pa.int32(), nullable=False),
        pa.field("datetime_subcode", pa.int32()),
        pa.field("num_prec_radix", pa.int32()),
        pa.field("interval_precision", pa.int32()),
    ]
)
_NULLABLE, _SEARCHABLE_FULL, _SEARCHABLE_BASIC = 1, 3, 2
_DATETIME = 9  # what sql_data_type says of all dates and times
_BINARY, _DECIMAL = 2, 10


@dataclass(frozen=True)
class SqlType:
    """A type: its name in SQL, its XdbcDataType, and its size in digits, bits or characters."""

    name: str
    code: int
    size: int | None = None
    radix: int | None = None
    quote: str | None = None
    prefix: str = ""
    subcode: int | None = None
    scale: int | None = None

    def row(self) -> dict[str, object]:
        """What CommandGetXdbcTypeInfo says of it."""
        numeric, text = self.radix is not None, self.name == "VARCHAR"
        return {
            "type_name": self.name,
            "data_type": self.code,
            "column_size": self.size,
            "literal_prefix": self.quote and self.prefix + self.quote,
            "literal_suffix": self.quote,
            "nullable": _NULLABLE,
            "case_sensitive": text,
            "searchable": _SEARCHABLE_FULL if text else _SEARCHABLE_BASIC,
            "unsigned_attribute": False if numeric else None,
            "fixed_prec_scale": False,
            "auto_increment": False if numeric else None,
            "local_type_name": self.name,
            "minimum_scale": 0 if self.scale is not None else None,
            "maximum_scale": self.scale,
            "sql_data_type": self.code if self.subcode is None else _DATETIME,
            "datetime_subcode": self.subcode,
            "num_prec_radix": self.radix,
        }


# In the order of the format: by code, then by name.
TYPES = (
    SqlType("BOOLEAN", -7),
    SqlType("TINYINT", -6, 3, _DECIMAL, scale=0),
    SqlType("BIGINT", -5, 19, _DECIMAL, scale=0),
    SqlType("BLOB", -3, quote="'"),
    SqlType("DECIMAL", 3, 38, _DECIMAL, scale=38),
    SqlType("INTEGER", 4, 10, _DECIMAL, scale=0),
    SqlType("SMALLINT", 5, 5, _DECIMAL, scale=0),
    SqlType("REAL", 7, 24, _BINARY),
    SqlType("DOUBLE", 8, 53, _BINARY),
    SqlType("VARCHAR", 12, quote="'"),
    SqlType("DATE", 91, 10, quote="'", prefix="DATE ", subcode=1),
    SqlType("TIME", 92, 15, quote="'", prefix="TIME ", subcode=2),
    SqlType("TIMESTAMP", 93, 29, quote="'", prefix="TIMESTAMP ", subcode=3, scale=9),
    SqlType(
        "TIMESTAMP WITH TIME ZONE", 93, 35, quote="'", prefix="TIMESTAMPTZ ", subcode=5, scale=9
    ),
)


def xdbc_types(code: int | None) -> pa.Table:
    """The types with this XdbcDataType; all of them for None."""
    rows = [t.row() for t in TYPES if code is None or t.code == code]
    return pa.Table.from_pylist(rows, schema=SCHEMA)
