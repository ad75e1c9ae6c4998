"""Bytes written to disk per byte ingested; a byte ingested is one of a row's values.

A day of small writes in order: 1,000 series get one bar a minute, as 1,440 puts of 1,000 series,
and as 1,440,000 puts of one bar. Compaction goes on meanwhile and is included. Then bulk imports.

The store runs in this process under a clock that is told the time. All bytes that it gives to write
calls count (wchar of /proc/self/io): log, segments, merged segments, and SQLite's with its journal.
Nothing is synced, which changes no byte. Puts of one bar are scaled down: a tenth of the series
under a tenth of the limits, so that each series is flushed and merged as often as among 1,000.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import pyarrow as pa

from bench import inputs
from bench.figures import Figure
from bench.floors.counting import Clock, CountingDisk, open_counted, written_by_process
from bench.session import Session
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.received import Put, SeriesRows
from flightstore_server.engine.store import Store

_SERIES, _MINUTES = 1_000, 1_440
_UPKEEP_PUTS = 100  # about as often as the upkeep thread wakes


def run(session: Session) -> Iterator[Figure]:
    minutes = session.pick(_MINUTES, 360)
    yield _measured(
        session, "1,000 series, a put of one bar of each a minute", 5, Limits(), _by_minute(minutes)
    )
    scale = session.pick(10, 40)
    limits = dataclasses.replace(
        Limits(),
        flush_bytes=Limits().flush_bytes // scale,
        flush_records=Limits().flush_records // scale,
        log_file_bytes=Limits().log_file_bytes // scale,
    )
    puts = _one_by_one(_SERIES // scale, _MINUTES)
    yield _measured(session, "1,000 series, a put of one bar each a minute", 5, limits, puts)
    yield _measured(session, "bulk import of bars", 1.1, Limits(), _bulk(inputs.history(), "1m"))
    trades = pa.Table.from_batches([inputs.trades(session.pick(5_000_000, 2_000_000))])
    yield _measured(session, "bulk import of trades", 1.1, Limits(), _bulk(trades, ""))


def _measured(
    session: Session, what: str, at_most: float, limits: Limits, puts: Iterable[Put]
) -> Figure:
    """The figure of one stream of puts, each at the time of its last row."""
    clock = Clock(inputs.START_NS)
    store, disk = open_counted(session.fresh("written"), clock, limits)
    before, ingested = written_by_process(), 0
    for number, put in enumerate(puts):
        clock.now_ns = _last_ts(put)
        store.put(put).result()
        ingested += sum(_value_bytes(batch) for batch in put.batches)
        if number % _UPKEEP_PUTS == 0 or len(put.series) > 1:
            store.upkeep()
    _finish(store)
    written = written_by_process() - before
    return Figure(what, written / ingested, at_most=at_most, note=_parts(disk, written, ingested))


def _finish(store: Store) -> None:
    store.flush()
    store.upkeep()
    store.close()


def _parts(disk: CountingDisk, written: int, ingested: int) -> str:
    log, segments = disk.written["log"], disk.written["tmp"]
    parts = {"log": log, "segments": segments, "catalog": written - log - segments}
    return ", ".join(f"{name} {size / ingested:.2f}" for name, size in parts.items())


def _last_ts(put: Put) -> int:
    return put.batches[-1].column(0)[-1].value


def _value_bytes(batch: pa.RecordBatch) -> int:
    """The bytes of a batch's values, whatever larger buffers they are a part of."""
    return int(batch.nbytes)


def _by_minute(minutes: int) -> Iterator[Put]:
    rows = inputs.bars(minutes, inputs.MINUTE_NS).to_batches()[0]
    names = [f"bench:S{number:04}/USD" for number in range(_SERIES)]
    for minute in range(minutes):
        bar = rows.slice(minute, 1)
        together = pa.concat_batches([bar] * _SERIES)
        yield Put("candles", [together], [SeriesRows(name, "1m", 1) for name in names], minute + 1)


def _one_by_one(series: int, minutes: int) -> Iterator[Put]:
    rows = inputs.bars(minutes, inputs.MINUTE_NS).to_batches()[0]
    names = [f"bench:S{number:04}/USD" for number in range(series)]
    for minute in range(minutes):
        bar = rows.slice(minute, 1)
        for number, name in enumerate(names):
            said = [SeriesRows(name, "1m", 1)]
            yield Put("candles", [bar], said, minute * series + number + 1)


def _bulk(table: pa.Table, timeframe: str) -> Iterator[Put]:
    """Puts of 48 MB, as the client cuts a large frame."""
    rows = 48_000_000 * table.num_rows // table.nbytes
    dataset = "candles" if timeframe else "trades"
    for number, batch in enumerate(table.combine_chunks().to_batches(max_chunksize=rows)):
        said = [SeriesRows("bench:BULK/USD", timeframe, batch.num_rows)]
        yield Put(dataset, [batch], said, number + 1)
