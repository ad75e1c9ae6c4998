"""The keys of a replayed exchange's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flightstore_ingest import registry
from flightstore_ingest.replay.settings import checked
from flightstore_proto.errors import ConfigError, FlightstoreError


def recorded(**given: Any) -> list[tuple[str, str, str, str]]:
    """(symbol, file, dataset, timeframe) of what is to be played."""
    found = checked("v", given).recorded()
    return [(symbol, file.path.name, file.dataset, file.timeframe) for symbol, file in found]


def test_files_are_paths_tables_or_lists_of_these() -> None:
    table = {"path": "ticks.csv", "dataset": "trades"}
    files = {"A/B": "bars.csv", "C/D": table, "E/F": ["a.csv", table]}
    assert recorded(files=files) == [
        ("A/B", "bars.csv", "", ""),
        ("C/D", "ticks.csv", "trades", ""),
        ("E/F", "a.csv", "", ""),
        ("E/F", "ticks.csv", "trades", ""),
    ]


def test_a_folder_is_searched_for_the_pattern_of_names(tmp_path: Path) -> None:
    for name in ("A_B-1m.feather", "A_B-trades.feather", "C_D-15m.feather", "README.md"):
        (tmp_path / name).touch()
    assert recorded(folder=tmp_path) == [
        ("A/B", "A_B-1m.feather", "", "1m"),
        ("A/B", "A_B-trades.feather", "trades", ""),
        ("C/D", "C_D-15m.feather", "", "15m"),
    ]


def test_a_name_may_hold_the_symbol_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "AAPL.csv.gz").touch()
    assert recorded(folder=tmp_path, names="{symbol}.csv.gz") == [("AAPL", "AAPL.csv.gz", "", "")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "nothing to play"),
        ({"files": {"A/B": "x"}, "speed": 0}, 'speed: give a number above 0, or "max"'),
        ({"files": {"A/B": "x"}, "speed": "fast"}, 'speed: give a number above 0, or "max"'),
        ({"files": {"A/B": "x"}, "sped": 2}, "no key sped. Did you mean speed?"),
        ({"files": {"A/B": {"path": "x", "datset": ""}}}, "Did you mean dataset?"),
        ({"files": {"A/B": {"path": "x", "timeframe": "1M"}}}, "made from shorter bars"),
        ({"files": {"A/B": "x"}, "speed": "max", "start": "2024"}, "has no start"),
        ({"folder": "/nowhere"}, "There is no folder /nowhere"),
        ({"folder": "/", "names": "{pair}.csv"}, "does not say the symbol"),
    ],
)
def test_a_mistake_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(FlightstoreError) as caught:
        recorded(**given)
    assert message in caught.value.message


def test_a_folder_without_such_files_is_named_with_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    with pytest.raises(ConfigError, match=r"there is README\.md"):
        recorded(folder=tmp_path)


def test_the_source_is_found_by_its_name() -> None:
    with pytest.raises(ConfigError, match=r"\[exchange.v.settings\]: nothing to play"):
        registry.make("replay", "v", {})
