"""Which columns of a dataset somebody wants."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from flightstore_proto.errors import UnknownColumn, did_you_mean, near, shown


def projection(dataset: str, wanted: Sequence[str], schema: pa.Schema) -> list[str] | None:
    """The columns to return, ts first; None for all of them.

    Raises UnknownColumn with near names.
    """
    if not wanted:
        return None
    for name in wanted:
        if schema.get_field_index(name) < 0:
            suggestions = near(name, schema.names)
            raise UnknownColumn(
                f"{dataset} has no column {shown(name)}.{did_you_mean(suggestions)} "
                f"It has {', '.join(schema.names[:20])}.",
                suggestions=suggestions,
            )
    return list(dict.fromkeys(["ts", *wanted]))


def projected(schema: pa.Schema, names: Sequence[str] | None) -> pa.Schema:
    """`schema` with the columns `names`; None stands for all of them."""
    return schema if names is None else pa.schema([schema.field(name) for name in names])
