"""What a plan's filters say, form by form."""

from __future__ import annotations

import pytest

from flightstore_server.sql.predicates import EVERYTHING, TS_HIGH, TS_LOW, Region, region

SECOND_US = 1_704_067_200 * 10**6  # 2024-01-01
ZONE = "::TIMESTAMP WITH TIME ZONE"
JANUARY, FEBRUARY = f"'2024-01-01 00:00:00+00'{ZONE}", f"'2024-02-01 00:00:00+00'{ZONE}"
START, END = SECOND_US * 1000, (SECOND_US + 31 * 86_400 * 10**6) * 1000


@pytest.mark.parametrize(
    ("text", "span"),
    {
        f"(ts >= {JANUARY})": (START, TS_HIGH),
        f"((ts >= {JANUARY}) AND (ts < {FEBRUARY}))": (START, END - 1),
        f"(ts <= {JANUARY})": (TS_LOW, START + 999),
        f"(ts = {JANUARY})": (START, START + 999),
        f"(ts >= '2024-01-01 00:00:00.5+00'{ZONE})": (START + 500_000_000, TS_HIGH),
        f"((ts < {JANUARY}) OR (ts > {FEBRUARY}))": EVERYTHING,
        f"((ts = {JANUARY}) OR (ts = {FEBRUARY}))": (START, END + 999),
        f"optional: (ts > {FEBRUARY})": (END, TS_HIGH),
        "(ts_ns > 5)": (5, TS_HIGH),
        "((ts_ns >= -7) AND (ts_ns <= 10))": (-7, 10),
        "(CAST(ts AS DATE) = '2024-01-01'::DATE)": (START, START + 86_400 * 10**9 - 1),
        "(CAST(ts AS DATE) < '2024-01-01'::DATE)": (TS_LOW, START - 1),
    }.items(),
)
def test_times_are_bounded(text: str, span: tuple[int, int]) -> None:
    assert region([text]) == Region(span=span, exact=False)


@pytest.mark.parametrize(
    "text",
    [
        f"(ts != {JANUARY})",
        f"(NOT (ts > {JANUARY}))",
        f"(ts BETWEEN {JANUARY} AND {FEBRUARY})",
        f"(ts > 'infinity'{ZONE})",
        f"(ts > '0044-03-15 (BC) 00:00:00+00'{ZONE})",
        "(ts_ns > 5.5)",
        "(hour(ts) = 3)",
        "(close > 3.0)",
        f"((ts > {JANUARY}) OR (close > 3.0))",
        "(symbol >= 'bin'::BLOB)",
        "(symbol = CAST(close AS VARCHAR))",
        "(my_function(symbol) = 'x')",
        "Dynamic Filter (ts)",
        "(symbol = 'torn",
        "symbol = 'a')",
        "(symbol = €)",
        "",
    ],
)
def test_what_is_not_understood_leaves_everything_in(text: str) -> None:
    assert region([text]) == Region(exact=False)


def test_before_1970_cutting_to_microseconds_goes_up() -> None:
    low, high = region([f"(ts = '1969-12-31 23:59:59+00'{ZONE})"]).span
    assert low <= -(10**9) - 999
    assert high >= -(10**9)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("(symbol = 'it''s')", {"it's"}),
        ("(symbol IN ('a', 'b, c', 'd'))", {"a", "b, c", "d"}),
        ("((symbol = 'a') OR (symbol IN ('b')))", {"a", "b"}),
    ],
)
def test_words_are_named(text: str, values: set[str]) -> None:
    assert region([text]) == Region(words=(("symbol", frozenset(values)),))


@pytest.mark.parametrize(
    "text",
    [
        "symbol ~~* 'BTC%'",
        "prefix ( symbol , 'BTC' )",
        "( symbol = 'a' ) OR ( exchange = 'b' )",
        "( \"row\" ( exchange , symbol ) ) IN ( ( 'a' , 'b' ) )",
        "symbol IS NOT NULL",
        "symbol != 'a'",
    ],
)
def test_conditions_on_words_are_kept_as_they_are(text: str) -> None:
    found = region([f"({text})"])
    assert found.exact
    assert "".join(found.conditions).replace(" ", "") == text.replace(" ", "")
