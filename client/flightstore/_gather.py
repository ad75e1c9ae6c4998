"""Rows written one at a time, gathered into one put while an earlier one is under way.

A message costs both sides the same whether it carries one row or a thousand. So a writer of single
rows sends the first at once, and what it writes until that is acknowledged goes together in the
next: no row waits for anything but the one before it, and a fast writer pays for few messages.
"""

from __future__ import annotations

from concurrent.futures import Future

import pyarrow as pa

from flightstore._acks import WriteAck
from flightstore._puts import Put
from flightstore_proto import flightstore_pb2 as pb

ROWS_MAX = 1_000


class Gathered:
    """Single rows of any series of one dataset, and who waits for them."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], list[pa.RecordBatch]] = {}
        self._said: dict[tuple[str, str], pb.SeriesPut] = {}
        self.waiting: list[Future[WriteAck]] = []

    def __len__(self) -> int:
        return len(self.waiting)

    def add(self, row: pa.RecordBatch, said: pb.SeriesPut) -> Future[WriteAck]:
        """Take one row along; a later row of the same series and key wins, as it would alone."""
        ack: Future[WriteAck] = Future()
        ack.set_running_or_notify_cancel()
        key = (said.instrument, said.timeframe)
        known = self._said.setdefault(key, said)
        if known is not said:
            known.covers.extend(said.covers)
            known.metadata.update(said.metadata)
        self._rows.setdefault(key, []).append(row)
        self.waiting.append(ack)
        return ack

    def put(self) -> Put:
        """All of it as one put: a commit names each series once, its rows together."""
        for key, rows in self._rows.items():
            self._said[key].rows = len(rows)
        together = pa.concat_batches([row for rows in self._rows.values() for row in rows])
        return Put([together], list(self._said.values()), together.nbytes)
