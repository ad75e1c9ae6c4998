"""A consistent copy of the data directory while serving.

The copy is the state at one LSN: a catalog, and every segment file that a version of it names, by
hard link where the file system allows. It has no log, since everything up to that LSN is in
segments; a server that opens it goes on counting from there. It gets its name only once all of it
is on the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flightstore_proto.errors import Corrupt, DataDirError
from flightstore_server.engine.store import Store
from flightstore_server.storage import layout
from flightstore_server.storage.files import Disk, Files, new_root, remove_root, rename_root
from flightstore_server.storage.segment.segment import Segment

_UNFINISHED = ".unfinished"


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds: everything up to `lsn`, in `files` files of `bytes` bytes."""

    files: int
    bytes: int
    lsn: int


def backup(store: Store, destination: Path) -> Backup:
    """Copy the state as of now to `destination`, a directory that does not exist yet.

    Raises DataDirError if it cannot be written there, Corrupt if a segment file is missing.
    """
    _check(store.files.root, destination)
    unfinished = destination.with_name(destination.name + _UNFINISHED)
    target = new_root(unfinished)
    try:
        done = _copy(store, target)
        rename_root(unfinished, destination)
    except BaseException as error:
        remove_root(unfinished)
        if isinstance(error, OSError):
            raise DataDirError(
                f"The backup to {destination} failed ({error.strerror or error}) and was removed; "
                "mend the cause and try again."
            ) from error
        raise
    return done


def _check(root: Path, destination: Path) -> None:
    if not destination.is_absolute():
        raise DataDirError(
            f"The destination {destination} is not absolute, and the server has its own idea of "
            "where it is; name the whole path."
        )
    if destination.resolve().is_relative_to(root):
        raise DataDirError(
            f"The destination {destination} lies inside the data directory {root}; name one "
            "outside of it."
        )
    if destination.exists():
        raise DataDirError(f"{destination} exists already; a backup needs a new directory.")


def _copy(store: Store, target: Disk) -> Backup:
    for folder in (layout.LOG_DIR, layout.TMP_DIR, layout.SEGMENTS_DIR):
        target.make_dir(folder)
    # With the pin the files named now stay until they are linked; compaction may go on meanwhile.
    pin = store.maintenance.pins.take()
    with store.maintenance.lock:
        lsn = store.flush()
        store.catalog.backup(target.root / layout.CATALOG)
        segments = store.catalog.files()
    _link(store.files, segments, target)
    del pin
    target.sync_dir(".")
    size = sum(segment.size for segment in segments) + target.size(layout.CATALOG)
    return Backup(len(segments) + 1, size, lsn)


def _link(files: Files, segments: list[Segment], target: Disk) -> None:
    folders = {segment.file.rpartition("/")[0] for segment in segments}
    for folder in folders:
        target.make_dir(folder)
    for segment in segments:
        try:
            files.link(segment.file, target.root / segment.file)
        except FileNotFoundError as error:
            raise Corrupt(
                f"The segment file {segment.file} is missing from offset 0 on, so there is nothing "
                "complete to back up; run `flightstore repair` first."
            ) from error
    for folder in folders:
        target.sync_dir(folder)
