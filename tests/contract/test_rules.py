"""Rules over the wire: what a client may rely on of series that the server derives."""

from __future__ import annotations

import pytest
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.serving import Serving

import flightstore as fs

BTC = "binance:BTC/USDT"
TIMES = [NOON_2024 + minute * MINUTE for minute in range(12)]


@pytest.fixture
def filled(serving: Serving) -> fs.Client:
    """A client of a server with twelve minutes, and five minutes of them."""
    serving.db.rules.add("candles/*/1m", "5m", name="fives")
    serving.db.write(BTC, candles(TIMES), timeframe="1m")
    return serving.db


def test_bars_are_there_as_soon_as_their_base_rows_are(filled: fs.Client) -> None:
    assert filled.candles(BTC, "5m")["volume"].to_list() == [10.0, 10.0, 4.0]
    filled.write(BTC, candles(TIMES[-1:], 3.0), timeframe="1m")
    assert filled.candles(BTC, "5m")["volume"].to_list() == [10.0, 10.0, 8.0]


def test_an_open_window_is_visible_and_left_out_by_closed(filled: fs.Client) -> None:
    assert filled.candles(BTC, "5m").height == 3
    assert filled.candles(BTC, "5m", closed=True).height == 2


def test_the_catalog_knows_bars_that_nobody_has_read(filled: fs.Client) -> None:
    """It said that there were none, until somebody read them."""
    listed = filled.series(timeframe="5m")
    assert listed["rows"].to_list() == [3]


def test_a_derived_series_refuses_other_writers(filled: fs.Client) -> None:
    with pytest.raises(fs.DerivedSeries, match="is kept by the rule 'fives' and takes no other"):
        filled.write(BTC, candles(TIMES[:1]), timeframe="5m")
    with pytest.raises(fs.DerivedSeries):
        filled.delete(BTC, timeframe="5m")
    with pytest.raises(fs.DerivedSeries):
        filled.describe(BTC, metadata={"note": "mine"}, timeframe="5m")


def test_a_rule_that_collides_is_refused_unless_it_names_another_dataset(
    serving: Serving,
) -> None:
    serving.db.write(BTC, candles(TIMES[:1]), timeframe="5m")
    serving.db.write(BTC, candles(TIMES), timeframe="1m")
    with pytest.raises(fs.RuleConflict, match=f"candles {BTC} 5m was written by somebody"):
        serving.db.rules.add("candles/*/1m", "5m")
    serving.db.rules.add("candles/*/1m", "5m", into="bars")
    assert serving.db.read("bars", BTC, "5m").height == 3
    assert serving.db.candles(BTC, "5m").height == 1


def test_a_rule_that_is_removed_takes_its_series_along(filled: fs.Client) -> None:
    assert filled.rules.remove("fives").series == 1
    with pytest.raises(fs.UnknownInstrument):
        filled.read("candles", BTC, "5m")
    with pytest.raises(fs.UnknownRule):
        filled.rules.remove("fives")


def test_a_misspelt_consumer_is_not_waited_for(filled: fs.Client) -> None:
    with pytest.raises(fs.FlightstoreError, match="Nobody called 'aggregate' follows the log"):
        filled.sync(consumers="aggregate")
