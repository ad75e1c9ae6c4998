"""Bringing a catalog of an older format to this one, in one transaction, before it is used.

1 to 2    series say which rule keeps them; rules
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

_SERIES_1 = (
    *("id", "dataset", "instrument", "timeframe", "free_grid", "metadata"),
    *("created", "retired"),
)


def upgrade_from_1(
    db: sqlite3.Connection,
    rules_table: str,
    watch: Callable[[str], None],
    sum_of: Callable[[str], int],
) -> None:
    """Add what format 2 has. `watch` makes a table's triggers, `sum_of` adds up its rows."""
    for event in ("insert", "delete", "update"):
        db.execute(f"drop trigger series_{event}")
    db.execute("alter table series add column rule text not null default ''")
    watch("series")
    db.execute("update sums set value = ? where name = 'series'", (sum_of("series"),))
    db.execute(rules_table)
    db.execute("insert into sums values ('rules', 0)")
    watch("rules")


COLUMNS_1 = {"series": _SERIES_1}
