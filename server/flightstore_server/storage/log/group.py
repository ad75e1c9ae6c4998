"""The log's bytes: groups of records, each group written and synced as one.

    file    "FSLOG001"  then groups
    group   u32 payload bytes | u32 CRC-32C of the payload | u64 first LSN | u32 records
            | u32 CRC-32C of the 20 bytes before | payload
    payload records, each: u32 header bytes | u32 body bytes | LogRecord, padded to 8 | body

All numbers are little-endian; bodies are packed columns, a multiple of 8 bytes. Records of a group
have consecutive LSNs. The group is the unit of tearing: the next one is written only after this one
is on the disk, so a bad group with a good one after it is damage, and never a torn write.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from flightstore_server.storage.checksum import crc, crc_of

FILE_MAGIC = b"FSLOG001"
_HEAD = struct.Struct("<IIQI")
_HEAD_CRC = struct.Struct("<I")
HEADER_BYTES = _HEAD.size + _HEAD_CRC.size
_RECORD = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Record:
    """One logged change: its header (a serialised LogRecord) and its packed rows."""

    header: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as read back; `body_offset` and `body_bytes` lie in `data`."""

    lsn: int
    header: bytes
    data: pa.Buffer
    body_offset: int
    body_bytes: int

    @property
    def body(self) -> pa.Buffer:
        """Its packed rows."""
        return self.data.slice(self.body_offset, self.body_bytes)


@dataclass(frozen=True, slots=True)
class GroupHead:
    payload_bytes: int
    payload_crc: int
    first_lsn: int
    records: int


def encode(first_lsn: int, records: Sequence[Record]) -> list[bytes]:
    """The group of `records` as pieces to be written one after another."""
    payload: list[bytes] = []
    for record in records:
        payload.append(_RECORD.pack(len(record.header), len(record.body)))
        payload.append(record.header + b"\0" * (-len(record.header) & 7))
        payload.append(record.body)
    size = sum(map(len, payload))
    head = _HEAD.pack(size, crc_of(payload), first_lsn, len(records))
    return [head, _HEAD_CRC.pack(crc(head)), *payload]


def read_head(data: memoryview, offset: int) -> GroupHead | None:
    """The group header at `offset`, or None if there is no intact one."""
    end = offset + _HEAD.size
    if end + _HEAD_CRC.size > len(data):
        return None
    if _HEAD_CRC.unpack_from(data, end)[0] != crc(data[offset:end]):
        return None
    return GroupHead(*_HEAD.unpack_from(data, offset))


def payload_is_intact(data: memoryview, offset: int, head: GroupHead) -> bool:
    """Whether the payload behind the header at `offset` is whole and matches its checksum."""
    start = offset + HEADER_BYTES
    end = start + head.payload_bytes
    return end <= len(data) and crc(data[start:end]) == head.payload_crc


def records(data: pa.Buffer, offset: int, head: GroupHead) -> Iterator[StoredRecord]:
    """The records of an intact group whose header is at `offset`."""
    view = memoryview(data)
    position = offset + HEADER_BYTES
    for lsn in range(head.first_lsn, head.first_lsn + head.records):
        header_bytes, body_bytes = _RECORD.unpack_from(view, position)
        position += _RECORD.size
        header = bytes(view[position : position + header_bytes])
        position += header_bytes + (-header_bytes & 7)
        yield StoredRecord(lsn, header, data, position, body_bytes)
        position += body_bytes
