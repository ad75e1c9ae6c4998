"""A chunk of a file as rows of the dataset, typed as the dataset's schema says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from flightstore.cli.loading import names
from flightstore.cli.loading.sides import taker_side
from flightstore.cli.loading.times import Reading
from flightstore_proto.errors import BadRequest
from flightstore_proto.schemas import CANDLES, RESERVED_COLUMNS, TRADES, TS
from flightstore_proto.timerange import format_ns

PRICES = ("open", "high", "low", "close")


@dataclass(slots=True)
class Shape:
    """How the rows of one file become rows of `dataset`; `columns` is from our names to its."""

    dataset: str
    columns: Mapping[str, str]
    times: Reading
    number_ids: bool = False
    said_types: Mapping[str, pa.DataType] = field(default_factory=dict)  # of a user's own dataset
    empty_bars: int = 0  # rows without a price, left out so far
    _last: tuple[int, int] = field(default=(-(2**63), 0))  # the last time, and rows that had it

    def types(self) -> dict[str, pa.DataType | None]:
        """What to parse the file's columns as; None where the file decides."""
        kinds: dict[str, pa.DataType | None] = dict.fromkeys(self.columns.values())
        if self.dataset == "candles":
            kinds |= {self.columns[name]: pa.float64() for name in (*PRICES, "volume")}
        elif self.dataset == "trades":
            kinds |= {self.columns[name]: pa.float64() for name in ("price", "amount")}
            kinds |= {self.columns[k]: pa.utf8() for k in ("id", "side") if k in self.columns}
        else:
            kinds |= {self.columns[name]: kind for name, kind in self.said_types.items()}
        kinds[self.columns["ts"]] = self.times.csv_type
        return kinds

    def rows(self, chunk: pa.Table) -> pa.Table:
        """`chunk`, with the file's own columns, as rows of the dataset."""
        plain = {ours: _decoded(chunk.column(theirs)) for ours, theirs in self.columns.items()}
        plain["ts"] = self.times.convert(plain["ts"])
        if self.dataset == "candles":
            return self._candles(plain)
        if self.dataset == "trades":
            return self._trades(plain)
        return _other(plain, self.said_types)

    def _candles(self, plain: dict[str, pa.ChunkedArray]) -> pa.Table:
        for name in (*PRICES, "volume"):
            plain[name] = _number(plain[name], name)
        table = pa.table([plain[name] for name in CANDLES.names], names=CANDLES.names)
        priceless = pc.is_null(table["open"])
        for name in PRICES[1:]:
            priceless = pc.and_(priceless, pc.is_null(table[name]))
        # Some publishers write a row for every minute, without prices where nobody traded.
        kept = table.filter(pc.invert(priceless))
        self.empty_bars += table.num_rows - kept.num_rows
        return _complete(kept).cast(CANDLES)

    def _trades(self, plain: dict[str, pa.ChunkedArray]) -> pa.Table:
        ids = self._numbered(plain["ts"]) if self.number_ids else _identifier(plain["id"])
        side: pa.ChunkedArray | pa.Array
        if "side" in plain:
            maker = names.folded(self.columns["side"]) in names.MAKER_NAMES
            side = taker_side(plain["side"], buyer_was_maker=maker)
        else:
            side = pa.repeat(pa.scalar(0, pa.int8()), len(plain["ts"]))
        price, amount = (_number(plain[name], name) for name in ("price", "amount"))
        table = pa.table([plain["ts"], ids, price, amount, side], names=TRADES.names)
        return _complete(table).cast(TRADES)

    def _numbered(self, times: pa.ChunkedArray) -> pa.ChunkedArray:
        """0, 1, 2, ... for the rows that share a time: the same each time the file is read."""
        ns = pl.Series("ts", times.cast(pa.int64()))
        last, seen = self._last
        if len(ns) and (not ns.is_sorted() or ns[0] < last):
            raise BadRequest("--number-ids needs a file that is in order of time.")
        counted = (
            ns.to_frame()
            .select(
                pl.int_range(pl.len()).over("ts")
                + pl.when(pl.col("ts") == last).then(seen).otherwise(0)
            )
            .to_series()
        )
        if len(ns):
            self._last = (ns[-1], counted[-1] + 1)
        return pa.chunked_array([counted.cast(pl.String).to_arrow().cast(pa.utf8())])


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    return column.cast(kind.value_type) if pa.types.is_dictionary(kind) else column


def _number(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """`column` as float64, with nulls where it holds no number."""
    try:
        numbers = column.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadRequest(f"Not every {name} is a number: {error}.") from error
    return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)


def _identifier(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Trade ids as text; pandas makes whole numbers floats when one is missing."""
    if pa.types.is_floating(column.type):
        column = column.cast(pa.int64())
    return column.cast(pa.utf8())


def _complete(table: pa.Table) -> pa.Table:
    for name in table.column_names:
        column = table.column(name)
        if column.null_count:
            row = pc.index(pc.is_null(column), True).as_py()
            when = format_ns(table.column("ts")[row].value)
            raise BadRequest(f"The row at {when} has no {name}; {column.null_count} rows lack it.")
    return table


def _other(plain: dict[str, pa.ChunkedArray], said: Mapping[str, pa.DataType]) -> pa.Table:
    """All columns, `ts` first."""
    rest = {name: column for name, column in plain.items() if name != "ts"}
    for name, column in rest.items():
        if name in said:
            rest[name] = column.cast(said[name])
        elif pa.types.is_large_string(column.type) or column.type == pa.string_view():
            rest[name] = column.cast(pa.utf8())
    schema = pa.schema([TS, *(pa.field(name, column.type) for name, column in rest.items())])
    return pa.table([plain["ts"], *rest.values()], schema=schema)


def storable(name: str, kind: pa.DataType) -> bool:
    """Whether a user's dataset may hold the column: a series' identity is no column of its rows."""
    return name not in RESERVED_COLUMNS and not pa.types.is_null(kind)
