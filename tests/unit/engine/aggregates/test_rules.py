"""What a rule may say, and what is said about one that cannot be."""

from __future__ import annotations

import pytest

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadInstrument, BadRequest, BadTimeframe
from flightstore_proto.timeframe import DAY_NS, parse
from flightstore_server.engine.aggregates import rules
from flightstore_server.engine.aggregates.rules import Rule, feeds, overlapping, parse_on

MINUTES = "candles/*/1m"
NEW_YORK = "America/New_York"


def rule(on: str = MINUTES, to: tuple[str, ...] = ("5m",), **words: str) -> Rule:
    return rules.parse(pb.Rule(on=on, to=to, **words))


@pytest.mark.parametrize(
    ("on", "parts"),
    [
        ("candles/*/1m", ("candles", "*", "1m")),
        ("candles/binance:BTC/USDT/1m", ("candles", "binance:BTC/USDT", "1m")),
        ("candles/binance:*/USDT:USDT/1h", ("candles", "binance:*/USDT:USDT", "1h")),
        ("trades/*", ("trades", "*", "")),
        ("trades/binance:BTC/USDT", ("trades", "binance:BTC/USDT", "")),
        ("ticks/binance:BTC/USDT", ("ticks", "binance:BTC/USDT", "")),
        ("bars/*/1h", ("bars", "*", "1h")),
    ],
)
def test_on_names_a_dataset_instruments_and_a_timeframe(
    on: str, parts: tuple[str, str, str]
) -> None:
    assert parse_on(on) == parts


@pytest.mark.parametrize("on", ["", "candles", "candles/", "/"])
def test_what_does_not_name_series_is_refused(on: str) -> None:
    with pytest.raises(BadRequest, match="does not name series: write dataset/instruments"):
        parse_on(on)


def test_candles_need_a_timeframe() -> None:
    with pytest.raises(BadRequest, match="names no timeframe of candles; write candles"):
        parse_on("candles/*")


@pytest.mark.parametrize("on", ["candles/btc/1m", "Trades/*", "trades/binance"])
def test_names_in_on_are_checked_like_any_other(on: str) -> None:
    with pytest.raises(BadInstrument):
        parse_on(on)


def test_a_rule_without_a_name_is_called_after_what_it_does() -> None:
    assert rule().name == "candles/*/1m"
    told = rule(timezone=NEW_YORK, offset="17h", into="sessions")
    assert told.name == f"candles/*/1m in {NEW_YORK} from 17h into sessions"


def test_a_message_and_its_rule_say_the_same() -> None:
    known = rule(timezone=NEW_YORK, offset="17h", into="sessions", name="mine")
    assert rules.parse(known.message()) == known
    assert rule(timezone="UTC") == rule()


def test_a_target_that_is_named_twice_is_one() -> None:
    assert rule(to=("5m", "1h", "5m")).to == ("5m", "1h")


@pytest.mark.parametrize("name", ["x" * 257, "two\nlines"])
def test_a_name_is_short_and_printable(name: str) -> None:
    with pytest.raises(BadRequest, match="at most 256 printable characters"):
        rule(name=name)


def test_a_rule_names_targets() -> None:
    with pytest.raises(BadRequest, match="says nothing in `to`: name timeframes"):
        rule(to=())


def test_a_target_is_a_timeframe() -> None:
    with pytest.raises(BadTimeframe, match="'5min' is not a timeframe"):
        rule(to=("5min",))


def test_bars_are_no_trades() -> None:
    with pytest.raises(BadRequest, match="cannot be kept in the dataset 'trades'"):
        rule(into="trades")


def test_a_zone_that_does_not_exist_is_refused_with_near_ones() -> None:
    with pytest.raises(BadRequest, match="'America/NewYork' is not a time zone"):
        rule(timezone="America/NewYork")


@pytest.mark.parametrize("offset", ["17", "24h", "1d", "-1h", "1440m", "h"])
def test_an_offset_lies_within_a_day(offset: str) -> None:
    with pytest.raises(BadRequest, match="is not an offset within a day: write 17h, or 90m"):
        rule(to=("1d",), offset=offset)


def test_an_offset_counts_hours_minutes_or_seconds() -> None:
    offsets = [rule(on="trades/*", offset=text).offset_ns for text in ("17h", "90m", "5s", "")]
    assert offsets == [17 * 3_600 * 10**9, 5_400 * 10**9, 5 * 10**9, 0]


@pytest.mark.parametrize(
    ("base", "target"),
    [
        *(("1m", "5m"), ("1m", "1M"), ("1h", "1w"), ("1d", "1w"), ("1d", "1y"), ("1M", "3M")),
        *(("1M", "1y"), ("2d", "2w"), ("1w", "2w")),
    ],
)
def test_bars_are_made_of_shorter_ones_that_fit(base: str, target: str) -> None:
    assert rule(on=f"candles/*/{base}", to=(target,)).to == (target,)


