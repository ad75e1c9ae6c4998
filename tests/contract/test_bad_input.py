"""Bad input: a typed error in one clear sentence, nothing changed, and the server goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from tests.support import wire
from tests.support.rows import MINUTE, NOON_2024, candles, own, trades
from tests.support.serving import Serving

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb

BTC = "binance:BTC/USDT"
NAN, INF = float("nan"), float("inf")
Attempt = Callable[[fs.Client], Any]


@pytest.fixture
def db(serving: Serving) -> Iterator[fs.Client]:
    """A client of a server that holds a little of everything, and just that afterwards, too."""
    db = serving.db
    db.write(BTC, candles([NOON_2024]), timeframe="1m")
    db.write(BTC, trades([(NOON_2024, "1", 1.0)]), dataset="trades")
    db.write(BTC, own([NOON_2024], x=[1.0]), dataset="funding")
    db.snapshot("paper")
    before, lsn = db.series(), db.status().last_lsn
    yield db
    assert db.series().equals(before)
    assert db.status().last_lsn == lsn
    assert not db.health().read_only


def _refused(db: fs.Client, attempt: Attempt, kind: type, said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        attempt(db)
    message = caught.value.message
    assert type(caught.value) is kind
    assert len(message) < 600
    assert message.endswith((".", "?"))
    assert "Traceback" not in message
    assert "\n" not in message


def _write(**changes: list[object]) -> Attempt:
    """Two good bars, some of whose columns are replaced."""
    rows = candles([NOON_2024, NOON_2024 + MINUTE]).to_pydict() | changes
    return lambda db: db.write(BTC, rows, timeframe="1m")


READS: dict[str, tuple[Attempt, type, str]] = {
    "unknown instrument": (
        lambda db: db.candles("binance:BTC/USD", "1m"),
        fs.UnknownInstrument,
        "Did you mean binance:BTC/USDT",
    ),
    "wrong case": (
        lambda db: db.candles("binance:btc/usdt", "1m"),
        fs.UnknownInstrument,
        "Did you mean binance:BTC/USDT",
    ),
    "another timeframe": (
        lambda db: db.read("candles", BTC, "5m"),
        fs.UnknownInstrument,
        "It is kept as 1m candles",
    ),
    "bars of others that are not stored": (
        lambda db: db.candles(BTC, "1h", resample_from="5m"),
        fs.UnknownInstrument,
        "no 5m to make them of. It is kept as 1m candles",
    ),
    "pattern without match": (
        lambda db: db.candles("kraken:*", "1m"),
        fs.UnknownInstrument,
        "kraken",
    ),
    "no instrument": (lambda db: db.candles([], "1m"), fs.BadInstrument, "at least one"),
    "no exchange": (lambda db: db.candles("BTC/USDT", "1m"), fs.BadInstrument, "exchange:SYMBOL"),
    "unknown timeframe": (lambda db: db.candles(BTC, "1min"), fs.BadTimeframe, "mean 1m"),
    "unparsable time": (
        lambda db: db.candles(BTC, "1m", "yesterday"),
        fs.BadRange,
        "'yesterday' is not a time",
    ),
    "reversed range": (
        lambda db: db.candles(BTC, "1m", "2024-02", "2024-01"),
        fs.BadRange,
        "swap start and end",
    ),
    "time out of reach": (lambda db: db.candles(BTC, "1m", "2300"), fs.BadRange, "outside"),
    "limit and tail": (lambda db: db.candles(BTC, "1m", limit=1, tail=1), fs.BadRequest, "tail"),
    "negative limit": (lambda db: db.candles(BTC, "1m", limit=-1), fs.BadRequest, "limit"),
    "unknown column": (
        lambda db: db.candles(BTC, "1m", columns=["clsoe"]),
        fs.UnknownColumn,
        "Did you mean close",
    ),
    "unknown snapshot": (
        lambda db: db.candles(BTC, "1m", snapshot="papr"),
        fs.UnknownSnapshot,
        "Did you mean paper",
    ),
    "unknown dataset": (
        lambda db: db.read("fundings", BTC),
        fs.UnknownDataset,
        "Did you mean funding",
    ),
    "strict without coverage": (
        lambda db: db.candles(BTC, "1m", "2024-01-01", "2024-01-02", strict=True),
        fs.MissingCoverage,
        "2024-01-01T00:00:00Z to 2024-01-01T12:00:00Z",
    ),
    "strict with an unknown name": (
        lambda db: db.candles([BTC, "binance:ETH/USDT"], "1m", strict=True),
        fs.UnknownInstrument,
        "ETH/USDT",
    ),
    "unknown layout": (lambda db: db.candles(BTC, "1m", layout="wied"), fs.BadRequest, "'wide'"),
    "unknown zone": (
        lambda db: db.candles(BTC, "1m", tz="Mars/Olympus"),
        fs.BadRequest,
        "time zone",
    ),
    "gaps of nothing": (lambda db: db.gaps("x:Y", "1m"), fs.UnknownInstrument, "x:Y"),
    "drop of no snapshot": (lambda db: db.drop_snapshot("x"), fs.UnknownSnapshot, "'x'"),
    "snapshot without name": (lambda db: db.snapshot(""), fs.BadRequest, "1 to 128"),
    "snapshot with a control character": (lambda db: db.snapshot("a\0"), fs.BadRequest, "1 to 128"),
}
WRITES: dict[str, tuple[Attempt, type, str]] = {
    "off the grid": (
        _write(ts=[NOON_2024 // 10**6, NOON_2024 // 10**6 + 1]),
        fs.InvalidRows,
        "Row 1 .* 2024-01-01T12:00:00.001Z, which is not the open time of a 1m bar",
    ),
    "null price": (_write(close=[1.0, None]), fs.InvalidRows, "'close' holds a null .* row 1"),
    "null time": (_write(ts=[NOON_2024 // 10**6, None]), fs.InvalidRows, "'ts' holds a null"),
    "NaN price": (_write(close=[NAN, 1.0]), fs.InvalidRows, "Row 0 .* close nan"),
    "infinite price": (_write(open=[1.0, INF]), fs.InvalidRows, "Row 1 .* open inf"),
    "minus infinite price": (_write(low=[-INF, 0.0]), fs.InvalidRows, "Row 0 .* low -inf"),
    "infinite volume": (_write(volume=[INF, 0.0]), fs.InvalidRows, "volume inf"),
    "opposite infinities": (_write(high=[INF, 2.0], low=[-INF, 0.0]), fs.InvalidRows, "high inf"),
    "high below low": (_write(high=[0.0, -1.0]), fs.InvalidRows, "high -1.0 below low 0.0"),
    "negative volume": (_write(volume=[1.0, -0.5]), fs.InvalidRows, "negative volume -0.5"),
    "missing column": (
        lambda db: db.write(BTC, {"ts": [1], "open": [1.0]}, timeframe="1m"),
        fs.SchemaMismatch,
        "no column 'high'",
    ),
    "extra column": (_write(vwap=[1.0, 2.0]), fs.SchemaMismatch, "'vwap' is not part of candles"),
    "text for a price": (_write(close=["a", "b"]), fs.SchemaMismatch, "'close' has type string"),
    "candles without timeframe": (
        lambda db: db.write(BTC, candles([NOON_2024])),
        fs.BadTimeframe,
        "timeframe",
    ),
    "trades with timeframe": (
        lambda db: db.write(BTC, trades([(1, "1", 1.0)]), dataset="trades", timeframe="1m"),
        fs.BadTimeframe,
        "Trades have no timeframe",
    ),
    "trade without id": (
        lambda db: db.write(BTC, trades([(1, "", 1.0)]), dataset="trades"),
        fs.InvalidRows,
        "empty id",
    ),
    "trade of NaN": (
        lambda db: db.write(BTC, trades([(1, "1", NAN)]), dataset="trades"),
        fs.InvalidRows,
        "price nan",
    ),
    "a side that is none": (
        lambda db: db.write(
            BTC,
            {"ts": [1], "id": ["1"], "price": [1.0], "amount": [1.0], "side": [2]},
            dataset="trades",
        ),
        fs.InvalidRows,
        "side",
    ),
    "a nested column": (
        lambda db: db.write(BTC, own([1], x=[[1.0]]), dataset="nested"),
        fs.SchemaMismatch,
        "'x' has type list",
    ),
    "another type": (
        lambda db: db.write(BTC, own([1], x=["text"]), dataset="funding"),
        fs.SchemaMismatch,
        "'x' of dataset 'funding' is double; got string",
    ),
    "a reserved column": (
        lambda db: db.write(BTC, own([1], timeframe=["1m"]), dataset="other"),
        fs.SchemaMismatch,
        "'timeframe'",
    ),
    "a dataset's name": (
        lambda db: db.write(BTC, own([1], x=[1.0]), dataset="../evil"),
        fs.BadInstrument,
        "dataset name",
    ),
    "reversed coverage": (
        lambda db: db.write(BTC, None, timeframe="1m", covers=("2024-02", "2024-01")),
        fs.BadRange,
        "swap",
    ),
    "open coverage": (
        lambda db: db.write(BTC, None, timeframe="1m", covers=("2024-02", None)),
        fs.BadRange,
        "both bounds",
    ),
    "a write to a pattern": (
        lambda db: db.write("binance:*", candles([NOON_2024]), timeframe="1m"),
        fs.BadInstrument,
        "wildcard",
    ),
    "a deletion of nothing": (lambda db: db.delete("x:Y"), fs.UnknownInstrument, "x:Y"),
    "a description of nothing": (
        lambda db: db.describe("x:Y", metadata={"a": "b"}, timeframe="1m"),
        fs.UnknownInstrument,
        "x:Y",
    ),
}


@pytest.mark.parametrize("case", READS)
def test_a_bad_read_says_what_is_wrong(db: fs.Client, case: str) -> None:
    _refused(db, *READS[case])


@pytest.mark.parametrize("case", WRITES)
def test_a_bad_write_says_what_is_wrong_and_changes_nothing(db: fs.Client, case: str) -> None:
    _refused(db, *WRITES[case])


def test_a_read_of_many_serves_those_it_can(db: fs.Client) -> None:
    with pytest.warns(fs.PartialReadWarning, match="x:Y"):
        rows = db.candles([BTC, "x:Y"], "1m")
    assert rows.height == 1


# The same rows as a client in another language might send them, past our client's own checks.


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("close", [NAN], "close nan"),
        ("close", [None], "has no close"),
        ("ts", [NOON_2024 + 1], "not the open time"),
        ("high", [-9.0], "high -9.0 below low 0.0"),
        ("volume", [-1.0], "negative volume"),
    ],
)
def test_the_server_checks_rows_itself(
    serving: Serving, db: fs.Client, column: str, values: list[object], said: str
) -> None:
    good = candles([NOON_2024])
    at = good.schema.get_field_index(column)
    changed = pa.array(values, good.schema.field(at).type)
    bad = good.set_column(at, good.schema.field(at).with_nullable(True), changed)
    with pytest.raises(fs.InvalidRows, match=said):
        wire.send(serving.uri, [bad], wire.commit(1))


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float64()),
        pa.struct([("a", pa.int8())]),
        pa.map_(pa.utf8(), pa.int8()),
        pa.dictionary(pa.int8(), pa.utf8()),
        pa.decimal128(10, 2),
        pa.binary(),
        pa.large_utf8(),
        pa.float16(),
        pa.null(),
    ],
    ids=str,
)
def test_columns_of_other_types_are_refused_before_a_row_is_read(
    serving: Serving, db: fs.Client, kind: pa.DataType
) -> None:
    schema = pa.schema([candles([]).schema.field("ts"), ("x", kind)])
    for dataset in ("candles", "mine"):
        with pytest.raises(fs.SchemaMismatch):
            wire.send(serving.uri, [], None, dataset=dataset, schema=schema)


def test_a_refused_put_does_not_fix_the_columns_of_its_dataset(
    serving: Serving, db: fs.Client
) -> None:
    commit = wire.commit(1, timeframe="")
    commit.series[0].covers.add(start=5, end=1)
    with pytest.raises(fs.BadRequest):
        wire.send(serving.uri, [own([1], x=[1])], commit, dataset="mine")
    with pytest.raises(fs.UnknownDataset):
        db.read("mine", BTC)
    refused = own([1], x=[1.0])  # of another type than before: still the first
    with pytest.raises(fs.CommitMismatch):
        wire.send(serving.uri, [refused], wire.commit(2, timeframe=""), dataset="mine")


def test_a_put_larger_than_allowed_is_refused(serving: Serving, db: fs.Client) -> None:
    db.flush()
    rows = candles(range(0, 1_500_000 * MINUTE, MINUTE))
    with pytest.raises(fs.Overloaded, match="put_bytes_max"):
        wire.send(serving.uri, [rows], wire.commit(1_500_000))


@pytest.mark.parametrize("limit", [2**63, 2**64 - 1])
def test_a_limit_beyond_all_numbers_is_just_no_limit(
    serving: Serving, db: fs.Client, limit: int
) -> None:
    for words in ({"limit": limit}, {"tail": limit}):
        read = pb.ReadRequest(dataset="candles", instruments=[BTC], timeframe="1m", **words)
        ticket = pb.Ticket(read=read).SerializeToString()
        assert wire.get(serving.uri, ticket).num_rows == 1


def test_an_unknown_action_is_named_with_the_nearest(serving: Serving, db: fs.Client) -> None:
    with pytest.raises(fs.UnknownAction, match="Did you mean health"):
        wire.act(serving.uri, "heath")
