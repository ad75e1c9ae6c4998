"""Proving a data directory: every byte that any version of it names is read and compared.

SQLite's own check of the catalog, every segment file (engine/inspection.py), and every group and
record of the log. Nothing is changed. `verify_store` runs beside readers, writers and compaction;
what they remove meanwhile is not missed. `verify_directory` is for a directory without a server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import Corrupt, DataDirError
from flightstore_server.engine.inspection import inspect
from flightstore_server.engine.recovery import replay, restore
from flightstore_server.engine.reservations import Reservations
from flightstore_server.engine.series import Dataset
from flightstore_server.engine.state import State
from flightstore_server.engine.store import Store
from flightstore_server.storage import layout
from flightstore_server.storage.catalog import Catalog
from flightstore_server.storage.files import Files
from flightstore_server.storage.log.reader import LogEnd, log_files, scan
from flightstore_server.storage.segment.segment import Segment
from flightstore_server.storage.segment.store import SegmentStore

# A log that is trimmed while it is read is read again from its new beginning, at most this often.
_LOG_TRIES = 5
_MAPS_MAX = 64


@dataclass(slots=True)
class Progress:
    """How far a verification has come. `damage` has one sentence per finding so far."""

    files_total: int = 0
    files_done: int = 0
    bytes_done: int = 0
    damage: list[str] = field(default_factory=list)
    finished: bool = False

    def found(self, sentence: str) -> None:
        if sentence not in self.damage:
            self.damage.append(sentence)


@dataclass(frozen=True, slots=True)
class _Subject:
    """A directory under verification. `turn` is held while catalog and state are looked at."""

    files: Files
    catalog: Catalog
    state: State
    turn: AbstractContextManager[object]


def verify_store(store: Store) -> Iterator[Progress]:
    """Verify the directory of an open store. The last value, and only that one, is `finished`."""
    subject = _Subject(store.files, store.catalog, store.state, store.maintenance.lock)
    return _verify(subject, Progress())


def verify_directory(files: Files) -> Iterator[Progress]:
    """Verify a directory that no server has open. Raises DataDirError if one has."""
    files.lock(layout.LOCK)
    try:
        progress = Progress()
        try:
            catalog = Catalog(files.root / layout.CATALOG, may_create=False)
        except DataDirError as error:
            progress.found(error.message)
            progress.finished = True
            yield progress
            return
        try:
            state = State(SegmentStore(files, maps_max=_MAPS_MAX), remembered_puts=0)
            _recover(state, files, catalog, progress)
            yield from _verify(_Subject(files, catalog, state, nullcontext()), progress)
        finally:
            catalog.close()
    finally:
        files.unlock()


def _recover(state: State, files: Files, catalog: Catalog, progress: Progress) -> None:
    """Fill `state` as a start would, as far as damage lets it."""
    try:
        restore(state, catalog)
        replay(state, files, catalog, Reservations())
    except (Corrupt, DataDirError) as error:
        progress.found(error.message)


def _verify(subject: _Subject, progress: Progress) -> Iterator[Progress]:
    for problem in subject.catalog.check():
        progress.found(
            f"The catalog {layout.CATALOG} is damaged ({problem}); restore a backup, or run "
            "`flightstore repair` to rebuild it from the segments."
        )
    named = _named(subject, progress)
    progress.files_total = 1 + len(named) + len(log_files(subject.files))
    progress.files_done = 1
    yield progress
    for segment, dataset in named:
        found = inspect(subject.files, segment, dataset)
        if not found.missing or _is_named(subject, segment):
            for sentence in found.damage:
                progress.found(sentence)
        progress.files_done += 1
        progress.bytes_done += found.bytes
        yield progress
    _verify_log(subject, progress)
    progress.files_done = progress.files_total
    progress.finished = True
    yield progress


def named_segments(store: Store) -> list[tuple[Segment, Dataset]]:
    """Every segment that some version of an open store's catalog, or its log, names."""
    subject = _Subject(store.files, store.catalog, store.state, store.maintenance.lock)
    return _named(subject, Progress())


def _named(subject: _Subject, progress: Progress) -> list[tuple[Segment, Dataset]]:
    """Every segment that some version of the catalog, or a record not yet in it, names."""
    with subject.turn, subject.state.lock:
        names = subject.state.names
        segments = {segment.id: segment for segment in subject.catalog.files()}
        datasets_of = {i: row.dataset for i, row in subject.catalog.every_series().items()}
        for series in names.by_id.values():
            for segment in series.segments:  # what the catalog says of one is to be checked
                segments.setdefault(segment.id, segment)
            datasets_of[series.id] = series.dataset.id
        datasets = {dataset.id: dataset for dataset in names.datasets.values()}
    known = []
    for segment in segments.values():
        dataset = datasets.get(datasets_of.get(segment.series, 0))
        if dataset is not None:
            known.append((segment, dataset))
        else:
            progress.found(
                f"The catalog {layout.CATALOG} names {segment.file} for the series "
                f"{segment.series}, of which it knows nothing; run `flightstore repair`."
            )
    return known


def _is_named(subject: _Subject, segment: Segment) -> bool:
    """Whether a file that was not there should have been; compaction may have removed it."""
    return any(other.id == segment.id for other, _ in _named(subject, Progress()))


def _verify_log(subject: _Subject, progress: Progress) -> None:
    acknowledged = max(subject.state.last_lsn, subject.catalog.flushed_lsn)
    for _ in range(_LOG_TRIES):
        found = log_files(subject.files)
        if not found:
            return
        end = LogEnd(found[0].first_lsn, None, 0, 0)
        try:
            size = sum(subject.files.size(file.name) for file in found)
            _read_log(subject.files, end)
        except FileNotFoundError:
            continue
        except (Corrupt, OSError) as error:
            if log_files(subject.files)[:1] != found[:1]:
                continue  # a flush dropped old files meanwhile: what was read was no whole log
            progress.found(str(error))
        else:
            progress.bytes_done += size
            if end.next_lsn <= acknowledged:
                progress.found(_short(end, acknowledged))
        return


def _read_log(files: Files, end: LogEnd) -> None:
    for stored in scan(files, end, after_lsn=end.next_lsn - 1):
        try:
            pb.LogRecord.FromString(stored.header)
        except DecodeError as error:
            raise Corrupt(
                f"Log record {stored.lsn} in {end.file} cannot be read ({error}), before offset "
                f"{stored.body_offset}; run `flightstore repair`."
            ) from error


def _short(end: LogEnd, acknowledged: int) -> str:
    return (
        f"The log ends with record {end.next_lsn - 1} at offset {end.intact_bytes} of {end.file}, "
        f"but record {acknowledged} was acknowledged; restore a backup, or run "
        "`flightstore repair`."
    )
