"""Which rows belong to which instrument: runs of rows, and the columns built from them.

A stream of many series says so once per run and not once per row. The columns are built here after
the last row has come: for 6.7 million rows of 7,700 series in about 10 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, TypeVar

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import InternalError
from flightstore_proto.schemas import IDENTITY_FIELDS

T = TypeVar("T")  # pa.Table or pa.RecordBatch


@dataclass(slots=True)
class Runs:
    """Consecutive rows of one instrument each: `ordinals` into `instruments`, and their `rows`."""

    instruments: Sequence[str]
    ordinals: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)

    def add(self, said: pb.BatchRuns | pb.LiveBatch, batch_rows: int) -> None:
        """Append what a batch's metadata says, having checked it against the batch."""
        if len(said.series) != len(said.rows) or sum(said.rows) != batch_rows:
            raise InternalError("The server's runs do not add up to the rows it sent.")
        if said.series and max(said.series) >= len(self.instruments):
            raise InternalError("The server sent rows of an instrument that it did not name.")
        self.ordinals.extend(said.series)
        self.rows.extend(said.rows)

    def spans(self) -> list[tuple[str, int, int]]:
        """(instrument, first row, one past its last) of every run that has rows."""
        ends = accumulate(self.rows)
        return [
            (self.instruments[ordinal], end - rows, end)
            for ordinal, rows, end in zip(self.ordinals, self.rows, ends, strict=True)
            if rows
        ]

    def only_own(self) -> Runs:
        """The same runs over just those instruments that have one, in the order of the runs."""
        position = {ordinal: i for i, ordinal in enumerate(dict.fromkeys(self.ordinals))}
        names = [self.instruments[ordinal] for ordinal in position]
        return Runs(names, [position[ordinal] for ordinal in self.ordinals], list(self.rows))

    def extents(self) -> list[tuple[int, int]]:
        """(offset, rows) of every instrument, in the order of `instruments`; rows may be 0."""
        found = [(0, 0)] * len(self.instruments)
        offset, last = 0, -1
        for ordinal, rows in zip(self.ordinals, self.rows, strict=True):
            start, length = found[ordinal]
            if length and ordinal != last:
                raise InternalError("The server sent the rows of one instrument in two places.")
            found[ordinal] = (start if length else offset, length + rows)
            offset += rows
            last = ordinal
        return found


def polars_columns(runs: Runs) -> list[pl.Series]:
    """`exchange` and `symbol`, one value per row, as Categorical."""
    exchanges, symbols = _parts(runs.instruments)
    per_run = pl.DataFrame(
        {
            "exchange": pl.Series([exchanges[i] for i in runs.ordinals], dtype=pl.Categorical),
            "symbol": pl.Series([symbols[i] for i in runs.ordinals], dtype=pl.Categorical),
        }
    )
    # Gathering with a decoded run index takes a quarter of the time of importing dictionaries.
    position = pl.Series(_expanded(runs, list(range(len(runs.rows))), pa.uint32()))
    return per_run[position].get_columns()


class ArrowColumns:
    """Makes `exchange` and `symbol` of the rows of any runs over the same `instruments`.

    They are indices of type `width` into the distinct texts; None: the narrowest that holds them.
    """

    def __init__(self, instruments: Sequence[str], width: pa.DataType | None = None) -> None:
        self._parts = [_Coded.of(part, width) for part in _parts(instruments)]

    def prepended(self, table: T, runs: Runs) -> T:
        """`table`, or a batch, with both columns in front, dictionary-encoded."""
        rows: Any = table
        columns = [part.rows(runs) for part in self._parts]
        fields = [f.with_type(c.type) for f, c in zip(IDENTITY_FIELDS, columns, strict=True)]
        schema = pa.schema([*fields, *rows.schema])
        widened: T = type(rows).from_arrays([*columns, *rows.columns], schema=schema)
        return widened


@dataclass(frozen=True, slots=True)
class _Coded:
    """One part of every instrument's name: its distinct `values`, and each one's number."""

    values: pa.Array
    numbers: list[int]
    width: pa.DataType

    @classmethod
    def of(cls, part: Sequence[str], width: pa.DataType | None) -> _Coded:
        codes: dict[str, int] = {}
        numbers = [codes.setdefault(text, len(codes)) for text in part]
        return cls(pa.array(list(codes), pa.utf8()), numbers, width or _narrowest(len(codes)))

    def rows(self, runs: Runs) -> pa.DictionaryArray:
        codes = _expanded(runs, [self.numbers[i] for i in runs.ordinals], self.width)
        # Safe would look at every row again; `Runs.add` has checked the ordinals.
        return pa.DictionaryArray.from_arrays(codes, self.values, safe=False)


def _narrowest(size: int) -> pa.DataType:
    return pa.int8() if size < 2**7 else pa.int16() if size < 2**15 else pa.int32()


def polars_ordinals(runs: Runs) -> pl.Series:
    """The ordinal of every row's instrument, UInt32."""
    return pl.Series(_expanded(runs, runs.ordinals, pa.uint32()))


def _parts(instruments: Sequence[str]) -> tuple[list[str], list[str]]:
    split = [name.partition(":") for name in instruments]
    return [exchange for exchange, _, _ in split], [symbol for _, _, symbol in split]


def _expanded(runs: Runs, values: list[int], kind: pa.DataType) -> pa.Array:
    """Each of `values` repeated for its run's rows."""
    filled = [(value, rows) for value, rows in zip(values, runs.rows, strict=True) if rows]
    ends = pa.array(accumulate(rows for _, rows in filled), pa.int64())
    encoded = pa.array([value for value, _ in filled], kind)
    return pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(ends, encoded))
