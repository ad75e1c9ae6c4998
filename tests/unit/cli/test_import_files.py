"""import: files of every kind, compressed or not, whole or damaged, in chunks."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import struct
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, parquet
from tests.unit.cli.samples import HEADER, MINUTES, START_MS, lines

from flightstore_proto.schemas import CANDLES


def zipped(content: bytes, *names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("x.csv",):
            archive.writestr(name, content)
    return stream.getvalue()


def zstandard(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


PACKERS = {
    "plain": bytes,
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zip": zipped,
    "zstd": zstandard,
    "two gzip members": lambda b: gzip.compress(b[:1000]) + gzip.compress(b[1000:]),
    "two zstd frames": lambda b: zstandard(b[:1000]) + zstandard(b[1000:]),
}


@pytest.mark.parametrize("packer", PACKERS)
def test_csv_is_read_however_it_is_compressed_and_named(cli, db, make, packer):
    path = make(PACKERS[packer]((HEADER + lines(5000)).encode()), "data")
    result = cli(*MINUTES, path)
    assert result.code == 0, result.err
    assert db.written.num_rows == 5000
    assert db.written.schema == CANDLES
    assert "milliseconds since 1970" in result.err


def candle_table(count: int = 100) -> pa.Table:
    ts = [(START_MS + i * 60_000) * 10**6 for i in range(count)]
    values = [float(i) for i in range(count)]
    return pa.table([pa.array(ts, CANDLES.field(0).type), *([values] * 5)], schema=CANDLES)


def write_parquet(table: pa.Table, path: Path) -> None:
    parquet.write_table(table, path, row_group_size=30)


def write_arrow(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=30)


WRITERS = {
    "x.parquet": write_parquet,
    "x.feather": lambda table, path: feather.write_feather(table, path, compression="zstd"),
    "x.arrow": write_arrow,
}


@pytest.mark.parametrize("name", WRITERS)
def test_columnar_files_are_read(cli, db, tmp_path, name):
    WRITERS[name](candle_table(), tmp_path / name)
    assert cli(*MINUTES, tmp_path / name).code == 0
    assert db.written.equals(candle_table())


def test_a_frame_saved_by_pandas_brings_its_index(cli, db, tmp_path):
    frame = pd.DataFrame(
        {name: [1.0, 2.0] for name in CANDLES.names[1:]},
        index=pd.date_range("2024", periods=2, freq="min", tz="UTC"),
    )
    frame.to_parquet(tmp_path / "x.parquet")
    assert cli(*MINUTES, tmp_path / "x.parquet").code == 0
    assert db.written.column("ts").cast(pa.int64()).to_pylist() == [
        START_MS * 10**6, (START_MS + 60_000) * 10**6,
    ]  # fmt: skip


def test_floats_are_read_bit_for_bit_as_python_reads_them(cli, db, make):
    rng = random.Random(20240201)
    bits = [struct.unpack("<d", rng.randbytes(8))[0] for _ in range(3000)]
    texts = [repr(x) for x in bits if x == x and abs(x) != float("inf")]
    texts += [f"{rng.random() * 10 ** rng.randint(-9, 9):.25g}" for _ in range(3000)]
    rows = "".join(f"{START_MS + i * 60_000},1,1,1,1,{x}\n" for i, x in enumerate(texts))
    cli(*MINUTES, make(HEADER + rows))
    assert db.written.column("volume").to_pylist() == [float(text) for text in texts]


def test_rows_arrive_in_chunks_and_none_is_lost(cli, db, make):
    path = make(HEADER + lines(200_000))
    result = cli(*MINUTES, path, "--chunk-rows", 10_000, "--json")
    assert len(db.writes) > 1
    assert db.written.column("volume").to_pylist() == list(range(200_000))
    facts = json.loads(result.out)
    assert (facts["rows"], facts["duplicates"], facts["lsn"]) == (200_000, 0, len(db.writes))
    assert facts["files"] == [str(path)]


def test_a_whole_number_that_meets_its_first_fraction_late_is_no_surprise(cli, db, make):
    text = HEADER + lines(300_000) + f"{START_MS + 300_000 * 60_000},1,1,1,1,0.5\n"
    assert cli(*MINUTES, make(text)).code == 0
    assert db.written.column("volume")[-1].as_py() == 0.5


def test_the_guess_and_what_is_left_out_are_said(cli, db, make):
    path = make("date,o,h,l,c,v,note\n2024-01-01 00:00:00,1,2,1,2,3,x\n")
    err = cli(*MINUTES, path).err
    assert f"{path}: ts = date, open = o, high = h, low = l, close = c, volume = v" in err
    assert "times are text in UTC" in err
    assert "columns left out: note" in err


def test_a_header_is_found_below_an_address_and_a_byte_order_mark(cli, db, make):
    text = "\ufeffhttps://www.CryptoDataDownload.com\n" + HEADER.replace(",", ";")
    assert cli(*MINUTES, make(text + lines(3).replace(",", ";"))).code == 0
    assert db.written.num_rows == 3


KLINE = "1704067200000,1,4,0.5,2,10,1704067259999,20,5,6,12,0\n"


def test_binances_klines_without_a_header_are_known(cli, db, make):
    assert cli(*MINUTES, make(KLINE + KLINE.replace("1704067200000", "1704067260000"))).code == 0
    assert db.written.slice(0, 1).drop_columns("ts").to_pylist() == [
        {"open": 1, "high": 4, "low": 0.5, "close": 2, "volume": 10}
    ]


def test_other_files_without_a_header_are_asked_about_and_columns_have_numbers(cli, db, make):
    path = make("1704067200000,1,2,4,0.5,10\n")  # Bitfinex: open, close, high, low
    result = cli(*MINUTES, path)
    assert result.code == 2
    assert "'1', '2', '3', '4', '5', '6'" in result.err
    said = "ts=1,open=2,close=3,high=4,low=5,volume=6"
    assert cli(*MINUTES, path, "--columns", said).code == 0
    assert db.written.column("high").to_pylist() == [4]


UNUSABLE = {
    "absent": None,
    "empty": b"",
    "blank": b"\n\n",
    "no table": b"hello\nworld\n",
    "two columns of one name": b"ts,open,open,high,low,close,volume\n1,2,3,4,5,6,7\n",
    "torn gzip": gzip.compress((HEADER + lines(9000)).encode())[:-200],
    "torn xz": lzma.compress((HEADER + lines(9000)).encode())[:-200],
    "damaged gzip": gzip.compress((HEADER + lines(9000)).encode())[:300] + b"x" * 300,
    "torn parquet": b"PAR1" + b"x" * 100,
    "torn arrow": b"ARROW1\0\0" + b"x" * 100,
    "old feather": b"FEA1" + b"x" * 100,
    "not zip": b"PK\x03\x04" + b"x" * 100,
    "two files": zipped(HEADER.encode(), "a.csv", "b.csv"),
    "latin": (HEADER + lines(2)).encode() + b"\xe4,1,1,1,1,1\n",
    "a line too short": (HEADER + lines(2) + "1,2\n").encode(),
    "a word among numbers": (HEADER + lines(2) + f"{START_MS},1,1,1,1,many\n").encode(),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_cannot_be_used_is_one_line_that_names_it(cli, db, tmp_path, name):
    path = tmp_path / "the file"
    if UNUSABLE[name] is not None:
        path.write_bytes(UNUSABLE[name])
    result = cli(*MINUTES, path)
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith("error: ")
    assert str(path) in result.err.splitlines()[-1]


def test_prices_that_are_no_numbers_in_a_columnar_file_are_refused(cli, db, tmp_path):
    for value in ("many", b"x"):
        table = candle_table(1).set_column(5, "volume", pa.array([value]))
        parquet.write_table(table, tmp_path / "x.parquet")
        assert "Not every volume is a number" in cli(*MINUTES, tmp_path / "x.parquet").err


def test_a_columnar_file_with_two_columns_of_one_name_is_refused(cli, db, tmp_path):
    columns = [pa.array([START_MS]), pa.array([1.0]), pa.array([2.0])]
    write_arrow(pa.table(columns, names=["ts", "open", "open"]), tmp_path / "x.arrow")
    result = cli(*MINUTES, tmp_path / "x.arrow")
    assert result.code == 2
    assert f"{tmp_path / 'x.arrow'}: The file has two columns of one name." in result.err


def test_the_format_can_be_said_and_is_checked(cli, db, make, tmp_path):
    path = make(HEADER + lines(2))
    assert cli(*MINUTES, path, "--format", "csv").code == 0
    assert "is not a parquet file" in cli(*MINUTES, path, "--format", "parquet").err
    assert "There is no format 'xlsx'" in cli(*MINUTES, path, "--format", "xlsx").err
    feather.write_feather(candle_table(2), tmp_path / "x")
    assert cli(*MINUTES, tmp_path / "x", "--format", "feather").code == 0
