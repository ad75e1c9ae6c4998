"""Errors of flightstore, the same classes on both sides of the wire.

    FlightstoreError
    ├── BadRequest                 the request cannot be carried out as it stands
    │   ├── BadInstrument          a name that is not exchange:SYMBOL, or is unsafe
    │   ├── BadTimeframe           not one of ccxt's spellings
    │   ├── BadRange               unparsable, reversed, or outside what nanoseconds can say
    │   ├── UnknownInstrument      nothing stored under that name (near names are offered)
    │   ├── UnknownDataset         no such dataset
    │   ├── UnknownColumn          no such column in the dataset
    │   ├── UnknownSnapshot        no such snapshot
    │   ├── UnknownAction          the server has no such action
    │   ├── SchemaMismatch         columns or types differ from the dataset's
    │   ├── InvalidRows            rows that cannot be true: off the grid, NaN price, high below low
    │   ├── CommitMismatch         a put whose commit does not match what was sent
    │   ├── DerivedSeries          a write to a series that a rule keeps
    │   ├── RuleConflict           a rule for series that were written, or that another rule keeps
    │   └── UnknownRule            no such rule
    ├── MissingCoverage            strict read of a range that is not known complete
    ├── PartialRead                a read of many series of which some could not be served
    ├── Corrupt                    stored bytes do not match their checksum; names file and offset
    ├── Poisoned                   a write or fsync failed; the server reads on, restart it to write
    ├── ReadOnly                   the server is a replica; write to its primary, or promote it
    ├── Overloaded                 a configured limit is reached; names the limit
    ├── Lagged                     a position that the log no longer reaches; says what it does
    ├── Unauthorized               no valid token, or not this role
    ├── Unavailable                no server there, or it is going away
    ├── DeadlineExceeded           the call took longer than its deadline
    ├── ConfigError                a configuration file, key or value
    ├── DataDirError               the data directory cannot be used as it is
    ├── MissingExtra               an optional part is not installed; names the pip command
    ├── StrategyFailed             a strategy of a sweep; names the instrument and its parameters
    └── InternalError              a defect of flightstore; the server's log has the traceback

On the wire an error is its code and one sentence (ErrorDetail in flightstore.proto). The server
raises these classes, the Flight edge encodes them, and the client decodes them into the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from heapq import nlargest
from itertools import islice

# A wrong name is the wrong moment for seconds of work: a careful comparison takes 70 µs, and a
# look at the pairs of letters 1 µs.
_COMPARED_MAX, _LOOKED_AT_MAX = 200, 20_000
_NAME_CHARACTERS_MAX = 256


class FlightstoreError(Exception):
    """Base of every error of flightstore. `suggestions` holds near names where a name was wrong."""

    code = "error"

    def __init__(self, message: str, *, suggestions: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.suggestions = tuple(suggestions)


class BadRequest(FlightstoreError):
    code = "bad_request"


class BadInstrument(BadRequest):
    code = "bad_instrument"


class BadTimeframe(BadRequest):
    code = "bad_timeframe"


class BadRange(BadRequest):
    code = "bad_range"


class UnknownInstrument(BadRequest):
    code = "unknown_instrument"


class UnknownDataset(BadRequest):
    code = "unknown_dataset"


class UnknownColumn(BadRequest):
    code = "unknown_column"


class UnknownSnapshot(BadRequest):
    code = "unknown_snapshot"


class UnknownAction(BadRequest):
    code = "unknown_action"


class SchemaMismatch(BadRequest):
    code = "schema_mismatch"


class InvalidRows(BadRequest):
    code = "invalid_rows"


class CommitMismatch(BadRequest):
    code = "commit_mismatch"


class DerivedSeries(BadRequest):
    code = "derived_series"


class RuleConflict(BadRequest):
    code = "rule_conflict"


class UnknownRule(BadRequest):
    code = "unknown_rule"


class MissingCoverage(FlightstoreError):
    code = "missing_coverage"


class PartialRead(FlightstoreError):
    code = "partial_read"


class Corrupt(FlightstoreError):
    code = "corrupt"


class Poisoned(FlightstoreError):
    code = "poisoned"


class ReadOnly(FlightstoreError):
    code = "read_only"


class Overloaded(FlightstoreError):
    code = "overloaded"


class Lagged(FlightstoreError):
    code = "lagged"


class Unauthorized(FlightstoreError):
    code = "unauthorized"


class Unavailable(FlightstoreError):
    code = "unavailable"


class DeadlineExceeded(FlightstoreError):
    code = "deadline_exceeded"


class ConfigError(FlightstoreError):
    code = "config"


class DataDirError(FlightstoreError):
    code = "data_dir"


class MissingExtra(FlightstoreError):
    code = "missing_extra"


class StrategyFailed(FlightstoreError):
    code = "strategy_failed"


class InternalError(FlightstoreError):
    code = "internal"


def _tree(root: type[FlightstoreError]) -> Iterable[type[FlightstoreError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


BY_CODE: dict[str, type[FlightstoreError]] = {cls.code: cls for cls in _tree(FlightstoreError)}


def near(name: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """Names of `known` that look like `name`, best first; letter case does not count."""
    by_folded: dict[str, list[str]] = {}
    for candidate in islice(known, _LOOKED_AT_MAX):
        by_folded.setdefault(candidate.casefold(), []).append(candidate)
    folded_name = name.casefold()[:_NAME_CHARACTERS_MAX]
    likely = _likely(folded_name, by_folded)
    close = get_close_matches(folded_name, likely, n=most, cutoff=0.6)
    return [candidate for folded in close for candidate in by_folded[folded]][:most]


def _likely(name: str, known: Iterable[str]) -> list[str]:
    """Those of `known` that have the most pairs of letters in common with `name`."""
    pairs = {name[at : at + 2] for at in range(len(name) - 1)}
    return nlargest(_COMPARED_MAX, known, key=lambda other: sum(pair in other for pair in pairs))


def did_you_mean(suggestions: Sequence[str]) -> str:
    """' Did you mean a, b or c?' or nothing."""
    if not suggestions:
        return ""
    *head, last = suggestions
    listed = f"{', '.join(head)} or {last}" if head else last
    return f" Did you mean {listed}?"


def shown(value: object, *, most: int = 80) -> str:
    """`value` in quotes, safe to print and never long: hostile names end up in messages too."""
    text = repr(str(value))
    return text if len(text) <= most else f"{text[: most - 1]}…' ({len(str(value))} characters)"
