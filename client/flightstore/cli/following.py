"""Rows as they come: `flightstore tail --follow`."""

from __future__ import annotations

import sys
from typing import Any, Protocol

import pyarrow as pa

import flightstore
from flightstore.cli import output
from flightstore.cli.csv_text import CsvText
from flightstore.cli.values import plain_rows
from flightstore_proto.timerange import TimeRange


class Lines(Protocol):
    """Prints rows below those before."""

    def print(self, table: pa.Table, rows: list[dict[str, Any]]) -> None:
        """Print `table`, which is `rows` in plain values."""


class CsvLines:
    """CSV under one header."""

    def __init__(self, schema: pa.Schema) -> None:
        self._text = CsvText(sys.stdout.buffer, schema)

    def print(self, table: pa.Table, rows: list[dict[str, Any]]) -> None:
        for batch in table.to_batches():
            self._text.write(batch)


class JsonLines:
    """One JSON object a line."""

    def print(self, table: pa.Table, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            output.print_json(row)


class AlignedLines:
    """Aligned columns, each as wide as its widest value so far: what is printed cannot be moved."""

    def __init__(self, schema: pa.Schema) -> None:
        self._widths = [len(name) for name in schema.names]
        self._right = [_is_number(field.type) for field in schema]
        self._header: list[str] | None = list(schema.names)

    def print(self, table: pa.Table, rows: list[dict[str, Any]]) -> None:
        cells = [[output.cell(value) for value in row.values()] for row in rows]
        self._widths = [
            max(map(len, column)) for column in zip(self._blanks(), *cells, strict=True)
        ]
        if self._header is not None:
            cells.insert(0, self._header)
            self._header = None
        for line in cells:
            print("  ".join(map(self._aligned, line, self._widths, self._right)).rstrip())

    def _blanks(self) -> list[str]:
        return [" " * width for width in self._widths]

    @staticmethod
    def _aligned(text: str, width: int, right: bool) -> str:
        return text.rjust(width) if right else text.ljust(width)


def lines(schema: pa.Schema, as_json: bool, as_csv: bool) -> Lines:
    """What prints rows of `schema` in the form that was asked for."""
    if as_json:
        return JsonLines()
    return CsvLines(schema) if as_csv else AlignedLines(schema)


class Shown:
    """Rows that were read and printed before the stream, which would tell some of them again."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = {_key(row): row for row in rows}

    def is_new(self, row: dict[str, Any]) -> bool:
        """Whether `row` differs from what was printed. Asked once: later the same row is news."""
        return self._rows.pop(_key(row), None) != row


def follow(live: flightstore.Live, lines: Lines, shown: Shown) -> None:
    """Print what comes until somebody interrupts."""
    for batch in live:
        for gone in batch.deletes:
            window = TimeRange(gone.start_ns, gone.end_ns)
            output.remark(f"Deleted: {gone.instrument} in {window}.")
        table = pa.Table.from_batches([batch.rows])
        rows = plain_rows(table)
        news = [shown.is_new(row) for row in rows]
        if any(news):
            fresh = [row for row, new in zip(rows, news, strict=True) if new]
            lines.print(table.filter(pa.array(news)), fresh)
            sys.stdout.flush()


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("exchange", "symbol", "ts", "id"))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
