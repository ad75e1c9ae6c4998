"""DuckDB's errors in words of this server: one sentence, without what only DuckDB knows."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from flightstore_proto.errors import (
    BadRequest,
    DeadlineExceeded,
    FlightstoreError,
    InternalError,
    Overloaded,
    UnknownColumn,
    did_you_mean,
    near,
    shown,
)

log = logging.getLogger(__name__)
_KIND = re.compile(r"(\w[\w ]*?) Error: ")
_UNKNOWN_COLUMN = (
    re.compile(r'Referenced column "(?P<name>.+?)" not found'),
    re.compile(r'does not have a column named "(?P<name>.+?)"'),
)
# What follows the sentence: candidates by the dozen, the line again, advice that needs rights.
_AFTER_THE_SENTENCE = re.compile(
    r"\n\n|\n?\s*(?:Candidate |LINE \d|Possible solutions|Please try|You might)", re.DOTALL
)
_BROKEN = ("FATAL", "INTERNAL")


def is_fatal(text: str) -> bool:
    """Whether DuckDB is broken after an error of this text."""
    return _kind(text) in _BROKEN


def translated(
    text: str, columns: Iterable[str], memory_bytes_max: int, spill_bytes_max: int
) -> FlightstoreError:
    """What DuckDB says in `text`; `columns` are those of the tables that the query reads."""
    kind = _kind(text)
    if kind in _BROKEN:
        log.error("DuckDB failed: %s", text)
        return InternalError("DuckDB met a defect of its own; the server's log has the details.")
    if kind == "Out of Memory":
        return Overloaded(
            f"The query needs more than SQL may take: {memory_bytes_max} bytes of memory "
            f"(memory_bytes_max in [sql]) and {spill_bytes_max} on the disk (spill_bytes_max); ask "
            "for less of time, fewer series or fewer groups."
        )
    if kind == "INTERRUPT":
        return DeadlineExceeded("The query took longer than it may.")
    for pattern in _UNKNOWN_COLUMN:
        if found := pattern.search(text):
            suggestions = near(found["name"], set(columns))
            return UnknownColumn(
                f"There is no column {shown(found['name'])} here.{did_you_mean(suggestions)}",
                suggestions=suggestions,
            )
    return BadRequest(f"The query cannot be run: {_sentence(text)}.")


def _kind(text: str) -> str:
    match = _KIND.match(text)
    return match[1] if match else ""


def _sentence(text: str) -> str:
    said = _KIND.sub("", text, count=1)
    said = _AFTER_THE_SENTENCE.split(said, maxsplit=1)[0]
    return " ".join(said.split()).rstrip(".!") or "DuckDB does not say why"
