"""The first copy: from an empty directory to one that can be opened and followed with.

Files first, synced; the catalog last, under its name only when all of it was compared with what the
catalog says. Whatever is interrupted before that is recognised and begun anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from flightstore_proto.errors import Corrupt, DataDirError, Unavailable
from flightstore_server.engine.replication import origin
from flightstore_server.engine.replication.origin import Origin
from flightstore_server.engine.replication.primary import Copy, Piece, Primary
from flightstore_server.storage import layout
from flightstore_server.storage.catalog import Catalog
from flightstore_server.storage.checksum import crc
from flightstore_server.storage.files import AppendFile, Files
from flightstore_server.storage.log.reader import log_files

# Syncs that wait for each other share the file system's own commits, as in a flush.
_SYNCERS = 16
# Files that are written and not yet synced: each holds a descriptor.
_UNSYNCED_MAX = 64


def prepare(files: Files, primary: Primary) -> None:
    """Have the directory hold a copy of `primary`'s state, unless it is a replica's already.

    Raises DataDirError if it holds data of its own, and what keeps the copy from being made.
    """
    with _locked(files):
        known = origin.load(files)
        if known is None and _holds_data(files):
            raise DataDirError(
                f"The data directory {files.root} holds data that were written to it, not copied: "
                "it was never a replica's, or was promoted. Start without --follow, or follow with "
                "an empty data directory."
            )
        if known is None or not origin.is_whole(files, known):
            _copy(files, primary)
        elif known.primary != primary.uri:
            origin.save(files, Origin(primary.uri, known.generations))


@contextmanager
def _locked(files: Files) -> Iterator[None]:
    files.lock(layout.LOCK)
    try:
        yield
    finally:
        files.unlock()


def _holds_data(files: Files) -> bool:
    for folder in (layout.LOG_DIR, layout.TMP_DIR, layout.SEGMENTS_DIR):
        files.make_dir(folder)
    if files.exists(layout.CATALOG) or log_files(files):
        return True
    return next(files.walk(layout.SEGMENTS_DIR), None) is not None


def _copy(files: Files, primary: Primary) -> None:
    _clear(files)
    origin.save(files, Origin(primary.uri))
    copy = primary.copy()
    received = _Received(files)
    received.take(copy)
    newest = _check(files, copy, received)
    origin.save(files, Origin(primary.uri).above(newest))
    files.publish(layout.CATALOG_COPY, layout.CATALOG)


def _clear(files: Files) -> None:
    """Remove what an interrupted copy left; nothing else can be in a directory without catalog."""
    for folder in (layout.LOG_DIR, layout.TMP_DIR, layout.SEGMENTS_DIR):
        files.make_dir(folder)
        for file in list(files.walk(folder)):
            files.remove(file)


def _check(files: Files, copy: Copy, received: _Received) -> int:
    """Compare what came with what the catalog among it says. Returns the newest segment's id."""
    if received.count != copy.files or received.bytes != copy.bytes:
        raise Unavailable(
            f"The copy ended after {received.bytes} of {copy.bytes} bytes; start the replica again."
        )
    catalog = Catalog(files.root / layout.CATALOG_COPY, may_create=False)
    try:
        segments, lsn = catalog.files(), catalog.flushed_lsn
    finally:
        catalog.close()
    files.settle(layout.CATALOG_COPY)  # opening it may have written to it
    for segment in segments:
        if received.sums.get(segment.file) != (segment.size, segment.crc):
            raise Corrupt(
                f"The segment file {segment.file} is not what the primary's catalog says, between "
                f"offset 0 and {segment.size}; run `flightstore verify` on the primary."
            )
    if lsn != copy.lsn:
        raise Corrupt(f"The copied catalog stands at record {lsn} and not at {copy.lsn}.")
    return max((segment.id for segment in segments), default=0)


@dataclass(slots=True)
class _Open:
    """The file that is arriving."""

    name: str
    file: AppendFile
    crc: int = 0


class _Received:
    """The files of a copy, written as they come. `sums` is each one's size and checksum."""

    def __init__(self, files: Files) -> None:
        self.count = 0
        self.bytes = 0
        self.sums: dict[str, tuple[int, int]] = {}
        self._files = files
        self._folders: set[str] = set()
        self._open: _Open | None = None
        self._syncing: list[Future[None]] = []

    def take(self, copy: Copy) -> None:
        """Write everything, durably but for the catalog's name. Raises Corrupt, and what failed."""
        with ThreadPoolExecutor(_SYNCERS, thread_name_prefix="copy") as pool:
            try:
                for piece in copy.pieces:
                    self._write(piece, pool)
                self._finish(pool)
                for done in self._syncing:
                    done.result()
                list(pool.map(self._files.sync_dir, sorted(self._folders)))
            finally:
                if self._open is not None:
                    self._open.file.close()

    def _write(self, piece: Piece, pool: ThreadPoolExecutor) -> None:
        if self._open is None or self._open.name != piece.file:
            self._finish(pool)
            self._open = _Open(piece.file, self._files.create(self._place(piece.file)))
        opened = self._open
        if opened.file.size != piece.offset:
            raise Corrupt(f"Of {piece.file} offset {piece.offset} came at {opened.file.size}.")
        opened.file.write([piece.data])
        opened.crc = crc(piece.data, opened.crc)
        self.bytes += piece.data.size

    def _place(self, file: str) -> str:
        """Where a file of the copy is written. Raises Corrupt for a name that is none of ours."""
        if file == layout.CATALOG:
            return layout.CATALOG_COPY
        if not layout.is_segment(file) or file in self.sums:
            raise Corrupt(f"The primary sent a file called {file!r}, which a copy has not.")
        folder = file.rpartition("/")[0]
        if folder not in self._folders:
            self._files.make_dir(folder)
            self._folders.add(folder)
        return file

    def _finish(self, pool: ThreadPoolExecutor) -> None:
        opened, self._open = self._open, None
        if opened is None:
            return
        self.count += 1
        self.sums[opened.name] = (opened.file.size, opened.crc)
        self._syncing.append(pool.submit(_sync, opened.file))
        if len(self._syncing) >= _UNSYNCED_MAX:
            self._syncing.pop(0).result()


def _sync(file: AppendFile) -> None:
    try:
        file.sync()
    finally:
        file.close()
