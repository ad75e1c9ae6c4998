"""What a replica needs of its primary, and in which pieces it arrives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from flightstore_server.storage.log.group import StoredRecord


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file, from `offset` on. The pieces of a file come in order, files one by one."""

    file: str
    offset: int
    data: pa.Buffer


@dataclass(frozen=True, slots=True)
class Copy:
    """The state after record `lsn`: its files, of which the catalog comes last."""

    lsn: int
    files: int
    bytes: int
    pieces: Iterator[Piece]


@dataclass(frozen=True, slots=True)
class Shipment:
    """Log records that follow each other, perhaps none, and the primary's newest LSN."""

    last_lsn: int
    records: Sequence[StoredRecord]


class Primary(Protocol):
    """A primary, wherever it is. Raises Unavailable while it cannot be reached."""

    @property
    def uri(self) -> str: ...

    def copy(self) -> Copy:
        """A consistent state."""

    def follow(self, after_lsn: int) -> Iterator[Shipment]:
        """Every record after `after_lsn`, for ever; empty shipments while there is none.

        Raises Lagged if the primary's log no longer reaches that far back.
        """

    def segment(self, file: str) -> Iterator[Piece]:
        """The segment file that a record names."""

    def cancel(self) -> None:
        """Have follow() end soon, which may be waiting in another thread."""
