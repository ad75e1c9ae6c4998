"""Recordings in a folder, by the pattern of their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from flightstore_proto.errors import ConfigError

TRADES = "trades"
_PARTS = {
    "symbol": "(?P<symbol>.+?)",
    "base": "(?P<base>[A-Za-z0-9]+)",
    "quote": "(?P<quote>[A-Za-z0-9]+)",
    "timeframe": f"(?P<timeframe>[1-9][0-9]*[smhdw]|{TRADES})",
}


def named(folder: Path, names: str) -> Iterator[tuple[str, str, Path]]:
    """(symbol, timeframe or `trades` or "", path) of the files in `folder` that `names` describes.

    Raises ConfigError for a folder that is not there, an unclear pattern, or no such file.
    """
    pattern = _compiled(names)
    if not folder.is_dir():
        raise ConfigError(f"There is no folder {folder.absolute()}: correct `folder`.")
    files = sorted(path for path in folder.iterdir() if path.is_file())
    matches = [(match, path) for path in files if (match := pattern.fullmatch(path.name))]
    if not matches:
        there = ", ".join(path.name for path in files[:5]) or "no file at all"
        raise ConfigError(f"No file in {folder} is named {names!r}; there is {there}.")
    for match, path in matches:
        parts = match.groupdict()
        symbol = parts.get("symbol") or f"{parts['base']}/{parts['quote']}"
        yield symbol, parts.get("timeframe") or "", path


def _compiled(names: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w*)\}", names)
    given = pieces[1::2]
    unknown = [name for name in given if name not in _PARTS]
    whole = given.count("symbol") == 1 or (given.count("base"), given.count("quote")) == (1, 1)
    if unknown or not whole or len(set(given)) != len(given):
        raise ConfigError(
            f"names = {names!r} does not say the symbol: write {{symbol}}, or {{base}} and "
            "{quote}, each once, and {timeframe} if the names hold it."
        )
    literal = (re.escape(text) for text in pieces[::2])
    parts = [_PARTS[name] for name in given]
    return re.compile(
        "".join(text + part for text, part in zip(literal, [*parts, ""], strict=True))
    )
