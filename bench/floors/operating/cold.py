"""zstd for cold segments: what it saves and what it costs, on recorded data.

The Bitfinex minute bars of $FLIGHTSTORE_TEST_DATA in two directories, of which one is compacted to
compress what is older than a day: sizes of their segments and the time that compaction took, in
this process; then, from two servers, the times of reads. Skipped, with a line that says so, where
the data are not there.
"""

from __future__ import annotations

import dataclasses
import lzma
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv

import flightstore as fs
from bench.figures import Figure, compared, in_ms
from bench.measure import interleaved, ratio
from bench.processes import flightstore
from bench.session import Session
from flightstore_proto.schemas import CANDLES
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.received import Put, SeriesRows
from flightstore_server.engine.store import Store
from flightstore_server.storage.files import open_root

Frames = dict[str, pa.Table]


def run(session: Session) -> Iterator[Figure]:
    folder = Path(os.environ.get("FLIGHTSTORE_TEST_DATA", "")) / "bitfinex"
    if "FLIGHTSTORE_TEST_DATA" not in os.environ or not folder.is_dir():
        print("cold: skipped, FLIGHTSTORE_TEST_DATA does not name the recorded market data")
        return
    frames = dict(_recorded(folder))
    plain_dir, cold_dir = session.fresh("plain"), session.fresh("cold")
    bytes_plain, _ = _stored(plain_dir, frames, cold_days=0)
    bytes_cold, seconds = _stored(cold_dir, frames, cold_days=1)
    rows = sum(map(len, frames.values()))
    yield Figure(
        "size of compressed segments, of plain ones'",
        bytes_cold / bytes_plain,
        note=f"{rows:,} rows, {bytes_plain / 1e6:.0f} MB and {bytes_cold / 1e6:.0f} MB",
    )
    yield Figure(
        "rate of compressing them", bytes_plain / 1e6 / seconds, "MB/s", note=f"{seconds:.2f} s"
    )
    largest = max(frames, key=lambda name: len(frames[name]))
    with (
        flightstore(plain_dir) as plain,
        flightstore(cold_dir) as cold,
        plain.client() as plain_db,
        cold.client() as cold_db,
    ):
        yield from _reads(session, largest, plain_db, cold_db)


def _recorded(folder: Path) -> Iterator[tuple[str, pa.Table]]:
    for file in sorted(folder.glob("*_1m_*.csv.xz")):
        symbol = file.name.partition("_")[0]
        with lzma.open(file) as text:
            table = csv.read_csv(text)
        times = table.column("ts").cast(pa.timestamp("ms", "UTC")).cast(CANDLES.field("ts").type)
        others = [table.column(name).cast(pa.float64()) for name in CANDLES.names[1:]]
        yield (
            f"bitfinex:{symbol[:3]}/{symbol[3:]}",
            pa.Table.from_arrays([times, *others], schema=CANDLES),
        )


def _stored(folder: Path, frames: Frames, *, cold_days: float) -> tuple[int, float]:
    """Bytes of segments once everything is written and merged; seconds the merging took."""
    limits = dataclasses.replace(Limits(), cold_age_days=cold_days)
    store = Store(open_root(folder), limits, upkeep_thread=False)
    for name, table in frames.items():
        for batch in table.combine_chunks().to_batches(max_chunksize=1_000_000):
            said = [SeriesRows(name, "1m", batch.num_rows)]
            store.put(Put("candles", [batch], said)).result()
    store.flush()
    start = time.perf_counter()
    store.compact(full=False)
    seconds = time.perf_counter() - start
    with store.state.lock:
        segments = [s for series in store.state.names.by_id.values() for s in series.segments]
    store.close()
    return sum(segment.size for segment in segments), seconds


def _reads(session: Session, name: str, plain: fs.Client, cold: fs.Client) -> Iterator[Figure]:
    for what, options in {"whole history": {}, "last 100 rows": {"tail": 100}}.items():
        taken = interleaved(
            session.pick(15, 5),
            {
                "plain": lambda o=options: plain.candles(name, "1m", **o),
                "cold": lambda o=options: cold.candles(name, "1m", **o),
            },
        )
        yield compared(
            f"time of a read ({what}) from compressed segments, of plain ones'",
            ratio(taken["cold"], taken["plain"]),
            note=in_ms(**taken),
        )
