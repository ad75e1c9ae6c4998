"""Repair: makes a damaged directory open again, and says what was done and what was lost.

An explicit act on a directory that no server has open; never part of a start. It keeps everything
whose checksum is right, and moves what it takes out into damaged/, so nothing is ever deleted.

    catalog  damaged or missing: rebuilt from the segments; catalog_rebuild.py says what that loses
    log      damaged or with a hole: everything before it is kept, see log_repair.py
    segments damaged or missing: their good batches are kept, see segment_repair.py

It ends by opening the store and verifying all of it. Interrupted, it may be run again.
"""

from __future__ import annotations

from collections.abc import Iterator

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import Corrupt, DataDirError
from flightstore_server.engine import flush
from flightstore_server.engine.bulk import defined_series
from flightstore_server.engine.catalog_rebuild import rebuild
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.log_repair import repair_log
from flightstore_server.engine.recovery import apply_record, record_of, restore
from flightstore_server.engine.reservations import Reservations
from flightstore_server.engine.segment_repair import Loss, SegmentMender, sentence_of
from flightstore_server.engine.series import Dataset, Segments
from flightstore_server.engine.state import State, message_of, segment_of
from flightstore_server.engine.store import Store
from flightstore_server.engine.verify import verify_store
from flightstore_server.storage import layout
from flightstore_server.storage.catalog import Catalog, SeriesRow
from flightstore_server.storage.damaged import DamagedFolder
from flightstore_server.storage.files import Files
from flightstore_server.storage.log.group import StoredRecord
from flightstore_server.storage.log.reader import LogEnd, scan
from flightstore_server.storage.segment.store import SegmentStore
from flightstore_server.storage.segment.trailer import SeriesIdentity

_MAPS_MAX = 64


def repair(files: Files) -> list[str]:
    """Repair the directory; returns what was done and lost, nothing if all was well.

    Raises DataDirError if a server has it open, Corrupt if damage remains.
    """
    files.lock(layout.LOCK)
    try:
        said: list[str] = []
        for folder in (layout.LOG_DIR, layout.TMP_DIR, layout.SEGMENTS_DIR):
            files.make_dir(folder)
        damaged = DamagedFolder(files)
        catalog, rebuilt = _open_or_rebuild(files, damaged, said)
        try:
            shortened = repair_log(files, catalog.flushed_lsn, damaged)
            said += shortened
            _Repair(files, catalog, damaged, said).run(keep_orphans=bool(shortened) or rebuilt)
        finally:
            catalog.close()
    finally:
        files.unlock()
    _prove(files, said)
    return said


def _open_or_rebuild(files: Files, damaged: DamagedFolder, said: list[str]) -> tuple[Catalog, bool]:
    """The catalog; a new one, and True, unless SQLite and the contents of the old one are sound."""
    try:
        catalog = Catalog(files.root / layout.CATALOG, may_create=False)
    except DataDirError as error:
        said.append(error.message)
    else:
        try:
            wrong = catalog.check()
            restore(State(SegmentStore(files, maps_max=_MAPS_MAX), remembered_puts=0), catalog)
        except DataDirError as error:
            wrong = [error.message]
        if not wrong:
            return catalog, False
        catalog.close()
        said.append(f"The catalog {layout.CATALOG} is damaged ({wrong[0]}).")
    aside = [damaged.move(name) for name in layout.CATALOG_FILES if files.exists(name)]
    if aside:
        said.append(f"It is kept as {aside[0]}.")
    return rebuild(files, damaged, said), True


