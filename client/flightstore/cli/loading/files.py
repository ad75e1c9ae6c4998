"""Files by their first bytes, and their contents decompressed while they are read."""

from __future__ import annotations

import bz2
import csv
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from flightstore_proto.errors import BadRequest

_MAGIC = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"FEA1": "old feather",
    b"\x1f\x8b": "gz",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
    b"BZh": "bz2",
    b"PK\x03\x04": "zip",
}
_COMPRESSED = {"gz", "xz", "zst", "bz2", "zip"}
# What damaged or foreign bytes make the readers raise.
_UNREADABLE = (
    pa.ArrowInvalid,
    pa.ArrowNotImplementedError,
    pa.ArrowSerializationError,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    UnicodeDecodeError,
    csv.Error,
)


def kind_of(path: Path, wanted: str | None = None) -> str:
    """csv, parquet or arrow: `wanted`, or what the first bytes say."""
    magic = _magic(path)
    if magic == "old feather":
        raise BadRequest(f"{path} is a Feather file of version 1: save it again as version 2.")
    found = magic if magic in ("parquet", "arrow") else "csv"
    kind = {None: found, "feather": "arrow"}.get(wanted, wanted)
    if kind not in ("csv", "parquet", "arrow"):
        raise BadRequest(f"There is no format {wanted!r}: use csv, parquet, feather or arrow.")
    if kind != found:
        raise BadRequest(f"{path} is not a {kind} file; leave out --format.")
    return kind


def _magic(path: Path) -> str | None:
    if not path.is_file():
        raise BadRequest(f"There is no file {path}.")
    with path.open("rb") as stream:
        start = stream.read(8)
    if not start:
        raise BadRequest(f"{path} is empty.")
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what a reader raises on damaged or foreign bytes into a BadRequest that names `path`."""
    try:
        yield
    except _UNREADABLE as error:
        why = str(error).partition("\n")[0]
        raise BadRequest(f"{path} cannot be read: {why}") from error


@contextmanager
def decompressed(path: Path) -> Iterator[tuple[BinaryIO, Any]]:
    """The file `path` itself, whose position shows the progress, and its contents to read."""
    compression = _magic(path)
    with path.open("rb") as raw:
        if compression not in _COMPRESSED:
            yield raw, raw
            return
        with readable(path):
            stream = _stream(raw, compression, path)
        with stream:
            yield raw, stream


def _stream(raw: BinaryIO, compression: str, path: Path) -> Any:
    if compression == "zip":
        return _only_member(zipfile.ZipFile(raw), path)
    if compression == "zst":
        return pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")
    opener: Any = {"gz": gzip.open, "xz": lzma.open, "bz2": bz2.open}[compression]
    return opener(raw, "rb")


def _only_member(archive: zipfile.ZipFile, path: Path) -> Any:
    members = [info for info in archive.infolist() if not info.is_dir()]
    if len(members) != 1:
        raise BadRequest(f"{path} holds {len(members)} files; unpack it and name the one to load.")
    return archive.open(members[0])
