"""Which column of a file is taken for which of ours."""

from __future__ import annotations

import pytest

from flightstore.cli.loading.names import assign, parse_columns
from flightstore_proto.errors import BadRequest

OHLCV = ["open", "high", "low", "close", "volume"]


def candles(*found: str, **said: str) -> dict[str, str]:
    return assign(found, "candles", "binance:BTC/USDT", said)


def trades(*found: str, **said: str) -> dict[str, str]:
    return assign(found, "trades", "binance:BTC/USDT", said)


@pytest.mark.parametrize(
    "header",
    [
        "ts open high low close volume",
        "timestamp,Open,High,Low,Close,Volume",
        "date open high low close volume",
        "datetime o h l c v",
        "mts open close high low volume",
        "open_time open high low close volume close_time quote_volume count ignore",
        "Open Time;Open;High;Low;Close;Volume;Close Time",
        "t o h l c v",
        "<DATE> <OPEN> <HIGH> <LOW> <CLOSE> <VOL>",
        "__index_level_0__ open high low close volume",
    ],
)
def test_common_headers_of_candles_are_understood(header):
    found = header.replace(",", "|").replace(";", "|")
    names = found.split("|") if "|" in found else found.split()
    chosen = candles(*names)
    assert set(chosen) == {"ts", *OHLCV}
    assert [names.index(chosen[name]) for name in ("ts", "open")] == [0, 1]
    assert chosen["close"].strip("<>").lower() in ("c", "close")


def test_the_number_of_the_epoch_is_preferred_to_text_and_the_base_volume_to_the_quotes():
    names = ["Unix", "Date", "Symbol", *OHLCV[:4], "Volume BTC", "Volume USDT", "tradecount"]
    chosen = candles(*names)
    assert chosen["ts"] == "Unix"
    assert chosen["volume"] == "Volume BTC"


def test_kaggles_volumes_in_parentheses_are_told_apart():
    names = ["Timestamp", *OHLCV[:4], "Volume_(BTC)", "Volume_(Currency)", "Weighted_Price"]
    assert candles(*names)["volume"] == "Volume_(BTC)"


def test_two_columns_that_could_be_the_same_are_asked_about():
    with pytest.raises(BadRequest, match=r"'Date' and 'Time' could.*--columns ts=Date"):
        candles("Date", "Time", *OHLCV)
    assert candles("Date", "Time", *OHLCV, ts="Time")["ts"] == "Time"


def test_a_column_that_is_not_there_is_asked_for_with_those_that_are():
    with pytest.raises(BadRequest) as caught:
        candles("ts", *OHLCV[:4], "turnover in USDT")
    message = caught.value.message
    assert "No column is clearly 'volume'" in message
    assert "'turnover in USDT'" in message
    assert "--columns volume=NAME" in message


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("timestamp id type side price amount cost", "timestamp id price amount side"),
        ("id price qty quoteQty time isBuyerMaker isBestMatch", "time id price qty isBuyerMaker"),
        ("trade_id price size side time", "time trade_id price size side"),
        (
            "agg_trade_id price quantity first_trade_id last_trade_id transact_time is_buyer_maker",
            "transact_time agg_trade_id price quantity is_buyer_maker",
        ),
        (
            "timestamp symbol side size price tickDirection trdMatchID grossValue",
            "timestamp trdMatchID price size side",
        ),
        ("timestamp local_timestamp id side px sz", "timestamp id px sz side"),
    ],
)
def test_common_headers_of_trades_are_understood(header, expected):
    chosen = trades(*header.split())
    assert [chosen[k] for k in ("ts", "id", "price", "amount", "side")] == expected.split()


def test_trades_need_an_id_and_no_side():
    with pytest.raises(BadRequest, match="--number-ids"):
        trades("time", "price", "amount")
    assert "side" not in trades("time", "id", "price", "amount")


def test_a_dataset_of_the_users_own_needs_a_time_only():
    assert assign(["date", "rate"], "funding", "a:B", {}) == {"ts": "date"}
    renamed = assign(["date", "fundingRate"], "funding", "a:B", {"rate": "fundingRate"})
    assert renamed == {"rate": "fundingRate", "ts": "date"}


def test_what_the_user_says_is_taken_and_checked():
    assert candles("when", *OHLCV, ts="WHEN")["ts"] == "when"
    with pytest.raises(BadRequest, match=r"'whn', which the file does not have.*Did you mean when"):
        candles("when", *OHLCV, ts="whn")
    with pytest.raises(BadRequest, match="'price', which candles do not have"):
        candles("ts", *OHLCV, price="close")


@pytest.mark.parametrize("text", ["ts", "ts=", "=x", "ts=a,,o=b"])
def test_a_wrong_spelling_of_columns_is_refused(text):
    with pytest.raises(BadRequest, match="--columns"):
        parse_columns(text)


def test_columns_are_pairs_with_commas():
    assert parse_columns("ts=mts, open = o") == {"ts": "mts", "open": "o"}
    assert parse_columns(None) == {}
