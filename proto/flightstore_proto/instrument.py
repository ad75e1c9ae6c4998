"""Instruments: `exchange:SYMBOL`, and patterns over them.

The exchange is ccxt's id (`binance`), the symbol ccxt's unified symbol (`BTC/USDT`,
`BTC/USDT:USDT`). The name is split at the first colon only. In reads `*` matches any run of
characters and `?` exactly one, in either part.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from flightstore_proto.errors import BadInstrument, shown

EXCHANGE_CHARACTERS_MAX = 64
SYMBOL_CHARACTERS_MAX = 128
# A symbol is percent-encoded into one folder name, of which file systems take 255 bytes.
SYMBOL_ENCODED_BYTES_MAX = 240
_EXCHANGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")
_DATASET = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True, order=True)
class Instrument:
    """One tradable thing on one exchange."""

    exchange: str
    symbol: str

    def __str__(self) -> str:
        return f"{self.exchange}:{self.symbol}"


def is_pattern(name: str) -> bool:
    """Whether `name` holds a wildcard and so may match several instruments."""
    return "*" in name or "?" in name


@lru_cache(maxsize=65536)
def parse(name: str) -> Instrument:
    """The instrument called `name`.

    Raises BadInstrument unless it is `exchange:SYMBOL` with an exchange of letters, digits, `_ . -`
    (at most 64) and a symbol of printable characters in Unicode normal form C (at most 128) without
    wildcards, spaces at the ends, control characters or invisible ones.
    """
    exchange, colon, symbol = name.partition(":")
    if not colon or not exchange or not symbol:
        raise BadInstrument(
            f"{shown(name)} is not an instrument: write exchange:SYMBOL, such as binance:BTC/USDT."
        )
    if len(exchange) > EXCHANGE_CHARACTERS_MAX or not _EXCHANGE.fullmatch(exchange):
        raise BadInstrument(
            f"{shown(exchange)} is not an exchange: use letters, digits, '_', '.' and '-', "
            f"at most {EXCHANGE_CHARACTERS_MAX}."
        )
    _check_symbol(symbol)
    return Instrument(exchange, symbol)


def _check_symbol(symbol: str) -> None:
    if (
        len(symbol) > SYMBOL_CHARACTERS_MAX
        or len(quote(symbol, safe="", errors="replace")) > SYMBOL_ENCODED_BYTES_MAX
    ):
        raise BadInstrument(
            f"The symbol {shown(symbol, most=40)} is too long: at most {SYMBOL_CHARACTERS_MAX} "
            f"characters and {SYMBOL_ENCODED_BYTES_MAX} bytes when percent-encoded."
        )
    if is_pattern(symbol):
        raise BadInstrument(f"{shown(symbol)} holds a wildcard; a write names one instrument.")
    if symbol != symbol.strip() or unicodedata.normalize("NFC", symbol) != symbol:
        raise BadInstrument(
            f"{shown(symbol)} is not in normal form: no spaces at the ends, Unicode form C."
        )
    # Control, format (zero-width, bidirectional) and surrogate characters would make two names
    # look the same; separators other than the plain space likewise.
    bad = {c for c in symbol if c != " " and unicodedata.category(c)[0] in "CZ"}
    if bad:
        raise BadInstrument(f"{shown(symbol)} holds characters that cannot be seen: {bad!r}.")


@lru_cache(maxsize=1024)
def pattern(name: str) -> re.Pattern[str]:
    """A compiled expression that matches the text form of every instrument `name` stands for.

    `*` alone stands for every instrument. Raises BadInstrument if `name` is neither a name nor a
    pattern with both parts.
    """
    if name == "*":
        return re.compile(r".*", re.DOTALL)
    exchange, colon, symbol = name.partition(":")
    if not colon or not exchange or not symbol:
        raise BadInstrument(
            f"{shown(name)} is not an instrument or a pattern: write exchange:SYMBOL, "
            "such as binance:BTC/USDT or binance:*/USDT."
        )
    if len(name) > EXCHANGE_CHARACTERS_MAX + SYMBOL_CHARACTERS_MAX:
        raise BadInstrument(f"The pattern {shown(name, most=40)} is too long.")
    # An exchange never holds a colon, so a wildcard in it must not run across the first one.
    exchange_part = glob_expression(exchange, any_run="[^:]*", any_one="[^:]")
    return re.compile(exchange_part + ":" + glob_expression(symbol), re.DOTALL)


def glob_expression(text: str, *, any_run: str = ".*", any_one: str = ".") -> str:
    """`text`, in which `*` and `?` are wildcards, as a regular expression."""
    # Adjacent stars are one star; left alone they make the expression's search time explode.
    text = re.sub(r"\*+", "*", text)
    pieces = {"*": any_run, "?": any_one}
    return "".join(pieces.get(c, re.escape(c)) for c in text)


def check_dataset(name: str) -> str:
    """`name` if it can name a dataset: lower case letters, digits and `_`, at most 63."""
    if not _DATASET.fullmatch(name):
        raise BadInstrument(
            f"{shown(name)} is not a dataset name: lower case letters, digits and '_', "
            "a letter first, at most 63."
        )
    return name
