"""Reads by somebody on this machine: where the rows lie, instead of the rows, where that pays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from flightstore_proto.errors import FlightstoreError
from flightstore_server.engine.local.parts import FilePart, Part, parts, rows_by_place
from flightstore_server.engine.queries import Query, Selection
from flightstore_server.engine.runs import Piece
from flightstore_server.engine.series import SeriesView
from flightstore_server.storage.segment.store import is_handed_out

# A smaller answer arrives sooner than it is mapped.
MAPPED_BYTES_MIN = 1 << 20
# Rows that are in no file have to be at hand before the answer begins, and so have checksums:
# beyond these the rows are streamed, each batch once it has been merged or compared.
ROWS_BYTES_MAX = 64 << 20
FRESH_BYTES_MAX = 512 << 20


@dataclass(slots=True)
class LocalRows:
    """The answer to a query: its parts, each of the series at that position, and what failed."""

    parts: list[tuple[int, Part]] = field(default_factory=list)
    problems: dict[str, FlightstoreError] = field(default_factory=dict)

    def in_files(self) -> Iterator[FilePart]:
        return (part for _, part in self.parts if isinstance(part, FilePart))

    def elsewhere(self) -> Iterator[pa.RecordBatch]:
        """The rows that are in no file, with every column."""
        return (part for _, part in self.parts if isinstance(part, pa.RecordBatch))


def local_rows(selection: Selection, query: Query) -> LocalRows | None:
    """The rows of `selection`, which `query` asked for, by their places; None: better sent.

    Every batch that it names was compared with its checksum. A series whose file is damaged is
    one of the problems.
    """
    row_bytes = _row_bytes(selection.schema)
    if not selection.is_stored or not _may_pay(selection.views, query, row_bytes):
        return None
    pieces = [selection.pieces(view) for view in selection.views]
    if not _are_in_files(pieces, row_bytes):
        return None
    found = _gathered(selection.views, pieces, query)
    if found is None or sum(p.rows for p in found.in_files()) * row_bytes < MAPPED_BYTES_MIN:
        return None
    return found


def _may_pay(views: Sequence[SeriesView], query: Query, row_bytes: int) -> bool:
    """Whether so many rows are asked for, and there are files that are worth opening."""
    most = query.limit or query.tail
    if most and most * len(views) * row_bytes < MAPPED_BYTES_MIN:
        return False
    return any(is_handed_out(segment) for view in views for segment in view.segments)


def _are_in_files(pieces: Sequence[list[Piece]], row_bytes: int) -> bool:
    """Whether enough of the rows seem to be in files, and not too many elsewhere."""
    counts = [rows_by_place(own) for own in pieces]
    in_files, elsewhere = (row_bytes * sum(c[at] for c in counts) for at in (0, 1))
    return in_files >= max(MAPPED_BYTES_MIN // 4, elsewhere) and elsewhere <= ROWS_BYTES_MAX


def _gathered(
    views: Sequence[SeriesView], pieces: Sequence[list[Piece]], query: Query
) -> LocalRows | None:
    """The rows of `pieces`; None if too much of them would have to be checked first."""
    found = LocalRows()
    fresh = 0
    for position, view in enumerate(views):
        own: list[tuple[int, Part]] = []
        try:
            for part in parts(pieces[position], limit=query.limit, tail=query.tail):
                own.append((position, part))
                fresh += part.fresh_bytes if isinstance(part, FilePart) else 0
                if fresh > FRESH_BYTES_MAX:
                    return None
        except FlightstoreError as error:
            found.problems[str(view.series.instrument)] = error
        found.parts.extend(own[::-1] if query.tail else own)
    return found


def _row_bytes(schema: pa.Schema) -> int:
    """About how many bytes a row of `schema` takes."""
    widths: list[int] = [128 if pa.types.is_string(f.type) else f.type.bit_width for f in schema]
    return max(1, sum(widths) // 8)
