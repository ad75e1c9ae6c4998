"""The keys of `[exchange.NAME.settings]` when its source is `replay`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from flightstore_ingest.replay import finding
from flightstore_proto import timeframe as timeframes
from flightstore_proto.errors import ConfigError, did_you_mean, near
from flightstore_proto.timerange import to_ns


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileSettings(_Section):
    """One recorded file; all but `path` is found out where it is not said.

    dataset, timeframe   what it holds: candles or trades, 1m
    columns, time_unit, tz, number_ids   as the options of `flightstore import`
    """

    path: Path
    dataset: Literal["", "candles", "trades"] = ""
    timeframe: str = ""
    columns: dict[str, str] = {}
    time_unit: str = "auto"
    tz: str = "UTC"
    number_ids: bool = False

    @field_validator("timeframe")
    @classmethod
    def _timeframe(cls, given: str) -> str:
        if given and timeframes.parse(given).months:
            raise ValueError("months and years are better made from shorter bars")
        return given


class Settings(_Section):
    """What is played, and how fast.

    files   by symbol: a path, a table of FileSettings, or a list of these
    folder  a directory with recordings, as well or instead
    names   how its files are named: {symbol} or {base} and {quote}, and {timeframe} or `trades`
    speed   seconds of the recording in one second; "max": all of it has happened already
    start   where the clock begins; empty: at the first row of all files
    """

    files: dict[str, tuple[FileSettings, ...]] = {}
    folder: Path | None = None
    names: str = "{base}_{quote}-{timeframe}.feather"
    speed: float | Literal["max"] = 1.0
    start: str = ""

    @field_validator("files", mode="before")
    @classmethod
    def _as_tables(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        lists = {key: v if isinstance(v, list | tuple) else [v] for key, v in given.items()}
        return {
            key: [{"path": each} if isinstance(each, str | Path) else each for each in listed]
            for key, listed in lists.items()
        }

    @field_validator("speed", mode="before")
    @classmethod
    def _forwards(cls, given: Any) -> Any:
        if given == "max" or (isinstance(given, int | float) and 0 < given < math.inf):
            return given
        raise ValueError('give a number above 0, or "max"')

    @field_validator("start")
    @classmethod
    def _time(cls, given: str) -> str:
        if given:
            to_ns(given)
        return given

    @model_validator(mode="after")
    def _something(self) -> Settings:
        if not self.files and self.folder is None:
            raise ValueError('nothing to play: give files = {"BTC/USD" = "PATH"} or a folder')
        if self.start and self.speed == "max":
            raise ValueError('speed = "max" has no start: all of the recording is past')
        return self

    def recorded(self) -> Iterator[tuple[str, FileSettings]]:
        """(symbol, file) of everything to play. Raises ConfigError if the folder has none."""
        for symbol, files in self.files.items():
            yield from ((symbol, file) for file in files)
        if self.folder is not None:
            for symbol, timeframe, path in finding.named(self.folder, self.names):
                kind: Literal["", "trades"] = "trades" if timeframe == finding.TRADES else ""
                yield (
                    symbol,
                    FileSettings(path=path, dataset=kind, timeframe="" if kind else timeframe),
                )


def checked(exchange: str, given: dict[str, Any]) -> Settings:
    """`given` as settings. Raises ConfigError naming the section and the key."""
    section = f"[exchange.{exchange}.settings]"
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = [*Settings.model_fields, *FileSettings.model_fields]
            hint = did_you_mean(near(str(first["loc"][-1]), known))
            raise ConfigError(f"{section}: there is no key {key}.{hint}") from None
        what = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{section}: {f'{key}: ' if key else ''}{what}.") from None
