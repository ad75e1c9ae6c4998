"""CRC-32C over every byte kept: log groups, segment batches, whole files."""

from __future__ import annotations

from collections.abc import Iterable

import crc32c
import pyarrow as pa


def crc(data: bytes | memoryview | pa.Buffer, start: int = 0) -> int:
    """CRC-32C of `data`, continuing from `start`."""
    return int(crc32c.crc32c(data, start))


def crc_of(pieces: Iterable[bytes | memoryview | pa.Buffer], start: int = 0) -> int:
    """CRC-32C of `pieces` laid end to end, continuing from `start`."""
    for piece in pieces:
        start = crc32c.crc32c(piece, start)
    return int(start)
