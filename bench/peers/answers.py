"""Whether an answer is right: what it lacks, what it has too much, what it has changed.

Answers come as polars, pandas or Arrow frames, or as a dict of pandas frames. They are brought to
one form (columns in the order of the expected ones, sorted by the key) outside of any timing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

TOLERANCE = 1e-9  # relative: sums may be added up in another order


@dataclass(frozen=True, slots=True)
class Verdict:
    """Rows, compared by key: `lost` are expected and not there, `extra` the other way around (a
    row that came twice is one), `changed` have other values than expected."""

    lost: int
    extra: int
    changed: int

    @property
    def right(self) -> bool:
        return not (self.lost or self.extra or self.changed)

    def __str__(self) -> str:
        parts = [f"{n:,} {word}" for word, n in self._counts() if n]
        return ", ".join(parts) or "right"

    def _counts(self) -> list[tuple[str, int]]:
        return [("lost", self.lost), ("extra", self.extra), ("changed", self.changed)]


def save(answer: Any, path: Path) -> None:
    """Write an answer to an Arrow file, for `judge` in another process."""
    frame(answer).write_ipc(path)


def frame(answer: Any) -> pl.DataFrame:
    """Any answer as one polars frame; the key of a dict becomes the column `symbol`."""
    if isinstance(answer, dict):
        parts = [frame(part).with_columns(symbol=pl.lit(name)) for name, part in answer.items()]
        return pl.concat(parts)
    if isinstance(answer, pl.DataFrame):
        return answer
    if isinstance(answer, pa.Table):
        return _polars(answer)
    # pandas: an index with a name is a column
    named = answer.index.name is not None
    return _polars(pa.Table.from_pandas(answer.reset_index() if named else answer))


def _polars(table: pa.Table) -> pl.DataFrame:
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found


def judge(answer: pl.DataFrame, expected: pl.DataFrame, key: list[str]) -> Verdict:
    """Compare by `key`; only the columns of `expected` matter, numbers within TOLERANCE."""
    found = _same_form(answer, expected)
    both = _side_by_side(found, expected, key)
    if both is not None:
        return Verdict(0, 0, both.filter(~_equal(expected, key)).height)
    places = found.group_by(key).len()
    known = expected.select(key).unique()
    lost = known.join(places, on=key, how="anti", nulls_equal=True).height
    extra = found.height - places.join(known, on=key, how="semi", nulls_equal=True).height
    pairs = expected.join(found.unique(key), on=key, how="inner", suffix="_found", nulls_equal=True)
    changed = pairs.filter(~_equal(expected, key)).height
    return Verdict(lost, extra, changed)


def _side_by_side(
    found: pl.DataFrame, expected: pl.DataFrame, key: list[str]
) -> pl.DataFrame | None:
    """Each expected row beside the found one, if the keys are the same: joins of millions of rows
    take long, and most answers are right and in order."""
    if found.height != expected.height:
        return None
    if not found.select(key).equals(expected.select(key)):
        found, expected = found.sort(key), expected.sort(key)
        if not found.select(key).equals(expected.select(key)):
            return None
    return pl.concat([expected, found.rename(lambda name: f"{name}_found")], how="horizontal")


def _same_form(answer: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    return answer.select(
        pl.col(name).cast(pl.String).cast(kind) if kind == pl.String else _cast(answer, name, kind)
        for name, kind in expected.schema.items()
    )


def _cast(answer: pl.DataFrame, name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(kind, pl.Datetime):
        if answer.schema[name].is_integer():
            return column.cast(pl.Int64).cast(kind)
        zone = getattr(answer.schema[name], "time_zone", None)
        in_utc = column.dt.replace_time_zone if zone is None else column.dt.convert_time_zone
        return in_utc("UTC").cast(kind)
    return column.cast(kind)


def _equal(expected: pl.DataFrame, key: list[str]) -> pl.Expr:
    """Whether all values of a pair are the same."""
    same = [pl.lit(True)]
    for name, kind in expected.schema.items():
        if name in key:
            continue
        ours, theirs = pl.col(name), pl.col(f"{name}_found")
        if kind.is_float():
            near = (ours - theirs).abs() <= TOLERANCE * ours.abs().clip(lower_bound=1e-12)
            same.append(near.fill_null(False) | ours.eq_missing(theirs))
        else:
            same.append(ours.eq_missing(theirs))
    return pl.all_horizontal(same)
