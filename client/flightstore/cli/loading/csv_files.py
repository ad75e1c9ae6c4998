"""CSV files: what separates their cells, whether they have a header, and their rows in a stream.

The first megabyte decides. Types are fixed before the stream starts: guessed block by block they
would change under way, when a column of whole numbers meets its first fraction.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from flightstore.cli.loading.files import decompressed, readable
from flightstore_proto.errors import BadRequest

_SAMPLE_BYTES = 1 << 20
_SAMPLE_ROWS = 1000
_BLOCK_BYTES = 4 << 20
_DELIMITERS = ",;\t|"
_VALUE = re.compile(r"[+-]?[0-9.][0-9.:eETZ+ -]*|[+-]?nan|[+-]?inf|true|false", re.IGNORECASE)
# Files that Binance publishes without a header, by (dataset, number of columns).
_HEADERLESS = {
    ("candles", 12): "open_time open high low close volume close_time quote_volume count "
    "taker_buy_volume taker_buy_quote_volume ignore",
    ("trades", 6): "id price qty quote_qty time is_buyer_maker",
    ("trades", 7): "id price qty quote_qty time is_buyer_maker is_best_match",
    ("trades", 8): "agg_trade_id price quantity first_trade_id last_trade_id transact_time "
    "is_buyer_maker is_best_match",
}
_HEADERLESS_TIME = {"open_time", "time", "transact_time"}
# The epoch in milliseconds or microseconds, as those files have it.
_EPOCH = re.compile(r"[1-9][0-9]{12}(?:[0-9]{3})?")


class CsvFile:
    """A CSV file, plain or compressed; progress counts its bytes on disk."""

    def __init__(self, path: Path, dataset: str) -> None:
        self.path = path
        self.total = path.stat().st_size
        self._text = _first_lines(path)
        with readable(path):
            self._delimiter, self._skipped, rows = _grid(self._text, path)
        self.columns = rows[0]
        if _has_header(rows[0]):
            self._skipped += 1
            rows = rows[1:]
        else:
            self.columns = _names_without_header(dataset, rows)
        if len(set(self.columns)) != len(self.columns):
            raise BadRequest(f"{path} has two columns of one name.")
        self.sample = pa.table(
            [pa.array([row[i] for row in rows], pa.utf8()) for i in range(len(self.columns))],
            names=self.columns,
        )

    def batches(
        self, types: Mapping[str, pa.DataType | None]
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        guessed = self._guessed_types() if None in types.values() else {}
        convert = arrow_csv.ConvertOptions(
            include_columns=list(types),
            column_types={name: kind or guessed[name] for name, kind in types.items()},
        )
        with readable(self.path), decompressed(self.path) as (raw, stream):
            reader = arrow_csv.open_csv(stream, *self._options(), convert)
            for batch in reader:
                yield batch, min(raw.tell(), self.total)

    def _options(self) -> tuple[arrow_csv.ReadOptions, arrow_csv.ParseOptions]:
        read = arrow_csv.ReadOptions(
            block_size=_BLOCK_BYTES, column_names=self.columns, skip_rows=self._skipped
        )
        return read, arrow_csv.ParseOptions(delimiter=self._delimiter)

    def _guessed_types(self) -> dict[str, pa.DataType]:
        with readable(self.path):
            table = arrow_csv.read_csv(io.BytesIO(self._text.encode()), *self._options())
        # A column that is empty so far: numbers are what market data most likely holds.
        return {
            field.name: pa.float64() if pa.types.is_null(field.type) else field.type
            for field in table.schema
        }


def _first_lines(path: Path) -> str:
    with readable(path), decompressed(path) as (_, stream):
        start = stream.read(_SAMPLE_BYTES)
        if len(start) == _SAMPLE_BYTES:  # the last line may be cut
            start = start[: start.rfind(b"\n") + 1]
        text = start.decode("utf-8-sig")
    if not text.strip():
        raise BadRequest(f"{path} is empty.")
    return str(text)


def _grid(text: str, path: Path) -> tuple[str, int, list[list[str]]]:
    """The delimiter, the lines before the table, and the table's first rows."""
    lines = text.splitlines()[: _SAMPLE_ROWS + 20]
    best = max(_DELIMITERS, key=lambda delimiter: _evenness(lines, delimiter))
    rows = [(n, row) for n, row in enumerate(csv.reader(lines, delimiter=best)) if row]
    width = _usual_width([row for _, row in rows])
    if width < 2:
        raise BadRequest(f"{path} does not look like a table: {lines[0][:60]!r}.")
    # Some publishers put their address above the header.
    table = [(n, row) for n, row in rows if len(row) == width]
    return best, table[0][0], [[cell.strip() for cell in row] for _, row in table]


def _evenness(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    rows = [row for row in csv.reader(lines[:50], delimiter=delimiter) if row]
    width = _usual_width(rows)
    share = sum(len(row) == width for row in rows) / max(len(rows), 1)
    return (share if width > 1 else 0.0, width)


def _usual_width(rows: Sequence[Sequence[str]]) -> int:
    counts = Counter(len(row) for row in rows)
    return counts.most_common(1)[0][0] if counts else 0


def _has_header(row: Sequence[str]) -> bool:
    return not any(_VALUE.fullmatch(cell) for cell in row)


def _names_without_header(dataset: str, rows: Sequence[Sequence[str]]) -> list[str]:
    """The names of a layout that Binance publishes, or the columns' numbers."""
    width = len(rows[0])
    names = _HEADERLESS.get((dataset, width), "").split()
    times = [i for i, name in enumerate(names) if name in _HEADERLESS_TIME]
    if times and all(_EPOCH.fullmatch(row[times[0]]) for row in rows):
        return names
    return [str(number) for number in range(1, width + 1)]
