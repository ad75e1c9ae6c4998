"""As-of joins of frames that are here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import pyarrow as pa

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadRequest

# `ts` as nanoseconds, and the position of a row: no column of anybody's is called that.
_AT, _PLACE = "\0at", "\0place"
_BY = ["exchange", "symbol"]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a join: the rows as given, and in front of them when they are, in ns UTC.

    `is_sorted` is False where only those of each instrument are.
    """

    name: str
    rows: pl.DataFrame
    is_sorted: bool
    keeps_ts: bool

    @classmethod
    def of(cls, name: str, frame: Any, *, keeps_ts: bool = False) -> Side:
        """`frame`, checked; `keeps_ts`: of the right side `ts` stays.

        Raises BadRequest unless it is a frame with a sorted `ts`.
        """
        rows = _frame(name, frame)
        if "ts" not in rows.columns:
            raise BadRequest(f"The {name} frame has no column 'ts' to join by.")
        kind = rows.schema["ts"]
        if not isinstance(kind, pl.Datetime):
            raise BadRequest(
                f"'ts' of the {name} frame has type {kind}: convert it to times (Datetime) first."
            )
        at = rows["ts"].dt.cast_time_unit("ns").to_physical().alias(_AT)
        if at.null_count():
            raise BadRequest(f"'ts' of the {name} frame holds nulls: drop these rows first.")
        side = cls(name, rows.select(at, pl.all()), at.is_sorted(), keeps_ts)
        if not (side.is_sorted or side._is_sorted_by_instrument()):
            raise BadRequest(f"The {name} frame is not sorted: sort it by 'ts' first.")
        return side

    @property
    def has_identity(self) -> bool:
        """Whether the rows say which instrument they are of."""
        return all(part in self.rows.columns for part in _BY)

    def within(self, span: pb.TimeRange) -> Side:
        """The rows in `span`."""
        rows = self.rows
        if span.HasField("start"):
            rows = rows.filter(pl.col(_AT) >= span.start)
        if span.HasField("end"):
            rows = rows.filter(pl.col(_AT) < span.end)
        return replace(self, rows=rows)

    def extent(self) -> tuple[int, int]:
        """The first and the last time, in ns UTC; zeros for no rows."""
        at = pl.col(_AT)
        low, high = self.rows.select(at.min().alias("low"), at.max().alias("high")).row(0)
        return (low, high) if len(self.rows) else (0, 0)

    def _is_sorted_by_instrument(self) -> bool:
        falls = pl.col(_AT).diff() < 0
        return self.has_identity and not self.rows.select(falls.over(_BY).any()).item()


def join(left: Side, right: Side, tolerance_ns: int | None, suffix: str) -> pl.DataFrame:
    """The rows of `left`, each with the columns of the last row of `right` at or before it.

    By exchange and symbol, if both have them. Raises BadRequest where the instruments of `right`
    cannot be told apart, or `suffix` does not tell two columns apart.
    """
    by = _BY if left.has_identity and right.has_identity else []
    if not (by or right.is_sorted):
        raise BadRequest(
            "The right frame is of several instruments, and the left one has no columns "
            "'exchange' and 'symbol' to join by: add them, or sort the right frame by 'ts'."
        )
    taken = right.rows if right.keeps_ts else right.rows.drop("ts")
    taken = taken.with_columns(
        pl.col(part).cast(left.rows.schema[part], strict=False) for part in by
    )
    _check_names(left, taken, by, suffix)
    rows = left.rows if by or left.is_sorted else left.rows.with_row_index(_PLACE).sort(_AT)
    joined: pl.DataFrame = rows.join_asof(
        taken,
        on=_AT,
        by=by or None,
        strategy="backward",
        tolerance=tolerance_ns,
        suffix=suffix,
        check_sortedness=False,  # it is, for each instrument
    )
    if _PLACE in joined.columns:
        joined = joined.sort(_PLACE).drop(_PLACE)
    result: pl.DataFrame = joined.drop(_AT)
    return result


def _check_names(left: Side, taken: pl.DataFrame, by: list[str], suffix: str) -> None:
    known = set(left.rows.columns)
    for name in taken.columns:
        if name in by or name == _AT:
            continue
        final = name + suffix if name in left.rows.columns else name
        if final in known:
            raise BadRequest(
                f"Two columns of the join would be called {final!r}: give another suffix."
            )
        known.add(final)


def _frame(name: str, frame: Any) -> pl.DataFrame:
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pa.Table | pa.RecordBatch):
        return pl.DataFrame(frame)
    if isinstance(frame, pl.LazyFrame):
        raise BadRequest(f"The {name} side is a LazyFrame: collect() it first.")
    if type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "columns"):
        if type(frame.index).__name__ == "DatetimeIndex" and "ts" not in frame.columns:
            frame = frame.rename_axis("ts").reset_index()
        rows: pl.DataFrame = pl.from_pandas(frame)
        return rows
    raise BadRequest(
        f"The {name} side of a join is Rows or a frame of polars, pandas or Arrow, not a "
        f"{type(frame).__name__}."
    )
