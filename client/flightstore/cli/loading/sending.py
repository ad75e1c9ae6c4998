"""Chunks of rows to the server: a few on their way at a time, coverage last."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from flightstore_proto.timerange import format_ns

_IN_FLIGHT = 3


@dataclass(slots=True)
class Sent:
    """What the server has acknowledged."""

    rows: int = 0
    duplicates: int = 0
    lsn: int = 0
    schema: pa.Schema | None = None  # of the last rows
    pending: deque[Any] = field(default_factory=deque)

    def settle(self, most: int) -> None:
        """Wait until at most `most` writes are unacknowledged."""
        while len(self.pending) > most:
            ack = self.pending.popleft().result()
            self.rows += ack.rows
            self.duplicates += ack.duplicates
            self.lsn = max(self.lsn, ack.lsn)


def chunks(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """`batches` gathered into tables of at least `rows` rows, the last one smaller."""
    gathered: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        gathered.append(batch)
        count += batch.num_rows
        if count >= rows:
            yield pa.Table.from_batches(gathered)
            gathered, count = [], 0
    if count:
        yield pa.Table.from_batches(gathered)


def send(
    writer: Any,
    instrument: str,
    tables: Iterable[pa.Table],
    sent: Sent,
    options: Mapping[str, Any],
) -> None:
    """Write `tables` to `instrument`, a few at a time, and wait until all are acknowledged."""
    for table in tables:
        sent.settle(_IN_FLIGHT - 1)
        sent.pending.append(writer.write(instrument, table, **options))
        sent.schema = table.schema
    sent.settle(0)


def claim(
    writer: Any,
    instrument: str,
    schema: pa.Schema,
    covers: Sequence[tuple[int, int]],
    sent: Sent,
    options: Mapping[str, Any],
) -> None:
    """Declare `covers` complete, in a write of no rows.

    To be called once every row is acknowledged: before, it might not be so.
    """
    ranges = [(format_ns(start), format_ns(end)) for start, end in covers]
    sent.pending.append(writer.write(instrument, schema.empty_table(), covers=ranges, **options))
    sent.settle(0)
