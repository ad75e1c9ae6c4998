"""Rows of one series as they lie in files, for a reader on this machine that can map them itself.

What cannot be told as a place in a file comes as rows: what is in memory, merged or compressed, and
small files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa

from flightstore_server.engine.runs import Piece, Run, SegmentRun
from flightstore_server.storage.files import Place
from flightstore_server.storage.rows import widen
from flightstore_server.storage.segment.index import BatchEntry
from flightstore_server.storage.segment.segment import Segment
from flightstore_server.storage.segment.store import is_handed_out


@dataclass(frozen=True, slots=True)
class FilePart:
    """`rows` rows from row `first` on of one record batch, whose bytes agree with their checksum.

    `fresh` says that this was found out just now, which took reading them all.
    """

    place: Place
    segment: Segment
    entry: BatchEntry
    first: int
    rows: int
    fresh: bool

    def __len__(self) -> int:
        return self.rows

    @property
    def fresh_bytes(self) -> int:
        """What had to be read to say this."""
        return self.entry.size if self.fresh else 0

    def slice(self, offset: int, length: int | None = None) -> FilePart:
        """Its rows from `offset` on, `length` of them or all, as a record batch does it."""
        rows = self.rows - offset if length is None else length
        return FilePart(self.place, self.segment, self.entry, self.first + offset, rows, self.fresh)


Part: TypeAlias = FilePart | pa.RecordBatch


def rows_by_place(pieces: Sequence[Piece]) -> tuple[int, int]:
    """About how many rows of `pieces` are in files that can be handed out, and how many are not."""
    in_files = elsewhere = 0
    for piece in pieces:
        rows = sum(_rows_within(run, piece.start, piece.end) for run in piece.runs)
        if _file_of(piece) is not None:
            in_files += rows
        else:
            elsewhere += rows
    return in_files, elsewhere


def _rows_within(run: Run, start: int, end: int) -> int:
    """How many rows of `run` would be in [start, end) if they were spread evenly."""
    inside = min(end, run.last + 1) - max(start, run.first)
    return run.rows * inside // (run.last + 1 - run.first)


def parts(pieces: Sequence[Piece], *, limit: int = 0, tail: int = 0) -> Iterator[Part]:
    """The rows of `pieces` in order: the first `limit`, or all.

    With `tail` the last so many of them, in parts from the last to the first. Raises Corrupt where
    they come from a damaged file.
    """
    wanted = limit or tail
    for piece in reversed(pieces) if tail else pieces:
        for part in _parts_of(piece, wanted, backwards=bool(tail)):
            if not wanted:
                yield part
                continue
            kept = min(wanted, len(part))
            yield part.slice(len(part) - kept if tail else 0, kept)
            wanted -= kept
            if not wanted:
                return


def _file_of(piece: Piece) -> SegmentRun | None:
    """The one run of `piece`, if others can map its file."""
    only = piece.runs[0]
    if len(piece.runs) == 1 and isinstance(only, SegmentRun) and is_handed_out(only.segment):
        return only
    return None


def _parts_of(piece: Piece, wanted: int, *, backwards: bool) -> Iterator[Part]:
    run = _file_of(piece)
    if run is not None:
        yield from _in_file(run, piece, backwards=backwards)
    else:
        counted = {"wanted": wanted} if wanted else {}
        yield from (piece.batches_backwards if backwards else piece.batches)(**counted)


def _in_file(run: SegmentRun, piece: Piece, *, backwards: bool) -> Iterator[Part]:
    checked = run.file().checked()
    for file, number, rows in run.located(piece.start, piece.end, step=-1 if backwards else 1):
        if file.place is None:
            yield widen(rows, run.schema)
            continue
        # A batch of a file begins at offset 0 of its columns, and a slice of it does not.
        first = rows.column(0).offset
        entry, fresh = file.entries[number], not checked[number]
        yield FilePart(file.place, run.segment, entry, first, len(rows), fresh)
