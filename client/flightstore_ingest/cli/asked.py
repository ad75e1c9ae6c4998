"""What the words and options of a command line ask for, as a configuration."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flightstore_ingest import config
from flightstore_ingest.config import Config
from flightstore_proto import timeframe as timeframes
from flightstore_proto.errors import BadRequest, ConfigError
from flightstore_proto.timerange import to_ns


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `backfill`, `repair` and `live`, as they were given."""

    words: Sequence[str]
    timeframes: Sequence[str]
    trades: bool
    since: str
    symbols: Sequence[str]
    urls: Sequence[str]
    options: Sequence[str]
    config: Sequence[str]
    concurrency: int
    speed: float

    def configuration(self, *, live: str = "off") -> Config:
        """As ingest.toml would have it. Raises BadRequest if it is not clear what is meant."""
        wanted = _wanted(self.words, self.symbols)
        urls = _urls(self.urls, wanted)
        frames = self.timeframes or ([] if self.trades else ["1m"])
        # Here, where a wrong one needs no explanation of where in a configuration it would stand.
        to_ns(self.since)
        for text in frames:
            timeframes.parse(text)
        exchanges = {
            name: {
                "url": urls.get(name, ""),
                "options": _settings("--option", self.options),
                "config": _settings("--config", self.config),
                "concurrency": self.concurrency,
                "speed": self.speed,
                "live": live,
                "keep": [
                    {
                        "symbols": symbols,
                        "candles": frames,
                        "trades": self.trades,
                        "since": self.since,
                    }
                ],
            }
            for name, symbols in wanted.items()
        }
        try:
            return config.checked({"exchange": exchanges}, "the command line")
        except ConfigError as error:
            raise BadRequest(error.message) from None


def config_file(words: Sequence[str]) -> Path | None:
    """The configuration file, if that is what `words` name."""
    return Path(words[0]) if len(words) == 1 and words[0].endswith(".toml") else None


def _wanted(words: Iterable[str], patterns: Sequence[str]) -> dict[str, list[str]]:
    """Symbols by exchange. A word without a slash is an exchange, one with a slash a symbol."""
    own: dict[str, list[str]] = {}
    shared: list[str] = []
    for word in (part for text in words for part in _parts(text)):
        exchange, colon, symbol = word.partition(":")
        if "/" in exchange:
            shared.append(word)
        elif colon:
            own.setdefault(exchange, []).append(symbol)
        else:
            own.setdefault(_exchange(word), [])
    if not own:
        raise BadRequest("Say which exchange: flightstore ingest backfill binance BTC/USDT.")
    shared += (symbol for text in patterns for symbol in _parts(text))
    wanted = {name: [*symbols, *shared] for name, symbols in own.items()}
    for name, symbols in wanted.items():
        if not symbols:
            raise BadRequest(
                f"Say which symbols of {name}: BTC/USDT, or --symbols '*/USDT' for all that match."
            )
    return wanted


def _parts(text: str) -> list[str]:
    return [part for part in (part.strip() for part in text.split(",")) if part]


def _exchange(word: str) -> str:
    if word.upper() == word:
        raise BadRequest(
            f"{word!r} is no exchange, whose names have small letters, and no symbol, which has a "
            "slash: BTC/USDT."
        )
    return word


def _urls(given: Sequence[str], wanted: dict[str, list[str]]) -> dict[str, str]:
    """Addresses by exchange."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, url = text.partition("=")
        if not equals or "/" in name:
            if len(wanted) > 1:
                raise BadRequest(f"--url {text}: say of which exchange, as --url binance={text}.")
            name, url = next(iter(wanted)), text
        if name not in wanted:
            raise BadRequest(f"--url {text}: {name!r} is none of {', '.join(wanted)}.")
        if not url.startswith(("http://", "https://")):
            raise BadRequest(f"--url {text}: an address begins with http:// or https://.")
        found[name] = url
    return found


def _settings(option: str, given: Sequence[str]) -> dict[str, Any]:
    """`a.b=value` as {"a": {"b": value}}; a value is JSON, or else text."""
    found: dict[str, Any] = {}
    for text in given:
        path, equals, value = text.partition("=")
        *outer, last = path.split(".")
        if not equals or not all((*outer, last)):
            raise BadRequest(f"{option} {text!r} is not key=value.")
        inner = found
        for key in outer:
            inner = inner.setdefault(key, {})
            if not isinstance(inner, dict):
                raise BadRequest(f"{option} {text!r}: {key} has another value already.")
        inner[last] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
