"""What commands print: tables for people, JSON for machines, remarks on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Piped output is never cut or folded to a terminal's width.
_UNBOUNDED = 1_000_000


def print_json(value: Any) -> None:
    """`value` as JSON; a list has one element per line, so that text tools can work on it."""
    if isinstance(value, list):
        lines = ",\n".join(_json(element) for element in value)
        print(f"[\n{lines}\n]" if value else "[]")
    else:
        print(_json(value))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """`rows` under `headers`; numbers stand to the right, None is shown as a dash."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, header in enumerate(headers):
        numeric = all(isinstance(row[position], int | float | None) for row in rows)
        table.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        # Text, as a string would be searched for rich's own [markup].
        table.add_row(*(Text(cell(value)) for value in row))
    _console().print(table)


def print_facts(facts: Mapping[str, object]) -> None:
    """Names and values, one pair a line."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        print(f"{name:<{width}}  {cell(value)}")


def remark(text: str) -> None:
    """A sentence for the person at the terminal; stdout stays pure data."""
    print(text, file=sys.stderr)


def cell(value: object) -> str:
    """One value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def size(count: int) -> str:
    """A number of bytes as 1.2 GB."""
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 999.95 and len(units) > 1:
        amount /= 1000
        del units[0]
    return f"{amount:.0f} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else _UNBOUNDED)
