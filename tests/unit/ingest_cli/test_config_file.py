"""config/ingest.toml has every key with its default."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from flightstore_ingest.config import (
    Config,
    ExchangeSection,
    KeepSection,
    PaceSection,
    StoreSection,
    load,
)

FILE = Path(__file__).parents[3] / "config" / "ingest.toml"
# What an example has to say, and no default can.
WANTED = {"symbols", "candles"}


def shipped() -> dict[str, Any]:
    # `settings` and ccxt's own keys exclude each other: one of them has to be a comment.
    return tomllib.loads(FILE.read_text().replace("# settings = ", "settings = "))


def defaults(section: type[BaseModel], *, without: set[str]) -> dict[str, Any]:
    fields = section.model_fields.items()
    return {name: field.default for name, field in fields if name not in without}


def test_it_is_a_configuration_of_two_exchanges():
    assert list(load(FILE).exchange) == ["binance", "kraken"]
    assert set(shipped()) == set(Config.model_fields)


def test_sections_have_every_key_with_its_default():
    assert shipped()["store"] == defaults(StoreSection, without=set())
    assert shipped()["pace"] == defaults(PaceSection, without=set())
    exchange = shipped()["exchange"]["binance"]
    [keep] = exchange.pop("keep")
    assert exchange == defaults(ExchangeSection, without={"keep"})
    assert set(keep) == set(KeepSection.model_fields)
    assert {k: v for k, v in keep.items() if k not in WANTED} == defaults(
        KeepSection, without=WANTED
    )


def test_every_key_is_explained():
    lines = FILE.read_text().splitlines()
    keys = [line for line in lines[: lines.index("[exchange.kraken]")] if " = " in line]
    assert not [line for line in keys if "#" not in line]
