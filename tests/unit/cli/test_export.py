"""export: formats, streaming, and that no half-written file is ever left."""

from __future__ import annotations

import gzip
import io
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import csv, feather, parquet

from flightstore.cli.csv_text import iso_text
from flightstore_proto.errors import Unavailable
from flightstore_proto.schemas import CANDLES

COUNT = 300
VALUES = [i / 7 for i in range(COUNT)]
TIMES = [1_364_774_820_000_000_000 + i * 60 * 10**9 for i in range(COUNT)]
ROWS = pa.table([pa.array(TIMES, CANDLES.field("ts").type), *([VALUES] * 5)], schema=CANDLES)
EXPORT = ("export", "a:B", "--timeframe", "1m", "--out")


@pytest.fixture
def rows(db):
    db.answers["schema"] = CANDLES.with_metadata({"k": "v"})
    db.answers["batches"] = ROWS.to_batches(max_chunksize=100)
    return db


def read_csv(text: bytes) -> pa.Table:
    return csv.read_csv(io.BytesIO(text))


def read_zst(path: Path) -> bytes:
    with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
        return stream.read()


READERS = {
    "x.csv": lambda path: read_csv(path.read_bytes()),
    "x.csv.gz": lambda path: read_csv(gzip.decompress(path.read_bytes())),
    "x.csv.xz": lambda path: read_csv(lzma.decompress(path.read_bytes())),
    "x.csv.zst": lambda path: read_csv(read_zst(path)),
    "x.parquet": parquet.read_table,
    "x.feather": lambda path: feather.read_table(path, memory_map=False),
    "x.arrow": lambda path: pa.ipc.open_file(path.read_bytes()).read_all(),
}


@pytest.mark.parametrize("name", READERS)
def test_a_file_of_each_format_holds_the_rows_exactly(cli, rows, tmp_path, name):
    path = tmp_path / name
    result = cli(*EXPORT, path, "--start", "2013")
    assert (result.code, result.out) == (0, "")
    assert "Wrote 300 rows" in result.err
    table = READERS[name](path)
    assert table.column("close").to_pylist() == VALUES
    assert table.column("ts").cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_pylist() == TIMES
    assert b"k" not in (table.schema.metadata or {})
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_csv_writes_iso_times_and_the_shortest_exact_floats(cli, rows):
    lines = cli(*EXPORT, "-").out.splitlines()
    assert lines[0] == "ts,open,high,low,close,volume"
    assert lines[2] == "2013-04-01T00:08:00Z" + f",{1 / 7!r}" * 5
    assert len(lines) == COUNT + 1


def test_times_show_no_more_digits_than_they_have():
    for ns, text in [(0, "00:00:00Z"), (10**6, "00:00:00.001Z"), (1, "00:00:00.000000001Z")]:
        column = pa.array([ns], pa.timestamp("ns", "UTC"))
        assert iso_text(column)[0].as_py() == f"1970-01-01T{text}"


def test_names_and_texts_that_csv_must_quote_come_back(cli, db, tmp_path):
    table = pa.table({'say "when"': ["a,b", 'c"d'], "x": [1, 2]})
    db.answers |= {"schema": table.schema, "batches": table.to_batches()}
    cli("export", "a:B", "--dataset", "other", "--out", tmp_path / "x.csv")
    assert read_csv((tmp_path / "x.csv").read_bytes()).to_pydict() == table.to_pydict()


@pytest.mark.parametrize("name", READERS)
def test_rows_of_many_instruments_say_whose_they_are(cli, db, tmp_path, name):
    # As the client gives them: categories over all instruments of the read.
    batches = [
        pa.record_batch(
            {
                "exchange": pa.DictionaryArray.from_arrays([0, 0], ["binance"]),
                "symbol": pa.DictionaryArray.from_arrays([i, i], ["A,B", "C"]),
                "ts": pa.array([0, 1], pa.timestamp("ns", "UTC")),
            }
        )
        for i in (0, 1)
    ]
    db.answers |= {"schema": batches[0].schema, "batches": batches}
    assert cli("export", "*", "--timeframe", "1m", "--out", tmp_path / name).code == 0
    assert READERS[name](tmp_path / name).column("symbol").to_pylist() == ["A,B", "A,B", "C", "C"]


def test_what_is_asked_for_reaches_the_client(cli, rows, tmp_path):
    out = tmp_path / "x.csv"
    cli("export", "a:B", "c:*", "--dataset", "trades", "--columns", "price", "--out", out)
    cli(*EXPORT, out, "--start", "2024", "--end", "now", "--snapshot", "s")
    shape = ("--from", "trades", "--timezone", "Asia/Tokyo", "--fill", "null", "--closed")
    cli(*EXPORT, out, *shape)
    (_, many, options), (_, one, _), (_, _, shaped) = rows.calls
    assert many == (["a:B", "c:*"], "", None, None)
    assert (options["dataset"], options["columns"]) == ("trades", ["price"])
    assert (options["snapshot"], options["fill"], options["closed"]) == (None, None, False)
    assert one == ("a:B", "1m", "2024", "now")
    assert (shaped["resample_from"], shaped["timezone"]) == ("trades", "Asia/Tokyo")
    assert (shaped["fill"], shaped["closed"]) == ("null", True)


@pytest.mark.parametrize("name", READERS)
def test_a_failed_export_leaves_the_old_file_and_nothing_else(cli, rows, tmp_path, name):
    path = tmp_path / name
    path.write_text("old")
    rows.answers["batches"].append(Unavailable("The server went away."))
    assert cli(*EXPORT, path) == (1, "", "error: The server went away.\n")
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_interrupted_export_leaves_nothing(cli, rows, tmp_path):
    rows.answers["batches"].append(KeyboardInterrupt())
    assert cli(*EXPORT, tmp_path / "x.parquet").code == 130
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link_and_a_pipe_a_pipe(cli, rows, tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    cli(*EXPORT, tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("ts,")
    assert cli(*EXPORT, "/dev/null", "--format", "csv").code == 0
    assert Path("/dev/null").is_char_device()


def test_the_format_comes_from_the_suffix_or_the_option(cli, rows, tmp_path):
    assert cli(*EXPORT, tmp_path / "x.xlsx").code == 2
    result = cli(*EXPORT, tmp_path / "x", "--format", "parquett")
    assert "Did you mean parquet?" in result.err
    cli(*EXPORT, tmp_path / "data", "--format", "parquet")
    assert parquet.read_table(tmp_path / "data").num_rows == COUNT


def test_a_directory_that_is_not_there_is_one_line(cli, rows, tmp_path):
    result = cli(*EXPORT, tmp_path / "no" / "x.csv")
    assert result.code == 1
    assert "No such file or directory" in result.err
    assert result.err.count("\n") == 1


def test_an_empty_range_is_an_empty_file_with_the_right_columns(cli, rows, tmp_path):
    rows.answers["batches"] = []
    cli(*EXPORT, tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == "ts,open,high,low,close,volume\n"
    cli(*EXPORT, tmp_path / "x.parquet")
    assert parquet.read_table(tmp_path / "x.parquet").schema.names == CANDLES.names


def test_the_summary_can_be_json(cli, rows, tmp_path):
    out = cli(*EXPORT, tmp_path / "x.csv", "--json").out
    assert json.loads(out)["rows"] == COUNT
    assert json.loads(out)["bytes"] == (tmp_path / "x.csv").stat().st_size
    assert cli(*EXPORT, "-", "--json").code == 2
