"""A file as a stream of record batches, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from flightstore.cli.loading.csv_files import CsvFile
from flightstore.cli.loading.files import kind_of, readable
from flightstore_proto.errors import BadRequest
from flightstore_proto.schemas import BATCH_ROWS_MAX

# What to parse a column as, by its name in the file; None leaves it to the file.
Types = Mapping[str, pa.DataType | None]


class Source(Protocol):
    """The columns of a file, its first rows, and all of its rows."""

    path: Path
    columns: list[str]
    sample: pa.Table
    total: int  # what the second part of `batches` counts up to

    def batches(self, types: Types) -> Iterator[tuple[pa.RecordBatch, int]]:
        """The columns named in `types`, batch by batch, and how much of the file is read."""
        ...


def open_source(path: Path, dataset: str, wanted: str | None = None) -> Source:
    """The file `path` of format `wanted`, or of the one that its first bytes show."""
    kind = kind_of(path, wanted)
    if kind == "csv":
        return CsvFile(path, dataset)
    with readable(path):
        return ParquetSource(path) if kind == "parquet" else ArrowSource(path)


class ParquetSource:
    """A Parquet file; progress counts its rows."""

    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        self.path = path
        # Without buffering whole row groups, which some writers make as large as the file.
        self._file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
        self.columns = list(self._file.schema_arrow.names)
        self.total = self._file.metadata.num_rows
        self.sample = _first_rows(self._file.iter_batches(1000), self._file.schema_arrow)

    def batches(self, types: Types) -> Iterator[tuple[pa.RecordBatch, int]]:
        done = 0
        with readable(self.path):
            for batch in self._file.iter_batches(BATCH_ROWS_MAX, columns=list(types)):
                done += batch.num_rows
                yield batch, done


class ArrowSource:
    """A Feather or Arrow file; progress counts its batches."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = pa.ipc.open_file(pa.memory_map(str(path)))
        self.columns = list(self._file.schema.names)
        self.total = self._file.num_record_batches
        self.sample = _first_rows(iter(self._all()), self._file.schema)

    def _all(self) -> Iterator[pa.RecordBatch]:
        return (self._file.get_batch(i) for i in range(self.total))

    def batches(self, types: Types) -> Iterator[tuple[pa.RecordBatch, int]]:
        with readable(self.path):
            for done, batch in enumerate(self._all(), start=1):
                yield batch.select(list(types)), done


def _first_rows(batches: Iterator[Any], schema: pa.Schema) -> pa.Table:
    if len(set(schema.names)) != len(schema.names):
        raise BadRequest("The file has two columns of one name.")
    first = next(batches, None)
    found = [] if first is None else [first.slice(0, 1000)]
    return pa.Table.from_batches(found, schema)
