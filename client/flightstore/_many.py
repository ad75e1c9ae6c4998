"""Frames of several series, as one put that is applied entirely or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from flightstore._puts import Put, check_timeframe, put_of_many, series_put
from flightstore._rows import rows_of
from flightstore_proto import instrument as instruments
from flightstore_proto.errors import BadRequest, SchemaMismatch, shown
from flightstore_proto.schemas import describe


def put_of_frames(
    frames: Mapping[str, Any],
    dataset: str,
    timeframe: str | None,
    covers: Any,
    metadata: Mapping[str, Mapping[str, str]] | None,
) -> Put:
    """The put that writes all of `frames`; arguments as in `Client.write_many`."""
    if not frames:
        raise BadRequest("There are no frames to write.")
    check_timeframe(dataset, timeframe)
    _check_names("covers", covers, frames)
    _check_names("metadata", metadata, frames)
    tables, said = [], []
    for instrument, frame in frames.items():
        name = instruments.parse(str(instrument))
        rows = rows_of(frame, dataset, name)
        tables.append(pa.concat_tables([rows.schema.empty_table(), *rows.tables]))
        own = covers.get(instrument) if isinstance(covers, Mapping) else covers
        values = (metadata or {}).get(instrument)
        said.append(series_put(str(name), timeframe, covers=own, values=values))
    _check_same_columns(tables, list(frames))
    return put_of_many(tables, said)


def _check_names(what: str, given: Any, frames: Mapping[str, Any]) -> None:
    """Coverage that is given under a misspelled name must not be lost in silence."""
    if not isinstance(given, Mapping):
        return
    for name in given:
        if name not in frames:
            raise BadRequest(
                f"{what} speaks of {shown(name)}, of which there is no frame; give None as the "
                "frame of an instrument without rows."
            )


def _check_same_columns(tables: list[pa.Table], names: list[str]) -> None:
    for table, name in zip(tables, names, strict=True):
        if table.schema != tables[0].schema:
            raise SchemaMismatch(
                f"One put has one set of columns, and {name} has {describe(table.schema)} where "
                f"{names[0]} has {describe(tables[0].schema)}."
            )
