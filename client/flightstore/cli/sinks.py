"""Files that `export` writes: CSV (plain, gzip, xz, zstd), Parquet, Feather and Arrow.

A file appears under its name complete or not at all: it grows under another name beside it.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

from flightstore.cli.csv_text import CsvText
from flightstore_proto.errors import BadRequest, did_you_mean, near

_BY_SUFFIX = {
    ".csv": "csv",
    ".csv.gz": "csv.gz",
    ".csv.xz": "csv.xz",
    ".csv.zst": "csv.zst",
    ".parquet": "parquet",
    ".feather": "feather",
    ".arrow": "arrow",
}
FORMATS = tuple(_BY_SUFFIX.values())


class Sink(Protocol):
    """Takes record batches, one after another."""

    def write(self, batch: pa.RecordBatch) -> None: ...

    def close(self) -> None: ...


def format_of(out: str, wanted: str | None) -> str:
    """The format to write: `wanted`, or what the suffix of `out` says."""
    if wanted is not None:
        if wanted not in FORMATS:
            hint = did_you_mean(near(wanted, FORMATS))
            raise BadRequest(f"There is no format {wanted!r}: use {', '.join(FORMATS)}.{hint}")
        return wanted
    if out == "-":
        return "csv"
    name = Path(out).name.lower()
    for suffix, kind in sorted(_BY_SUFFIX.items(), key=lambda item: -len(item[0])):
        if name.endswith(suffix):
            return kind
    raise BadRequest(
        f"The name {out!r} does not say what to write: end it in {', '.join(_BY_SUFFIX)}, "
        "or give --format."
    )


@contextmanager
def opened(target: BinaryIO, kind: str, schema: pa.Schema) -> Iterator[Sink]:
    """A sink of format `kind` that writes to `target`; complete when the block ends well."""
    with ExitStack() as stack:
        if kind.startswith("csv"):
            yield CsvText(stack.enter_context(_compressed(target, kind)), schema)
        else:
            writer = _Columnar(target, kind, schema)
            stack.callback(writer.close)
            yield writer


@contextmanager
def _compressed(target: BinaryIO, kind: str) -> Iterator[Any]:
    if kind == "csv.gz":
        with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=6, filename="") as stream:
            yield stream
    elif kind == "csv.xz":
        with lzma.LZMAFile(target, "wb", preset=6) as stream:
            yield stream
    elif kind == "csv.zst":
        with pa.CompressedOutputStream(pa.PythonFile(_KeptOpen(target), "w"), "zstd") as stream:
            yield stream
    else:
        yield target


class _KeptOpen(io.RawIOBase):
    """`target` for a writer that would close it with itself."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._target.write(data)


class _Columnar:
    """Parquet, or Arrow's own file format (compressed in .feather, mappable in .arrow)."""

    def __init__(self, target: BinaryIO, kind: str, schema: pa.Schema) -> None:
        self._writer: Any
        if kind == "parquet":
            from pyarrow import parquet

            self._writer = parquet.ParquetWriter(target, schema, compression="zstd")
        else:
            codec = "zstd" if kind == "feather" else None
            options = pa.ipc.IpcWriteOptions(compression=codec)
            self._writer = pa.ipc.new_file(target, schema, options=options)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def close(self) -> None:
        self._writer.close()


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` when the block ends without an error."""
    final = path.resolve()  # a symbolic link stays one
    if final.exists() and not final.is_file():  # a device or a pipe cannot be replaced
        with final.open("wb") as stream:
            yield stream
        return
    growing = final.with_name(f".{final.name}.{os.getpid()}.part")
    try:
        with growing.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        growing.replace(final)
    finally:
        with suppress(FileNotFoundError):
            growing.unlink()
