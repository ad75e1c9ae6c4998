"""What to do when the log no longer reaches back to where a stream broke off.

The rows are read again from the last time that was delivered of each series, and what was delivered
before is left out. Changes that were made in between to older rows cannot be told any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from flightstore._identity import Runs
from flightstore._live.times import Times

Row = tuple[Any, ...]


class Frontier:
    """The newest time that was delivered of every series, and its rows."""

    def __init__(self, dataset: str) -> None:
        self._dataset = dataset
        self._newest: dict[str, tuple[int, list[Row]]] = {}

    @property
    def lowest(self) -> int | None:
        """The earliest of the newest times; None if nothing was delivered."""
        return min((ts for ts, _ in self._newest.values()), default=None)

    def note(self, batch: pa.RecordBatch, runs: Runs) -> None:
        """`batch` is delivered."""
        ts = Times(batch)
        found: list[tuple[str, range]] = []
        for name, start, end in runs.spans():
            newest = ts[end - 1]
            if name not in self._newest or newest >= self._newest[name][0]:
                found.append((name, range(ts.first_at(newest, start, end), end)))
        rows = _rows(batch, [row for _, own in found for row in own])
        replaces = self._dataset != "trades" and "id" not in batch.schema.names
        for name, own in found:
            newest, values = ts[own.start], [next(rows) for _ in own]
            known, earlier = self._newest.get(name, (None, []))
            # Where a series has one row of a time, this one takes the place of the last.
            kept = [] if replaces or known != newest else earlier
            self._newest[name] = (newest, kept + values)

    def forget(self, instrument: str) -> None:
        """The whole series is deleted: what comes under its name is new."""
        self._newest.pop(instrument, None)

    def bridge(self) -> Bridge:
        """For a history that begins at or before `lowest`."""
        return Bridge({name: (ts, Counter(rows)) for name, (ts, rows) in self._newest.items()})


class Bridge:
    """Leaves out of a history what was delivered before it: older rows, and the newest ones."""

    def __init__(self, delivered: dict[str, tuple[int, Counter[Row]]]) -> None:
        self._delivered = delivered

    def unseen(self, batch: pa.RecordBatch, runs: Runs) -> tuple[pa.RecordBatch, Runs]:
        """The rows of `batch` that were not delivered, and whose they are."""
        ts, names = Times(batch), list[str]()
        kept, rows = Runs(names), list[int]()
        for name, start, end in runs.spans():
            if own := self._unseen(name, batch, ts, start, end):
                kept.ordinals.append(len(names))
                kept.rows.append(len(own))
                names.append(name)
                rows += own
        return batch.take(pa.array(rows, pa.int64())), kept

    def _unseen(
        self, name: str, batch: pa.RecordBatch, ts: Times, start: int, end: int
    ) -> list[int]:
        if name not in self._delivered:
            return list(range(start, end))
        newest, rows = self._delivered[name]
        again = range(ts.first_at(newest, start, end), ts.first_after(newest, start, end))
        changed = [
            row for row, values in zip(again, _rows(batch, again), strict=True)
            if not _taken(rows, values)
        ]  # fmt: skip
        return [*changed, *range(again.stop, end)]


def _taken(rows: Counter[Row], values: Row) -> bool:
    """Whether `values` were among `rows`, from which they are then gone."""
    if not rows[values]:
        return False
    rows[values] -= 1
    return True


def _rows(batch: pa.RecordBatch, positions: range | list[int]) -> Iterator[Row]:
    """The values beside `ts` of the rows at `positions`."""
    if not positions:
        return iter(())
    taken = batch.drop_columns(["ts"]).take(pa.array(positions, pa.int64()))
    if not taken.num_columns:
        return iter([()] * len(positions))
    columns = [_plain(column).to_pylist() for column in taken.columns]
    return zip(*columns, strict=True)


def _plain(column: pa.Array) -> pa.Array:
    # Nanoseconds as Python's own times would need pandas.
    return column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
