"""import: the rows of a file as rows of the dataset, and what is claimed about them."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from pyarrow import feather, parquet
from tests.unit.cli.samples import HEADER, IMPORT, MINUTES, START_MS, TRADE, lines

from flightstore_proto.errors import BadRequest, Overloaded, SchemaMismatch
from flightstore_proto.schemas import TRADES


def test_binances_trades_without_a_header_are_known(cli, db, make):
    cli(*TRADE, make("17,100.5,0.1,10.05,1704067200123,True,True\n"))
    assert db.written.schema == TRADES
    assert db.written.drop_columns("ts").to_pylist() == [
        {"id": "17", "price": 100.5, "amount": 0.1, "side": -1}
    ]


@pytest.mark.parametrize(
    ("header", "cells", "side"),
    [
        ("side", ["buy", "SELL", " Buy", ""], [1, -1, 1, 0]),
        ("side", ["1", "-1", "0", "b"], [1, -1, 0, 1]),
        ("is_buyer_maker", ["true", "False", "TRUE", "0"], [-1, 1, -1, 1]),
    ],
)
def test_sides_are_the_takers(cli, db, make, header, cells, side):
    rows = "".join(f"{START_MS},{i},1,1,{cell}\n" for i, cell in enumerate(cells))
    assert cli(*TRADE, make(f"time,id,price,qty,{header}\n{rows}")).code == 0
    assert db.written.column("side").to_pylist() == side


def test_a_side_that_is_none_is_refused_and_a_missing_one_is_unknown(cli, db, make):
    path = make(f"time,id,price,qty,side\n{START_MS},1,1,1,left\n")
    assert "'left' is not a side" in cli(*TRADE, path).err
    result = cli(*TRADE, make(f"time,id,price,qty\n{START_MS},1,1,1\n"))
    assert "side is 0, unknown" in result.err
    assert db.written.column("side").to_pylist() == [0]


def test_trades_without_ids_are_numbered_within_their_time_across_chunks(cli, db, make):
    times = [0] * 70_000 + [1] * 3 + [2] * 70_000
    rows = "".join(f"{START_MS + t},1,{i}\n" for i, t in enumerate(times))
    path = make("time,price,volume\n" + rows)
    assert "--number-ids" in cli(*TRADE, path).err
    assert cli(*TRADE, path, "--number-ids", "--chunk-rows", 1000).code == 0
    ids = db.written.column("id").to_pylist()
    assert ids == [str(i) for n in (70_000, 3, 70_000) for i in range(n)]


def test_numbering_ids_needs_rows_in_order_of_time(cli, db, make):
    path = make(f"time,price,volume\n{START_MS + 1},1,1\n{START_MS},1,1\n")
    assert "in order of time" in cli(*TRADE, path, "--number-ids").err


def test_ids_that_pandas_made_floats_are_whole_again(cli, db, tmp_path):
    table = pa.table({"time": [START_MS], "id": [17.0], "price": [1], "qty": [2], "cost": [3]})
    parquet.write_table(table, tmp_path / "x.parquet")
    cli(*TRADE, tmp_path / "x.parquet")
    assert db.written.column("id").to_pylist() == ["17"]


def test_bars_without_prices_are_left_out_and_counted(cli, db, make):
    text = HEADER + f"{START_MS},nan,NaN,,,0\n" + lines(3, start=1)
    result = cli(*MINUTES, make(text), "--json")
    assert json.loads(result.out)["empty_bars"] == 1
    assert db.written.num_rows == 2
    assert "1 bars without prices left out" in cli(*MINUTES, make(text)).out


def test_a_bar_with_half_its_prices_is_refused(cli, db, make):
    result = cli(*MINUTES, make(HEADER + f"{START_MS},1,1,,1,0\n"))
    assert "The row at 2024-01-01T00:00:00Z has no low" in result.err
    assert db.writes == []


def test_a_dataset_of_the_users_own_keeps_every_column(cli, db, make):
    path = make(f"symbol,when,rate,note,flag\nX,{START_MS},0.0001,hello,true\n")
    result = cli(*IMPORT, path, "--dataset", "funding", "--columns", "ts=when", "--key", "ts")
    assert result.code == 0
    assert "columns left out: symbol (an instrument is no column of its rows)" in result.err
    [(_, table, options)] = db.writes
    assert table.schema.names == ["ts", "rate", "note", "flag"]
    assert table.schema.field("rate").type == pa.float64()
    assert options == {"key": "ts"}


def test_types_of_the_users_own_columns_can_be_said(cli, db, make):
    path = make(f"ts,rate,count,empty\n{START_MS},1,7,\n")
    cli(*IMPORT, path, "--dataset", "funding", "--types", "rate=float64,count=int32")
    types = {field.name: str(field.type) for field in db.written.schema}
    assert types == {
        "ts": "timestamp[ns, tz=UTC]", "rate": "double", "count": "int32", "empty": "double",
    }  # fmt: skip
    assert cli(*IMPORT, path, "--dataset", "funding", "--types", "rate=money").code == 2
    assert cli(*MINUTES, path, "--types", "rate=int8").code == 2
    assert cli(*IMPORT, path, "--dataset", "f", "--types", "rat=int8").code == 2


def test_values_that_do_not_fit_the_types_said_are_refused(cli, db, make, tmp_path):
    parquet.write_table(pa.table({"ts": [START_MS], "count": [300]}), tmp_path / "x.parquet")
    for path in (tmp_path / "x.parquet", make(f"ts,count\n{START_MS},300\n")):
        result = cli(*IMPORT, path, "--dataset", "own", "--types", "count=int8")
        assert result.code == 2
        assert result.err.splitlines()[-1].startswith(f"error: {path} cannot be read: ")


def test_text_columns_of_arrow_files_become_plain_text(cli, db, tmp_path):
    table = pa.table(
        {
            "ts": pa.array([START_MS]),
            "a": pa.array(["x"], pa.large_utf8()),
            "b": pa.array(["y"]).dictionary_encode(),
            "nothing": pa.nulls(1),
        }
    )
    feather.write_feather(table, tmp_path / "x.feather", version=2)
    assert cli(*IMPORT, tmp_path / "x.feather", "--dataset", "own").code == 0
    assert db.written.schema.names == ["ts", "a", "b"]
    assert db.written.schema.field("b").type == pa.utf8()
    assert db.written.schema.field("a").type == pa.utf8()


def test_a_renamed_column_must_not_meet_another_of_its_name(cli, db, make):
    path = make(f"ts,rate,r\n{START_MS},1,2\n")
    assert cli(*IMPORT, path, "-d", "own", "--columns", "rate=r").code == 2


def test_rows_of_several_symbols_are_refused(cli, db, make):
    rows = f"{START_MS},X,1,1,1,1,1\n{START_MS},Y,2,2,2,2,2\n"
    result = cli(*MINUTES, make("ts,symbol,open,high,low,close,volume\n" + rows))
    assert result.code == 2
    assert "'symbol' holds several values (X, Y" in result.err
    assert db.writes == []


def test_a_timeframe_that_does_not_fit_is_remarked_on(cli, db, make):
    result = cli(*IMPORT, make(HEADER + lines(9)), "--timeframe", "30s")
    assert "the first rows are 60 s or more apart; is the timeframe 30s?" in result.err
    assert "apart" not in cli(*MINUTES, make(HEADER + lines(9))).err


def test_covers_is_claimed_last_and_for_every_file(cli, db, make):
    first, second = make(HEADER + lines(3), "a.csv"), make(HEADER + lines(9, start=6), "b.csv")
    cli(*MINUTES, first, second, "--covers-file", "--grid", "free")
    *rows, (_, empty, claimed) = db.writes
    assert [(table.num_rows, options) for _, table, options in rows] == [
        (3, {"grid": "free"}), (3, {"grid": "free"}),
    ]  # fmt: skip
    assert empty.num_rows == 0
    assert claimed == {
        "grid": "free",
        "covers": [
            ("2024-01-01T00:00:00Z", "2024-01-01T00:03:00Z"),
            ("2024-01-01T00:06:00Z", "2024-01-01T00:09:00Z"),
        ],
    }


def test_covers_can_be_said(cli, db, make):
    assert cli(*MINUTES, make(HEADER + lines(1)), "--covers", "2024", "2025").code == 0
    assert db.writes[-1][2]["covers"] == [("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z")]
    assert cli(*MINUTES, make(HEADER + lines(1)), "--covers", "2025", "2024").code == 2


def test_a_range_in_which_nothing_happened_can_be_claimed_by_a_header_alone(cli, db, make):
    result = cli(*MINUTES, make(HEADER), "--time-unit", "ms", "--covers", "2024", "2025")
    assert result.code == 0, result.err
    [(_, table, options)] = db.writes
    assert (table.num_rows, len(options["covers"])) == (0, 1)
    said = ("--time-unit", "ms", "--covers", "2024", "2025", "--dataset", "own")
    assert "no rows to tell the columns of own" in cli(*IMPORT, make(HEADER), *said).err


def test_every_file_is_looked_at_before_the_first_row_is_sent(cli, db, make):
    good, bad = make(HEADER + lines(3), "a.csv"), make("a,b\n1,2\n", "b.csv")
    result = cli(*MINUTES, good, bad)
    assert result.code == 2
    assert str(bad) in result.err
    assert db.writes == []


def test_options_are_checked_before_anything_is_connected(cli, db, make):
    path = make(HEADER + lines(2))
    assert "Candles need --timeframe" in cli(*IMPORT, path).err
    assert cli("import", path, "--instrument", "BTC", "-t", "1m").code == 2
    assert "--grid odd is not" in cli(*MINUTES, path, "--grid", "odd").err
    assert db.connected is None


@pytest.mark.parametrize(("error", "code"), [(Overloaded, 1), (SchemaMismatch, 2)])
def test_what_the_server_refuses_is_said_as_it_says_it(cli, db, make, error, code):
    db.answers["write"] = error("No.")
    result = cli(*MINUTES, make(HEADER + lines(2)))
    assert result.code == code
    assert result.err.splitlines()[-1] == "error: No."
    assert issubclass(SchemaMismatch, BadRequest)
