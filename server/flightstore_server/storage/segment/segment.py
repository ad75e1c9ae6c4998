"""What the catalog knows of a segment."""

from __future__ import annotations

from dataclasses import dataclass, replace

RowRanges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """Sorted rows of one series in one immutable file.

    `visible` are the half-open row ranges that deletes have left; None is all of them. `rows`,
    `min_ts` and `max_ts` speak of the visible rows. `max_lsn` is the newest write in it: where two
    segments hold the same key, the higher one wins. `bulk_lsn` is the log record that names the
    file instead of carrying its rows, 0 if none does.
    """

    id: int
    series: int
    file: str
    rows: int
    min_ts: int
    max_ts: int
    max_lsn: int
    size: int
    crc: int
    index: bytes
    columns: int
    codec: str
    file_rows: int
    visible: RowRanges | None = None
    bulk_lsn: int = 0

    def trimmed(self, visible: RowRanges, min_ts: int, max_ts: int) -> Segment:
        """The same file with only `visible` of its rows."""
        rows = sum(end - start for start, end in visible)
        return replace(self, visible=visible, rows=rows, min_ts=min_ts, max_ts=max_ts)

    def row_ranges(self) -> RowRanges:
        return ((0, self.file_rows),) if self.visible is None else self.visible
