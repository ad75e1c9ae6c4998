"""What makes a data directory a replica's: a file that says whose it is, until it is promoted.

It is there before the first byte of the copy. With a catalog beside it the copy is complete, since
the catalog comes last; without one the copy was interrupted and is begun anew.

A replica's flushes and merges write segments of their own, whose ids must never meet those of the
primary's segments to come. So ids are counted in *generations* of 2^32. A primary stays in its
generation; a replica takes one above all that it has seen, by a random step, so that two replicas
of one primary differ too, and one of them can follow the other after that was promoted.

    {"primary": "grpc://10.0.0.1:8815", "generations": [...], "crc": "<8 hex digits>"}

The sum is over the rest as JSON with sorted keys and without spaces: a flipped bit must not make a
replica follow somebody else, nor give its segments the ids of others. Older files have no sum.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from itertools import pairwise

from flightstore_proto.errors import DataDirError
from flightstore_server.storage import layout
from flightstore_server.storage.checksum import crc
from flightstore_server.storage.files import Files

_GENERATION_BITS = 32
# Some thousand promotions one after another fit into the 63 bits that the catalog has for an id.
_STEP_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose copy this is, and the generations of its own segments, the current one last."""

    primary: str
    generations: tuple[int, ...] = ()

    @property
    def first_segment(self) -> int:
        """The first id of the current generation."""
        return self.generations[-1] << _GENERATION_BITS

    @property
    def refusal(self) -> str:
        """What somebody is told who wants to write."""
        return f"This server is a replica of {self.primary}; write there, or promote it."

    def above(self, segment_id: int) -> Origin:
        """With a new generation above that of `segment_id`."""
        generation = generation_of(segment_id) + 1 + secrets.randbelow(_STEP_MAX)
        return Origin(self.primary, (*self.generations, generation))


def generation_of(segment_id: int) -> int:
    return segment_id >> _GENERATION_BITS


def load(files: Files) -> Origin | None:
    """Whose replica the directory is; None if it is nobody's. Raises DataDirError if damaged."""
    if not files.exists(layout.REPLICA):
        return None
    try:
        return _decoded(files.read(layout.REPLICA))
    except (ValueError, TypeError) as error:
        raise DataDirError(
            f"{files.root / layout.REPLICA} is damaged ({error}); start the replica anew with an "
            "empty data directory."
        ) from error


def _decoded(data: bytes) -> Origin:
    """Raises ValueError or TypeError where save() cannot have written this."""
    said = json.loads(data)
    kept = said.pop("crc", None) if isinstance(said, dict) else None
    if not isinstance(said, dict) or said.keys() != {"primary", "generations"}:
        raise ValueError("it has other keys")
    if kept is not None and kept != _sum(said):
        raise ValueError("its checksum does not match")
    primary, generations = said["primary"], said["generations"]
    if not isinstance(primary, str) or any(type(number) is not int for number in generations):
        raise ValueError("it has values of other types")
    if any(later <= earlier for earlier, later in pairwise([0, *generations])):
        raise ValueError("its generations do not rise")
    return Origin(primary, tuple(generations))


def _sum(said: dict[str, object]) -> str:
    return f"{crc(json.dumps(said, sort_keys=True, separators=(',', ':')).encode()):08x}"


def is_whole(files: Files, origin: Origin) -> bool:
    """Whether the copy was finished."""
    return bool(origin.generations) and files.exists(layout.CATALOG)


def copied_from(files: Files) -> Origin | None:
    """As load(), of a directory to be opened. Raises DataDirError if the copy is unfinished."""
    origin = load(files)
    if origin is not None and not is_whole(files, origin):
        raise DataDirError(
            f"The copy of {origin.primary} in {files.root} was interrupted; start with --follow to "
            "have it made anew."
        )
    return origin


def save(files: Files, origin: Origin) -> None:
    """Have the directory say so, durably."""
    said: dict[str, object] = {"primary": origin.primary, "generations": origin.generations}
    file = files.create(layout.REPLICA_UNFINISHED)
    try:
        file.write([json.dumps({**said, "crc": _sum(said)}).encode()])
        file.sync()
    finally:
        file.close()
    files.publish(layout.REPLICA_UNFINISHED, layout.REPLICA)


def forget(files: Files) -> None:
    """Make the directory a primary's, durably."""
    files.remove(layout.REPLICA)
    files.sync_dir(".")


def require_none(files: Files) -> None:
    """Raise DataDirError if the directory is a replica's: it must not be written to unawares."""
    origin = load(files)
    if origin is not None:
        raise DataDirError(
            f"The data directory {files.root} is a replica of {origin.primary}; start it with "
            f"--follow {origin.primary}, and promote it if that server is gone for good."
        )
