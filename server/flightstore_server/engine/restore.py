"""A backup becomes a data directory again, and it is proved that it holds the same.

The backup is only read, and may lie where nobody can write. Its files are copied under a temporary
name; all checksums of the copy are verified; then both are read row by row and compared. Only after
that the copy gets its name.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from flightstore_proto.errors import Corrupt, DataDirError
from flightstore_server.engine.fingerprint import Fingerprint, fingerprint
from flightstore_server.engine.verify import verify_directory
from flightstore_server.storage import layout
from flightstore_server.storage.catalog import Catalog
from flightstore_server.storage.files import (
    Disk,
    is_empty,
    new_root,
    remove_root,
    rename_root,
)
from flightstore_server.storage.log.reader import log_files

_UNFINISHED = ".unfinished"


@dataclass(frozen=True, slots=True)
class Proof:
    """What was copied, and verified. `compared` is what both directories hold; None: not asked."""

    files: int
    bytes: int
    lsn: int
    compared: Fingerprint | None


@dataclass(frozen=True, slots=True)
class Step:
    """How far it has come: `what` is under way. The last one, and only that, has the proof."""

    what: str
    done: int
    total: int
    proof: Proof | None = None


def restore(
    backup: Disk, destination: Path, *, link: bool = False, compare: bool = True
) -> Iterator[Step]:
    """Make `destination`, which must be new or empty, a data directory that equals `backup`.

    link     hard links to the backup's segments in the place of copies, where that is possible
    compare  read all rows of both, and compare them

    Raises DataDirError where that cannot be, Corrupt if the backup is damaged; then nothing is
    left behind.
    """
    unfinished = destination.with_name(destination.name + _UNFINISHED)
    _check(backup, destination, unfinished)
    target = new_root(unfinished)
    try:
        proof = yield from _copied_and_proved(backup, target, link=link, compare=compare)
        rename_root(unfinished, destination)
    except OSError as error:
        raise DataDirError(
            f"Restoring to {destination} failed ({error.strerror or error}) and what was copied "
            "was removed; mend the cause and try again."
        ) from error
    finally:
        remove_root(unfinished)
    yield Step("done", 1, 1, proof)


def _check(backup: Disk, destination: Path, unfinished: Path) -> None:
    if not backup.exists(layout.CATALOG):
        raise DataDirError(f"{backup.root} has no {layout.CATALOG}, so it is no backup.")
    if log_files(backup):
        raise DataDirError(
            f"{backup.root} has a log, so a server has had it open and it is no backup any more; "
            "serve it where it is, or restore another."
        )
    if not is_empty(destination):
        raise DataDirError(f"{destination} is not empty; restore to a new directory.")
    if destination.resolve().is_relative_to(backup.root):
        raise DataDirError(
            f"{destination} lies inside the backup {backup.root}; name one outside of it."
        )
    if not is_empty(unfinished):
        raise DataDirError(
            f"{unfinished} is there: somebody restores to {destination} just now, or was killed at "
            "it; in that case remove it and try again."
        )
    remove_root(unfinished)


def _copied_and_proved(
    backup: Disk, target: Disk, *, link: bool, compare: bool
) -> Generator[Step, None, Proof]:
    for folder in (layout.LOG_DIR, layout.TMP_DIR, layout.SEGMENTS_DIR):
        target.make_dir(folder)
    backup.copy(layout.CATALOG, target.root / layout.CATALOG)
    catalog = Catalog(target.root / layout.CATALOG, may_create=False)
    try:
        files = sorted({segment.file for segment in catalog.files()})
        yield from _copied(backup.link if link else backup.copy, files, target)
    finally:
        catalog.close()
    yield from _verified(target)
    catalog = Catalog(target.root / layout.CATALOG, may_create=False)
    try:
        compared = (yield from _compared(backup, target, catalog)) if compare else None
        size = sum(map(target.size, [layout.CATALOG, *files]))
        return Proof(len(files) + 1, size, catalog.flushed_lsn, compared)
    finally:
        catalog.close()


def _copied(
    bring: Callable[[str, Path], None], files: list[str], target: Disk
) -> Generator[Step, None, None]:
    for folder in sorted({name.rpartition("/")[0] for name in files}):
        target.make_dir(folder)
    for done, name in enumerate(files):
        yield Step("copying", done, len(files))
        try:
            bring(name, target.root / name)
        except FileNotFoundError as error:
            raise Corrupt(
                f"The segment file {name} is missing in the backup, from offset 0 on; restore "
                "another backup, or `flightstore repair` this one to have what is left of it."
            ) from error
    for folder in {name.rpartition("/")[0] for name in files}:
        target.sync_dir(folder)
    target.sync_dir(".")


def _verified(target: Disk) -> Generator[Step, None, None]:
    """Raises Corrupt with the first finding."""
    for found in verify_directory(target):
        if found.damage:
            raise Corrupt(f"The backup is damaged, and was not restored: {found.damage[0]}")
        yield Step("verifying", found.files_done, found.files_total)


def _compared(backup: Disk, target: Disk, catalog: Catalog) -> Generator[Step, None, Fingerprint]:
    """What both hold. Raises Corrupt if it is not the same."""
    sides = zip(fingerprint(backup, catalog), fingerprint(target, catalog), strict=True)
    there, here = next(sides)  # they grow
    for _ in sides:
        yield Step("comparing", len(here.series), here.series_total)
    if there != here:
        wrong = next(name for name in here.series if here.series[name] != there.series.get(name))
        raise Corrupt(f"{wrong} is not the same in the backup and where it was restored.")
    return here
