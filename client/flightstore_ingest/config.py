"""Configuration: ingest.toml, read once into frozen values.

config/ingest.toml shows every key with its default and unit. An unknown key is an error that shows
the nearest known one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

import flightstore as fs
from flightstore_ingest.pace import Pace
from flightstore_ingest.source import CANDLES, TRADES
from flightstore_proto import timeframe as timeframes
from flightstore_proto.errors import ConfigError, FlightstoreError, did_you_mean, near
from flightstore_proto.timerange import to_ns

T = TypeVar("T")


def _understood(read: Callable[[str], T], text: str) -> T:
    """What `read` makes of `text`; its error as one that names the key as well."""
    try:
        return read(text)
    except FlightstoreError as error:
        raise ValueError(error.message.removesuffix(".")) from error


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StoreSection(_Section):
    """The flightstore server to fill; empty texts mean $FLIGHTSTORE_URI, $FLIGHTSTORE_TOKEN, ..."""

    uri: str = ""
    token: str = Field(default="", repr=False)
    ca: str = ""
    cert: str = ""
    key: str = ""

    def tls(self) -> fs.Tls | None:
        """The certificates that are named here; None if none are."""
        if not (self.ca or self.cert or self.key):
            return None
        return fs.Tls(self.ca or None, self.cert or None, self.key or None)


class PaceSection(_Section):
    """Pauses, in seconds of the exchange's clock."""

    candle_grace: float = Field(default=3.0, ge=0)
    trade_grace: float = Field(default=10.0, ge=0)
    confirm: float = Field(default=300.0, gt=0)
    recheck_bars: int = Field(default=5, ge=0)
    deep_recheck: float = Field(default=86_400.0, gt=0)

    def as_pace(self) -> Pace:
        """The same, as the service takes it."""
        return Pace(**self.model_dump())


class KeepSection(_Section):
    """Series to keep: of each symbol, candles of each timeframe, and trades if wanted."""

    symbols: tuple[str, ...] = Field(min_length=1)
    candles: tuple[str, ...] = ()
    trades: bool = False
    since: str = "-30d"

    @field_validator("candles")
    @classmethod
    def _timeframes(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for text in given:
            if not _understood(timeframes.parse, text).step_ns:
                raise ValueError(f"bars of {text} differ in length; keep 1d and resample")
        return given

    @field_validator("since")
    @classmethod
    def _time(cls, given: str) -> str:
        _understood(to_ns, given)
        return given

    def datasets(self) -> Iterator[tuple[str, str]]:
        """(dataset, timeframe) of everything to keep of each symbol."""
        yield from ((CANDLES, text) for text in self.candles)
        if self.trades:
            yield TRADES, ""


CCXT = "ccxt"
# Keys that the source for exchanges understands; other sources have a `settings` table.
_OF_CCXT = {"url", "urls", "options", "config", "speed", "trades"}


class ExchangeSection(_Section):
    """One exchange: how it is reached, and what to keep of it."""

    source: str = CCXT
    url: str = ""
    urls: dict[str, Any] = {}
    options: dict[str, Any] = {}
    config: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    live: Literal["auto", "poll", "off"] = "auto"
    trades: Literal["aggregate", "single"] = "aggregate"
    concurrency: int = Field(default=4, ge=1)
    speed: float = Field(default=1.0, gt=0)
    keep: tuple[KeepSection, ...] = ()

    @model_validator(mode="after")
    def _keys_of_this_source(self) -> ExchangeSection:
        """A key that would do nothing is a misunderstanding, and said."""
        idle = self.model_fields_set & (_OF_CCXT if self.source != CCXT else {"settings"})
        if idle:
            named = ", ".join(sorted(idle))
            raise ValueError(f"{named}: not understood by source = {self.source!r}")
        return self

    def arguments(self, pace: Pace) -> dict[str, Any]:
        """What the source is made with."""
        if self.source != CCXT:
            return dict(self.settings)
        symbols = tuple(symbol for keep in self.keep for symbol in keep.symbols)
        given = self.model_dump(include={"live", *_OF_CCXT})
        return {"symbols": symbols or ("*",), "candle_grace": pace.candle_grace, **given}


class Config(_Section):
    """Everything the ingestion can be told."""

    store: StoreSection = StoreSection()
    pace: PaceSection = PaceSection()
    exchange: dict[str, ExchangeSection] = {}


def load(path: Path) -> Config:
    """The configuration in `path`. Raises ConfigError naming the file and the key."""
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None
    return checked(values, str(path))


def checked(values: dict[str, Any], origin: str) -> Config:
    """`values` as a configuration; `origin` is what an error calls them."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, origin)) from None


def _explain(error: ValidationError, origin: str) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = {name for section in _SECTIONS for name in section.model_fields}
        return f"{origin}: there is no key {key}.{did_you_mean(near(str(first['loc'][-1]), known))}"
    return f"{origin}: {key}: {first['msg']}."


_SECTIONS = (Config, StoreSection, PaceSection, KeepSection, ExchangeSection)
