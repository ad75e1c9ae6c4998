"""A segment's index: where each of its record batches lies, what it spans, and its checksum.

Kept in the catalog beside the file's name, so that a segment opens without parsing its footer, and
a read touches only the batches it needs. 36 bytes per batch of at most 64 Ki rows.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_ENTRY = struct.Struct("<QIIqqI")


class BatchEntry(NamedTuple):
    """One record batch of a segment file."""

    offset: int  # of the encapsulated IPC message in the file
    size: int  # of the message, metadata and body
    rows: int
    first_ts: int
    last_ts: int
    crc: int  # CRC-32C of the message


def encode(entries: list[BatchEntry]) -> bytes:
    return b"".join(_ENTRY.pack(*entry) for entry in entries)


def decode(data: bytes) -> list[BatchEntry]:
    return [BatchEntry(*values) for values in _ENTRY.iter_unpack(data)]