@pytest.mark.parametrize(
    ("base", "target"),
    [
        *(("5m", "5m"), ("5m", "1m"), ("2m", "5m"), ("7m", "1M"), ("1w", "1M"), ("3d", "1w")),
        *(("3M", "1M"), ("2M", "3M"), ("1M", "1w")),
    ],
)
def test_bars_that_are_no_whole_number_of_others_are_refused(base: str, target: str) -> None:
    with pytest.raises(BadRequest, match=f"Bars of {target} cannot be made of bars of {base}"):
        rule(on=f"candles/*/{base}", to=(target,))


@pytest.mark.parametrize(("base", "target"), [("1m", "100tick"), ("100tick", "1h")])
def test_bars_by_count_are_made_of_trades_and_nothing_of_them(base: str, target: str) -> None:
    with pytest.raises(BadRequest, match=r"Bars by count \(100tick\) are made of trades, and"):
        rule(on=f"candles/*/{base}", to=(target,))


@pytest.mark.parametrize(
    ("base", "zone", "offset"),
    [
        *(("1h", NEW_YORK, ""), ("15m", "Asia/Kathmandu", ""), ("1m", "Africa/Monrovia", "")),
        *(("4h", "UTC", "4h"), ("1m", NEW_YORK, "90m"), ("30m", "Asia/Kolkata", "")),
    ],
)
def test_days_in_a_zone_are_made_of_bars_that_end_with_them(
    base: str, zone: str, offset: str
) -> None:
    assert rule(on=f"candles/*/{base}", to=("1d",), timezone=zone, offset=offset).zone == zone


@pytest.mark.parametrize(
    ("base", "zone", "offset"),
    [
        *(("1h", "Asia/Kolkata", ""), ("4h", NEW_YORK, ""), ("1m", NEW_YORK, "90s")),
        *(("1h", "UTC", "30m"), ("30m", "Asia/Kathmandu", "")),
    ],
)
def test_bars_that_lie_across_the_end_of_a_local_day_are_refused(
    base: str, zone: str, offset: str
) -> None:
    """An hour of UTC belongs to two days in India; hours were taken for every zone."""
    with pytest.raises(BadRequest, match="may lie across the day's end"):
        rule(on=f"candles/*/{base}", to=("1d",), timezone=zone, offset=offset)


def test_months_do_not_follow_another_clock() -> None:
    with pytest.raises(BadRequest, match="Bars of 1M may lie across the day's end in America"):
        rule(on="candles/*/1M", to=("1y",), timezone=NEW_YORK)


def test_the_windows_of_bars_by_count_are_days() -> None:
    known = rule(on="trades/*", to=("100tick",), timezone=NEW_YORK)
    windows = known.windows(parse("100tick"))
    assert windows.after(windows.floor(0)) - windows.floor(0) == DAY_NS


def test_a_rule_covers_its_bases_and_keeps_its_targets() -> None:
    known = rule(on="candles/binance:*/1m", to=("5m",), into="bars")
    assert known.covers("candles", "binance:BTC/USDT", "1m")
    assert not known.covers("candles", "binance:BTC/USDT", "5m")
    assert not known.covers("candles", "kraken:BTC/USDT", "1m")
    assert known.keeps("bars", "binance:BTC/USDT", "5m")
    assert not known.keeps("candles", "binance:BTC/USDT", "5m")


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("*", "binance:BTC/USDT", True),
        ("binance:*", "kraken:*", False),
        ("binance:*/USDT", "binance:*/EUR", False),
        ("binance:BTC*", "binance:ETH*", False),
        ("binance:BTC*", "binance:*USDT", True),
        ("binance:BTC/USDT", "binance:BTC/USDT", True),
        ("binance:BTC/USDT", "binance:BTC/EUR", False),
        ("b?nance:*", "binance:*", True),
    ],
)
def test_rules_overlap_only_where_an_instrument_may_fit_both(
    one: str, other: str, meet: bool
) -> None:
    first, second = (rule(on=f"candles/{pattern}/1m") for pattern in (one, other))
    assert (overlapping(first, [second]) is second) is meet
    assert (overlapping(second, [first]) is first) is meet


def test_rules_with_other_targets_or_datasets_do_not_overlap() -> None:
    others = [rule(to=("1h",)), rule(into="bars")]
    assert overlapping(rule(), others) is None


def test_a_rule_feeds_the_one_that_names_its_targets() -> None:
    assert feeds(rule(on="trades/*", to=("1m",)), rule())
    assert not feeds(rule(), rule(on="trades/*", to=("1m",)))
