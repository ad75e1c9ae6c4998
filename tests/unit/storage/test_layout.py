"""File names: reversible where they must be, and never outside of the data directory."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightstore_proto.errors import BadInstrument
from flightstore_proto.instrument import Instrument, parse
from flightstore_server.storage import layout

HOSTILE = [
    "..",
    "../..",
    "/",
    "//etc/passwd",
    ".",
    "a/../../b",
    "\0",
    "~",
    "con",
    "%2e%2e",
    "a\\..\\b",
]


def _folder(symbol: str) -> PurePosixPath:
    return PurePosixPath(layout.series_dir("candles", Instrument("binance", symbol), "1m"))


@given(st.text(min_size=1) | st.sampled_from(HOSTILE))
def test_any_symbol_makes_one_folder_below_its_exchange(symbol: str) -> None:
    try:
        folder = _folder(symbol)
    except UnicodeEncodeError:
        return  # a lone surrogate, which no name may hold
    assert folder.parts[:3] == ("segments", "dataset=candles", "exchange=binance")
    assert len(folder.parts) == 5
    assert ".." not in folder.parts


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_symbols_never_share_a_folder(one: str, other: str) -> None:
    try:
        same = _folder(one) == _folder(other)
    except UnicodeEncodeError:
        return
    assert same == (one == other)


@given(st.text(min_size=1, max_size=200))
def test_every_symbol_that_is_accepted_makes_a_folder_name_that_file_systems_take(
    symbol: str,
) -> None:
    try:
        accepted = parse(f"binance:{symbol}")
    except BadInstrument:
        return
    assert len(_folder(accepted.symbol).parts[3].encode()) <= 255


@given(st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])))
def test_the_symbol_can_be_read_back_from_the_folder(symbol: str) -> None:
    assert unquote(_folder(symbol).parts[3].removeprefix("symbol=")) == symbol


def test_a_series_without_timeframe_has_no_folder_for_it() -> None:
    folder = layout.series_dir("trades", Instrument("binance", "BTC/USDT"), "")
    assert folder == "segments/dataset=trades/exchange=binance/symbol=BTC%2FUSDT"


@given(st.integers(0, 2**63))
def test_the_first_lsn_of_a_log_file_is_in_its_name(lsn: int) -> None:
    name = layout.log_file(lsn).removeprefix("log/")
    assert layout.log_first_lsn(name) == lsn


@given(st.integers(0, 2**63), st.integers(0, 2**63))
def test_log_files_sort_as_their_lsns(one: int, other: int) -> None:
    assert (layout.log_file(one) < layout.log_file(other)) == (one < other)


@pytest.mark.parametrize("name", ["", "1.log", "x" * 20 + ".log", "0" * 20, "0" * 21 + ".log"])
def test_other_files_are_not_taken_for_log_files(name: str) -> None:
    assert layout.log_first_lsn(name) is None


@given(st.integers(0, 2**63))
def test_the_id_of_a_segment_is_in_its_name(number: int) -> None:
    assert layout.segment_id(layout.segment_file("segments/x", "2024-08-09", number)) == number
