"""Bulk puts: rows that go straight into segments, so that history is written to disk once.

The files are complete and durable before the log names them; the log record is what makes them part
of the store. A crash in between leaves files that nothing names, which the next start removes.
"""

from __future__ import annotations

import pyarrow as pa

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto import instrument as instruments
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.names import Names
from flightstore_server.engine.periods import split
from flightstore_server.engine.reservations import Reservations
from flightstore_server.engine.series import Dataset, Segments, Series, parse_timeframe
from flightstore_server.engine.state import message_of
from flightstore_server.storage.files import Files
from flightstore_server.storage.segment.writer import SegmentName, write_segment


class BulkWriter:
    """Writes the rows of large puts as segments."""

    def __init__(self, files: Files, reservations: Reservations, limits: Limits) -> None:
        self._files = files
        self._reservations = reservations
        self._limits = limits

    def wants(self, rows: pa.RecordBatch, runs: int) -> bool:
        """Whether a put of `rows` for `runs` series is large enough."""
        if rows.num_rows * 8 * rows.num_columns < self._limits.bulk_put_bytes_min // 4:
            return False  # cheaper to tell than the exact size, and nearly always enough
        size: int = rows.nbytes
        limits = self._limits
        return size >= limits.bulk_put_bytes_min and size // runs >= limits.bulk_run_bytes_min

    def write(
        self, message: pb.LogPut, rows: pa.RecordBatch, names: Names, dataset: Dataset
    ) -> None:
        """Write the rows of every run and name the files in `message`."""
        start = 0
        for run in message.runs:
            series = names.by_id.get(run.series) or defined_series(run, dataset)
            part = rows.slice(start, run.rows)
            start += run.rows
            for segment in self._write_run(series, part):
                run.segments.append(segment)

    def _write_run(self, series: Series, rows: pa.RecordBatch) -> list[pb.LogSegment]:
        return [message_of(segment) for segment in self.write_rows(series, rows, lsn=0)]

    def write_rows(self, series: Series, rows: pa.RecordBatch, lsn: int) -> Segments:
        """The rows of one series as durable segments that nothing names yet."""
        written = []
        for label, batches in split([rows], series.unit, rows_max=self._limits.segment_rows_max):
            name = SegmentName(self._reservations.segment(), series.identity, label)
            written.append(write_segment(self._files, name, batches, max_lsn=lsn))
        return tuple(written)


def defined_series(run: pb.LogRun, dataset: Dataset) -> Series:
    """The series that `run` defines, not yet part of the store."""
    return Series(
        run.series,
        dataset,
        instruments.parse(run.define.instrument),
        parse_timeframe(run.define.timeframe),
        run.define.free_grid,
    )
