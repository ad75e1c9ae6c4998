"""Puts: rows cut into batches that travel well, and commits that say what they were."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from flightstore._requests import choice, covered, message, metadata
from flightstore._rows import Rows
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto import timeframe as timeframes
from flightstore_proto.errors import BadRequest, BadTimeframe
from flightstore_proto.schemas import BATCH_BYTES_MAX, BATCH_ROWS_MAX

# A put is held in memory by the server until it is committed.
PUT_BYTES_MAX = 48 * 1024 * 1024
_GRIDS = {"timeframe": pb.SeriesPut.GRID_TIMEFRAME, "free": pb.SeriesPut.GRID_FREE}


@dataclass(slots=True)
class Put:
    """What one commit makes visible, all or nothing. Sent again it keeps its `put_id`."""

    batches: list[pa.RecordBatch]
    series: list[pb.SeriesPut]
    nbytes: int
    put_id: int = field(default_factory=lambda: secrets.randbits(64) or 1)

    @property
    def schema(self) -> pa.Schema:
        return self.batches[0].schema

    @property
    def rows(self) -> int:
        return sum(batch.num_rows for batch in self.batches)

    def commit(self) -> bytes:
        """The metadata of the put's last batch."""
        commit = pb.PutCommit(put_id=self.put_id, rows=self.rows, series=self.series)
        encoded: bytes = commit.SerializeToString()
        return encoded


def check_timeframe(dataset: str, timeframe: str | None) -> None:
    """Raise BadTimeframe unless rows of `dataset` can have `timeframe`."""
    if timeframe:
        timeframes.parse(timeframe)
    elif dataset == "candles":
        raise BadTimeframe("Candles need a timeframe: write(..., timeframe='1m').")


def series_put(
    instrument: str,
    timeframe: str | None,
    *,
    covers: Any = None,
    values: Mapping[str, str] | None = None,
    grid: str = "timeframe",
    key: str = "ts",
) -> pb.SeriesPut:
    """What a commit says about one series, its rows not counted yet."""
    return message(
        pb.SeriesPut,
        instrument=instrument,
        timeframe=timeframe or "",
        covers=covered(covers),
        metadata=metadata(values),
        grid=_GRIDS[choice("grid", grid, tuple(_GRIDS))],
        key="" if choice("key", key, ("ts", "ts,id")) == "ts" else key,
    )


def puts_of(rows: Rows, said: pb.SeriesPut) -> Iterator[Put]:
    """`rows` of one series as puts of at most PUT_BYTES_MAX.

    Coverage and metadata go with the last put only: coverage says that nothing is missing, which
    is not true before all rows have arrived.
    """
    batches = (batch for table in rows.tables for batch in cut(table))
    groups = _grouped(batches)
    current = next(groups, None) or ([_no_rows(rows.schema)], 0)
    for following in groups:
        bare = pb.SeriesPut()
        bare.CopyFrom(said)
        bare.ClearField("covers")
        bare.ClearField("metadata")
        yield _put(current, bare)
        current = following
    yield _put(current, said)


def put_of_many(tables: list[pa.Table], said: list[pb.SeriesPut]) -> Put:
    """The rows of several series, in the order of `said`, as one put."""
    for series, table in zip(said, tables, strict=True):
        series.rows = table.num_rows
    together = pa.concat_tables(tables)
    size = together.nbytes
    if size > PUT_BYTES_MAX:
        raise BadRequest(
            f"{size:,} bytes are too much for one put, which is all or nothing: write "
            f"fewer instruments at a time, at most {PUT_BYTES_MAX:,} bytes."
        )
    batches = [batch for batch, _ in cut(together)]
    return Put(batches or [_no_rows(together.schema)], said, size)


def cut(table: pa.Table) -> Iterator[tuple[pa.RecordBatch, int]]:
    """`table` in batches of at most BATCH_ROWS_MAX rows and BATCH_BYTES_MAX bytes, with their size.

    Asking Arrow for a size costs more than sending a row, so it is asked once per batch.
    """
    if not table.num_rows:
        return
    size = table.nbytes
    if size <= BATCH_BYTES_MAX and table.num_rows <= BATCH_ROWS_MAX:
        whole = table.to_batches()
        if len(whole) == 1:
            yield whole[0], size
            return
    rows = max(1, min(BATCH_ROWS_MAX, BATCH_BYTES_MAX * table.num_rows // max(size, 1)))
    batches = table.to_batches(max_chunksize=rows)
    # Frames are often built from thousands of small pieces, each of which would cost a message.
    if len(batches) > 2 + 2 * table.num_rows // rows:
        batches = table.combine_chunks().to_batches(max_chunksize=rows)
    for batch in batches:
        yield from _halved(batch)


def _halved(batch: pa.RecordBatch) -> Iterator[tuple[pa.RecordBatch, int]]:
    """`batch`, halved until each part is small enough: rows of text differ in size."""
    size = batch.nbytes
    if size <= BATCH_BYTES_MAX or batch.num_rows < 2:
        yield batch, size
        return
    middle = batch.num_rows // 2
    yield from _halved(batch.slice(0, middle))
    yield from _halved(batch.slice(middle))


def _grouped(
    batches: Iterable[tuple[pa.RecordBatch, int]],
) -> Iterator[tuple[list[pa.RecordBatch], int]]:
    """`batches` in groups of at most PUT_BYTES_MAX, with the size of each."""
    group: list[pa.RecordBatch] = []
    total = 0
    for batch, size in batches:
        if group and total + size > PUT_BYTES_MAX:
            yield group, total
            group, total = [], 0
        group.append(batch)
        total += size
    if group:
        yield group, total


def _put(group: tuple[list[pa.RecordBatch], int], said: pb.SeriesPut) -> Put:
    batches, size = group
    put = Put(batches, [said], size)
    said.rows = put.rows
    return put


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema)
