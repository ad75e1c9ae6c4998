"""Ids: handed out once, before the log record that uses them is durable.

A new series, or a new or wider dataset, is reserved while its first put is being prepared, so that
two writers who arrive together agree on it. Both then log the definition; applying it twice is
harmless.
"""

from __future__ import annotations

import threading

import pyarrow as pa

from flightstore_proto.errors import BadRequest, SchemaMismatch
from flightstore_proto.schemas import BUILT_IN, COLUMNS_MAX, check_flat, describe
from flightstore_server.engine.series import Dataset

SeriesKey = tuple[int, str, str]


class Reservations:
    """Counters of dataset, series and segment ids, and what is reserved but not yet durable."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_dataset = 1
        self._next_series = 1
        self._next_segment = 1
        self._series: dict[SeriesKey, int] = {}
        self._datasets: dict[str, Dataset] = {}

    def start_after(self, dataset: int, series: int, segment: int) -> None:
        """The first ids to hand out; never lowers a counter."""
        with self._lock:
            self._next_dataset = max(self._next_dataset, dataset)
            self._next_series = max(self._next_series, series)
            self._next_segment = max(self._next_segment, segment)

    def segment(self) -> int:
        with self._lock:
            number = self._next_segment
            self._next_segment += 1
            return number

    def first_unused_segment(self) -> int:
        return self._next_segment

    def series(self, key: SeriesKey, *, gone: set[int]) -> int:
        """The id reserved for a series that does not exist yet. `gone` ids are not used again."""
        with self._lock:
            known = self._series.get(key)
            if known is not None and known not in gone:
                return known
            self._series[key] = self._next_series
            self._next_series += 1
            return self._series[key]

    def dataset(
        self, name: str, known: Dataset | None, schema: pa.Schema, key: str
    ) -> tuple[Dataset, bool]:
        """The dataset for rows of `schema`, and whether its definition must be logged.

        `known` is the durable one, if any. Raises SchemaMismatch if the rows do not fit it.
        """
        with self._lock:
            reserved = self._datasets.get(name)
            current = _wider(known, reserved)
            if current is None:
                made = Dataset(self._next_dataset, name, *_first_schema(name, schema, key))
                self._next_dataset += 1
            else:
                wider = _widened(current, schema)
                if wider is current.schema:
                    return current, current is not known
                made = Dataset(current.id, name, wider, current.key_has_id)
            self._datasets[name] = made
            return made, True


def _wider(known: Dataset | None, reserved: Dataset | None) -> Dataset | None:
    if known is None or reserved is None:
        return known or reserved
    if reserved.id != known.id:  # a rule was faster to make it
        return known
    return reserved if len(reserved.schema) > len(known.schema) else known


def _first_schema(name: str, schema: pa.Schema, key: str) -> tuple[pa.Schema, bool]:
    if name in BUILT_IN:
        require_same_columns(name, schema, BUILT_IN[name])
        return BUILT_IN[name], name == "trades"
    check_flat(schema)
    if key not in ("", "ts", "ts,id"):
        raise BadRequest(f"{key!r} is not a key; a dataset's key is 'ts' or 'ts,id'.")
    has_id = key == "ts,id"
    if has_id and (schema.get_field_index("id") < 0 or schema.field("id").type != pa.utf8()):
        raise SchemaMismatch(f"The key 'ts,id' of {name!r} needs a utf8 column 'id'.")
    required = {"ts", "id"} if has_id else {"ts"}
    return pa.schema([pa.field(f.name, f.type, f.name not in required) for f in schema]), has_id


def require_same_columns(name: str, schema: pa.Schema, expected: pa.Schema) -> None:
    """Raise SchemaMismatch unless both have the same names and types in the same order."""
    if schema.names != expected.names or schema.types != expected.types:
        raise SchemaMismatch(f"{name} are {describe(expected)}; got {describe(schema)}.")


def _widened(dataset: Dataset, schema: pa.Schema) -> pa.Schema:
    """The dataset's schema, with the columns of `schema` that are new to it behind its own."""
    if schema.equals(dataset.schema):
        return dataset.schema
    if schema.names == dataset.schema.names and schema.types == dataset.schema.types:
        return dataset.schema
    if dataset.name in BUILT_IN:
        require_same_columns(dataset.name, schema, dataset.schema)
    check_flat(schema)
    added = []
    for field in schema:
        at = dataset.schema.get_field_index(field.name)
        if at < 0:
            added.append(pa.field(field.name, field.type))
        elif dataset.schema.field(at).type != field.type:
            raise SchemaMismatch(
                f"Column {field.name!r} of dataset {dataset.name!r} is "
                f"{dataset.schema.field(at).type}; got {field.type}."
            )
    for field in dataset.schema:
        if not field.nullable and schema.get_field_index(field.name) < 0:
            raise SchemaMismatch(f"Dataset {dataset.name!r} needs the column {field.name!r}.")
    if len(dataset.schema) + len(added) > COLUMNS_MAX:
        raise SchemaMismatch(
            f"Dataset {dataset.name!r} has {len(dataset.schema)} columns and would get "
            f"{len(added)} more, and {COLUMNS_MAX} are the most; write them to another dataset."
        )
    return pa.schema([*dataset.schema, *added]) if added else dataset.schema


def conform(rows: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """`rows` with the columns of `schema` in its order, nulls where it has none."""
    if rows.schema.equals(schema):
        return rows
    if rows.schema.names == schema.names:
        return pa.RecordBatch.from_arrays(rows.columns, schema=schema)
    columns = []
    for field in schema:
        at = rows.schema.get_field_index(field.name)
        columns.append(pa.nulls(len(rows), field.type) if at < 0 else rows.column(at))
    return pa.RecordBatch.from_arrays(columns, schema=schema)
