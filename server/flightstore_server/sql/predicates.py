"""What a plan's filters say about which series and which times can matter.

DuckDB shows the filters of a scan as text, constants folded and parameters filled in:

    ((ts >= '2024-01-01 00:00:00+00'::TIMESTAMP WITH TIME ZONE) AND (ts < ...))
    (symbol IN ('BTC/USDT', 'ETH/USDT'))

Only forms known here narrow anything down. What is not understood lets everything through, and
DuckDB applies the filter itself anyway.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flightstore_server.sql.tables import IDENTITY

TS_LOW, TS_HIGH = -(2**63), 2**63 - 1
Span = tuple[int, int]  # nanoseconds, both ends inclusive
EVERYTHING: Span = (TS_LOW, TS_HIGH)
_NOTHING: Span = (TS_HIGH, TS_LOW)
# A token, or what stands between parentheses.
Group = list["str | Group"]

_TOKEN = re.compile(
    r"""\s*(?: '(?:[^']|'')*'            # text
             | "(?:[^"]|"")*"            # a quoted name
             | -?\d+(?:\.\d+)?(?:e[+-]?\d+)?
             | [A-Za-z_]\w*
             | :: | \|\| | !~~\*? | ~~\*? | != | <> | <= | >= | [=<>(),+*/%\[\]{}.:#-]
        )""",
    re.VERBOSE,
)
_TIME = re.compile(r"'(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?)\+00'")
_DATE = re.compile(r"'(\d{4}-\d\d-\d\d)'")
_TIME_TYPE = ["::", "TIMESTAMP", "WITH", "TIME", "ZONE"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US = 86_400 * 10**6
# What a condition on a series' words may be made of, so that it means here what it means there.
_WORDS = frozenset({"AND", "OR", "NOT", "IN", "IS", "NULL", '"row"', *IDENTITY})
_FUNCTIONS = frozenset(
    {
        *("prefix", "suffix", "contains", "starts_with", "lower", "upper", "concat"),
        *("regexp_full_match", "regexp_matches"),
    }
)
_SIGNS = frozenset({"=", "!=", "<>", "<", ">", "<=", ">=", "||", "~~", "!~~", "~~*", "!~~*", ","})


@dataclass(frozen=True, slots=True)
class Region:
    """Rows that can matter: what `exchange`, `symbol` and `timeframe` may be, and a span of ts.

    `words` are (column, values) of which each must hold, `conditions` what else must, as SQL.
    `exact` says that this is all there is: every row of a series that meets it counts.
    """

    words: tuple[tuple[str, frozenset[str]], ...] = ()
    conditions: tuple[str, ...] = ()
    span: Span = EVERYTHING
    exact: bool = True


def region(filters: list[str]) -> Region:
    """The rows that can meet all of `filters`."""
    words: list[tuple[str, frozenset[str]]] = []
    conditions: list[str] = []
    span, exact = EVERYTHING, True
    for text in filters:
        group = _parsed(text.removeprefix("optional: "))
        if group is None:  # a line break in a text tears it apart: then no piece can be trusted
            return Region(exact=False)
        for part in _split(group, "AND"):
            if (named := _named(part)) is not None:
                words.append(named)
            elif _is_of_identity(part):
                conditions.append(_text(part))
            else:
                span, exact = _both(span, _span(part)), False
    return Region(tuple(words), tuple(conditions), span, exact)


def _parsed(text: str) -> Group | None:
    """`text` as tokens, nested as its parentheses are; None if it is not whole."""
    top: Group = []
    open_groups = [top]
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            return None
        position, token = match.end(), match[0].strip()
        if token == "(":
            inner: Group = []
            open_groups[-1].append(inner)
            open_groups.append(inner)
        elif token == ")":
            if len(open_groups) == 1:
                return None
            open_groups.pop()
        else:
            open_groups[-1].append(token)
    return top if len(open_groups) == 1 else None


def _bare(group: Group) -> Group:
    """`group` without parentheses that only surround it."""
    while len(group) == 1 and isinstance(group[0], list):
        group = group[0]
    return group


def _split(group: Group, word: str) -> list[Group]:
    """What stands between the `word`s of `group`; BETWEEN has an AND of its own."""
    group = _bare(group)
    if "BETWEEN" in group:
        return [group]
    parts: list[Group] = [[]]
    for item in group:
        if item == word:
            parts.append([])
        else:
            parts[-1].append(item)
    return parts


def _named(group: Group) -> tuple[str, frozenset[str]] | None:
    """The column and the values of `symbol = 'a'`, of IN, and of several of them with OR."""
    group = _bare(group)
    if len(parts := _split(group, "OR")) > 1:
        either = [_named(part) for part in parts]
        known = [named for named in either if named is not None]
        columns = {column for column, _ in known}
        if len(known) < len(either) or len(columns) > 1:
            return None
        return columns.pop(), frozenset(value for _, values in known for value in values)
    match group:
        case [str(column), "=", str(text)] if column in IDENTITY and text.startswith("'"):
            return column, frozenset({_unquoted(text)})
        case [str(column), "IN", [*items]] if column in IDENTITY:
            texts = [item for item in items if item != ","]
            if all(isinstance(text, str) and text.startswith("'") for text in texts):
                return column, frozenset(_unquoted(str(text)) for text in texts)
    return None


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'")


def _is_of_identity(group: Group) -> bool:
    """Whether only the words of a series decide it, in terms that are known."""
    named = False
    waiting: list[Group] = [group]
    while waiting:
        items = waiting.pop()
        for position, item in enumerate(items):
            if isinstance(item, list):
                waiting.append(item)
                continue
            called = position + 1 < len(items) and isinstance(items[position + 1], list)
            known = item in _WORDS or item in _SIGNS or (called and item in _FUNCTIONS)
            if not known and not item.startswith("'"):
                return False
            named = named or item in IDENTITY
    return named


def _text(group: Group) -> str:
    return " ".join(f"({_text(i)})" if isinstance(i, list) else i for i in group)


def _span(group: Group) -> Span:
    """The times of rows that can meet `group`."""
    group = _bare(group)
    for word, join, start in (("AND", _both, EVERYTHING), ("OR", _either, _NOTHING)):
        parts = _split(group, word)
        if len(parts) > 1:
            for part in parts:
                start = join(start, _span(part))
            return start
    return _compared(group)


def _both(one: Span, other: Span) -> Span:
    return max(one[0], other[0]), min(one[1], other[1])


def _either(one: Span, other: Span) -> Span:
    return min(one[0], other[0]), max(one[1], other[1])


def _compared(group: Group) -> Span:
    """The span of one comparison of a time with a constant."""
    match group:
        case ["ts", str(sign), str(text), *kind] if kind == _TIME_TYPE:
            return _bounded(sign, _time_us(text), 1, 1000)
        case ["ts_ns", str(sign), str(text)]:
            return _bounded(sign, _whole(text), 1, 1)
        case ["CAST", ["ts", "AS", "DATE"], str(sign), str(text), "::", "DATE"]:
            return _bounded(sign, _date_us(text), _DAY_US, 1000)
    return EVERYTHING


def _bounded(sign: str, value: int | None, size: int, unit_ns: int) -> Span:
    """Times `sign` a constant of which `value` is the first and `size` the extent, in `unit_ns`."""
    if value is None:
        return EVERYTHING
    # Before 1970 cutting to microseconds goes up, not down.
    first = value * unit_ns - (unit_ns - 1 if value <= 0 else 0)
    last = (value + size) * unit_ns - 1
    spans = {
        "=": (first, last),
        ">": (first, TS_HIGH),
        ">=": (first, TS_HIGH),
        "<": (TS_LOW, value * unit_ns - 1),
        "<=": (TS_LOW, last),
    }
    return spans.get(sign, EVERYTHING)


def _time_us(text: str) -> int | None:
    match = _TIME.fullmatch(text)
    if match is None:  # infinity, or a year that Python does not know
        return None
    return (datetime.fromisoformat(match[1] + "+00:00") - _EPOCH) // timedelta(microseconds=1)


def _date_us(text: str) -> int | None:
    match = _DATE.fullmatch(text)
    return None if match is None else _time_us(f"'{match[1]} 00:00:00+00'")


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d+", text) else None
