"""A configuration that cannot be meant is refused with the key that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flightstore_ingest.config import checked, load
from flightstore_proto.errors import ConfigError

KEEP = {"symbols": ["BTC/USDT"], "candles": ["1m"]}


def of(**section: Any) -> dict[str, Any]:
    return {"exchange": {"binance": {"keep": [KEEP], **section}}}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            of(concurency=3),
            r"there is no key exchange.binance.concurency. Did you mean concurrency",
        ),
        (of(keep=[{**KEEP, "candles": ["7x"]}]), "exchange.binance.keep.0.candles: .*7x"),
        (of(keep=[{**KEEP, "candles": ["1M"]}]), "bars of 1M differ in length; keep 1d"),
        (of(keep=[{**KEEP, "since": "soon"}]), "exchange.binance.keep.0.since: .*soon"),
        (of(keep=[{**KEEP, "symbols": []}]), "exchange.binance.keep.0.symbols"),
        (of(source="replay", speed=2.0), "speed: not understood by source = 'replay'"),
        (of(settings={"files": {}}), "settings: not understood by source = 'ccxt'"),
        ({"pace": {"confirm": 0}}, "pace.confirm"),
    ],
)
def test_a_wrong_key_or_value_is_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=f"ingest.toml: .*{said}"):
        checked(values, "ingest.toml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml cannot be read: No such file"):
        load(tmp_path / "none.toml")


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("[exchange")
    with pytest.raises(ConfigError, match=r"x.toml is not valid TOML"):
        load(tmp_path / "x.toml")