class _Repair:
    """Mends segments, first those that the catalog names, then those of log records after it."""

    def __init__(
        self, files: Files, catalog: Catalog, damaged: DamagedFolder, said: list[str]
    ) -> None:
        self._files = files
        self._catalog = catalog
        self._damaged = damaged
        self._said = said
        self._reservations = Reservations()
        self._mender = SegmentMender(files, damaged, self._reservations, said)
        self._losses: list[Loss] = []
        self._replaced: list[str] = []

    def run(self, *, keep_orphans: bool) -> None:
        """Mend everything; `keep_orphans` sets aside what a shortened log no longer names."""
        self._reserve()
        self._mend_catalog()
        state = State(SegmentStore(self._files, maps_max=_MAPS_MAX), remembered_puts=0)
        stored = restore(state, self._catalog)
        for record in self._records():
            for run in record[1].put.runs:
                self._mend_run(state, record[1].put, run, record[0].lsn)
            with state.lock:
                apply_record(state, self._reservations, *record)
        for loss in self._losses:
            self._take_from_coverage(state, loss)
        if self._losses or self._replaced:
            self._flush(state, stored)
        for file in self._replaced:
            self._files.remove(file)
        if keep_orphans:
            self._keep_orphans(state)

    def _records(self) -> Iterator[tuple[StoredRecord, pb.LogRecord]]:
        flushed = self._catalog.flushed_lsn
        for stored in scan(self._files, LogEnd(flushed + 1, None, 0, 0), after_lsn=flushed):
            yield stored, record_of(stored)

    def _reserve(self) -> None:
        """Keep ids that the log has used from being given to new segments."""
        self._reservations.start_after(*self._catalog.next_ids())
        for _, record in self._records():
            named = [segment.id for run in record.put.runs for segment in run.segments]
            self._reservations.start_after(0, 0, max(named, default=0) + 1)

    def _mend_catalog(self) -> None:
        datasets = {
            d.id: Dataset(d.id, d.name, d.schema, d.key_has_id)
            for d in self._catalog.load().datasets
        }
        every_series = self._catalog.every_series()
        for segment in self._catalog.files():
            row = every_series.get(segment.series)
            dataset = datasets.get(row.dataset) if row else None
            if row is None or dataset is None:
                kept = self._catalog.coverage_of(segment.series)
                self._catalog.correct(segment.id, [], segment.series, kept)
                self._said.append(f"{segment.file} belongs to no series and is left out.")
                continue
            mended = self._mender.mend(segment, dataset, _identity(row, dataset))
            if mended is not None:
                self._losses += self._mender.mend_catalog(self._catalog, mended)

    def _mend_run(self, state: State, put: pb.LogPut, run: pb.LogRun, lsn: int) -> None:
        """Let `run` name what can be saved of its segments where they are damaged."""
        if not run.segments:
            return
        dataset = _dataset_of(state, put)
        series = state.names.by_id.get(run.series) or defined_series(run, dataset)
        kept = []
        for message in run.segments:
            segment = segment_of(message, run.series, lsn)
            mended = self._mender.mend(segment, dataset, series.identity)
            if mended is None:
                kept.append(message)
                continue
            self._losses += mended.losses(segment)
            self._replaced.append(segment.file)
            if mended.saved is not None:
                kept.append(message_of(mended.saved))
        del run.segments[:]
        run.segments.extend(kept)

    def _take_from_coverage(self, state: State, loss: Loss) -> None:
        series = state.names.by_id.get(loss.series)
        self._said.append(sentence_of(loss, str(series or f"series {loss.series}")))
        if series is not None:
            with state.lock:
                state.lose(series, loss.start, loss.end)

    def _flush(self, state: State, stored: dict[int, Segments]) -> None:
        """Bring the catalog to the log's end, so that damaged files are not named by a replay."""
        sealed = flush.seal(state)
        rows_max = Limits().segment_rows_max
        flush.write(sealed, self._files, self._reservations, segment_rows_max=rows_max)
        self._catalog.commit(flush.change_of(sealed, stored))
        flush.publish(sealed, state, stored)

    def _keep_orphans(self, state: State) -> None:
        """Set aside the segments that nothing names: the next start would remove them."""
        named = {s.file for series in state.names.by_id.values() for s in series.segments}
        named.update(segment.file for segment in self._catalog.files())
        for file in sorted(self._files.walk(layout.SEGMENTS_DIR)):
            if file not in named:
                to = self._damaged.move(file)
                self._said.append(f"Nothing names {file} any more; it is kept as {to}.")


def _identity(row: SeriesRow, dataset: Dataset) -> SeriesIdentity:
    return SeriesIdentity(
        row.id,
        dataset.id,
        dataset.name,
        dataset.key_has_id,
        row.instrument,
        row.timeframe,
        row.free_grid,
    )


def _dataset_of(state: State, put: pb.LogPut) -> Dataset:
    """The dataset of a put that is not applied yet, as wide as the put makes it."""
    if put.HasField("dataset"):
        defined = put.dataset
        schema = state.put_schema(put)
        return Dataset(put.dataset_id, defined.name, schema, defined.key_has_id)
    return state.dataset_by_id(put.dataset_id)


def _prove(files: Files, said: list[str]) -> None:
    """Open the store as a start would, and verify all of it. Raises Corrupt if damage remains."""
    store = Store(files, Limits(), upkeep_thread=False)
    try:
        damage = next(p.damage for p in verify_store(store) if p.finished)
    finally:
        store.close()
    if damage:
        raise Corrupt(
            f"Damage remains after the repair: {damage[0]} ({len(damage)} findings; done so far: "
            f"{' '.join(said)})"
        )
