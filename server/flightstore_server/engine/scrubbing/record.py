"""What the background check remembers across restarts: a small file beside the catalog.

Losing it costs nothing but reading some files again, so nothing waits for it, and one that cannot
be read counts as none.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field

from flightstore_server.storage import layout
from flightstore_server.storage.files import Files

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Record:
    """`after` is the newest segment id that this round has checked, 0 between rounds.

    `finished_ns` is when the last round ended, 0 if none has. `damaged` are segment ids.
    """

    after: int = 0
    finished_ns: int = 0
    damaged: list[int] = field(default_factory=list)


def load(files: Files) -> Record:
    """What was saved last, or a new record."""
    if not files.exists(layout.SCRUB):
        return Record()
    try:
        said = json.loads(files.read(layout.SCRUB))
        return Record(int(said["after"]), int(said["finished_ns"]), list(map(int, said["damaged"])))
    except (OSError, ValueError, TypeError, LookupError) as error:
        log.warning("%s cannot be read, so segments are checked anew: %r", layout.SCRUB, error)
        return Record()


def save(files: Files, record: Record) -> None:
    """Replace what was saved. That it fails is logged, and not held against the data."""
    said = {
        "after": record.after,
        "finished_ns": record.finished_ns,
        "damaged": record.damaged,
    }
    try:
        file = files.create(layout.SCRUB_UNFINISHED)
        try:
            file.write([json.dumps(said).encode()])
            file.sync()
        finally:
            file.close()
        files.publish(layout.SCRUB_UNFINISHED, layout.SCRUB)
    except OSError as error:
        log.warning("%s cannot be written: %s", layout.SCRUB, error)
