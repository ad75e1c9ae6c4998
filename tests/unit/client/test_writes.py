"""Writes: batches, commits, coverage, frames too large for one put, and refusals."""

from __future__ import annotations

import pyarrow as pa
import pytest

import flightstore as fs
from flightstore import _puts
from flightstore._puts import cut
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import BATCH_BYTES_MAX, BATCH_ROWS_MAX, CANDLES, TS

JANUARY = pb.TimeRange(start=1_704_067_200_000_000_000, end=1_706_745_600_000_000_000)


def test_a_write_is_batches_and_a_commit_and_an_acknowledgement(server, db, fake) -> None:
    rows = fake.candles(3)
    ack = db.write(
        "lab:BTC/USDT",
        rows,
        timeframe="1m",
        covers=("2024-01", "2024-02"),
        metadata={"source": "test", "old": None},
        grid="free",
    )
    assert ack == fs.WriteAck(lsn=1, rows=3, duplicates=0)
    [put] = server.puts
    assert put.dataset == "candles"
    assert put.table.equals(rows)
    assert put.commit.put_id != 0
    assert put.commit.rows == 3
    assert list(put.commit.series) == [
        pb.SeriesPut(
            instrument="lab:BTC/USDT",
            timeframe="1m",
            rows=3,
            covers=[JANUARY],
            metadata={"source": "test", "old": ""},
            grid=pb.SeriesPut.GRID_FREE,
        )
    ]


def test_a_write_of_no_rows_still_says_what_is_complete(server, db) -> None:
    ack = db.write("lab:X", None, timeframe="1m", covers=[("2024-01", "2024-02")])
    assert ack.rows == 0
    [put] = server.puts
    assert put.table.schema == CANDLES and put.batches == 1
    assert list(put.commit.series[0].covers) == [JANUARY]


@pytest.mark.parametrize(
    ("covers", "ranges"),
    [
        (("2024-01", "2024-02"), 1),
        (["2024-01", "2024-02"], 1),
        ([("2024-01", "2024-02")], 1),
        ([("2024-01", "2024-02"), ("2024-03", "2024-04")], 2),
        ((("2024-01", "2024-02"), ("2024-03", "2024-04")), 2),
        ([], 0),
    ],
)
def test_covers_is_one_pair_or_several(server, db, covers, ranges: int) -> None:
    db.write("lab:X", None, timeframe="1m", covers=covers)
    assert len(server.puts[0].commit.series[0].covers) == ranges


@pytest.mark.parametrize(
    "covers",
    [("2024", None), (None, "2024"), ["2024"], [("2024",)], ("2024", "2263"), ("2025", "2024")],
)
def test_covers_without_both_bounds_in_order_is_refused(server, db, covers) -> None:
    with pytest.raises(fs.BadRange):
        db.write("lab:X", None, timeframe="1m", covers=covers)
    last = "2262-04-11T23:47:16.854775808Z"
    with pytest.raises(fs.BadRange, match="past the last time"):
        db.write("lab:X", None, timeframe="1m", covers=("2024", last))
    assert server.streams == 0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"instrument": "lab"}, fs.BadInstrument),
        ({"instrument": "lab:*"}, fs.BadInstrument),
        ({"timeframe": None}, fs.BadTimeframe),
        ({"timeframe": "1x"}, fs.BadTimeframe),
        ({"grid": "loose"}, fs.BadRequest),
        ({"key": "id"}, fs.BadRequest),
        ({"frame": {"ts": [1]}}, fs.SchemaMismatch),
    ],
)
def test_a_write_that_makes_no_sense_is_not_sent(server, db, arguments, error) -> None:
    with pytest.raises(error):
        db.write(**{"instrument": "lab:X", "frame": None, "timeframe": "1m"} | arguments)
    assert server.streams == 0


def test_rows_travel_in_batches_of_bounded_size(fake) -> None:
    table = fake.candles(150_000)
    batches = [batch for batch, _ in cut(table)]
    assert pa.Table.from_batches(batches).equals(table)
    assert len(batches) == 3
    assert all(b.num_rows <= BATCH_ROWS_MAX and b.nbytes <= BATCH_BYTES_MAX for b in batches)


def test_rows_of_very_different_size_travel_in_bounded_batches_too() -> None:
    texts = [""] * 40_000 + ["x" * 2_000_000] * 4
    table = pa.table({"ts": pa.array(range(len(texts)), TS.type), "text": texts})
    batches = [batch for batch, _ in cut(table)]
    assert pa.Table.from_batches(batches).equals(table)
    assert all(b.nbytes <= BATCH_BYTES_MAX for b in batches)


def test_a_frame_of_thousands_of_pieces_travels_in_few_batches(fake) -> None:
    pieces = pa.concat_tables([fake.candles(1, first=n) for n in range(5_000)])
    assert len(list(cut(pieces))) == 1


def test_a_frame_too_large_for_one_put_is_several_and_the_last_covers(
    server, db, fake, monkeypatch
) -> None:
    monkeypatch.setattr(_puts, "PUT_BYTES_MAX", 3_500_000)
    rows = fake.candles(150_000)
    ack = db.write(
        "lab:X", rows, timeframe="1m", covers=("2024-01", "2024-02"), metadata={"a": "b"}
    )
    assert ack == fs.WriteAck(lsn=3, rows=150_000)
    assert server.streams == 1
    assert pa.concat_tables([put.table for put in server.puts]).equals(rows)
    said = [put.commit.series[0] for put in server.puts]
    assert [len(s.covers) for s in said] == [0, 0, 1]
    assert [dict(s.metadata) for s in said] == [{}, {}, {"a": "b"}]
    assert [s.rows for s in said] == [put.table.num_rows for put in server.puts]
    assert len({put.commit.put_id for put in server.puts}) == 3


def test_a_reader_is_streamed(server, db, fake) -> None:
    rows = fake.candles(10)
    ack = db.write("lab:X", rows.to_reader(max_chunksize=4), timeframe="1m")
    assert ack.rows == 10
    assert server.puts[0].table.equals(rows)
    assert server.puts[0].batches == 3


def test_own_datasets_have_a_key_and_no_timeframe(server, db) -> None:
    db.write("lab:X", {"ts": [1], "rate": [0.5]}, dataset="funding", key="ts,id")
    [put] = server.puts
    assert put.dataset == "funding"
    assert (put.commit.series[0].key, put.commit.series[0].timeframe) == ("ts,id", "")


def test_several_series_are_one_put(server, db, fake) -> None:
    frames = {"lab:A": fake.candles(3), "lab:B": fake.candles(0), "lab:C": fake.candles(2)}
    ack = db.write_many(frames, timeframe="1m", covers={"lab:B": ("2024-01", "2024-02")})
    assert ack.rows == 5
    [put] = server.puts
    said = put.commit.series
    assert [(s.instrument, s.rows, len(s.covers)) for s in said] == [
        ("lab:A", 3, 0),
        ("lab:B", 0, 1),
        ("lab:C", 2, 0),
    ]
    assert put.table.equals(pa.concat_tables(frames.values()))


def test_several_series_without_rows_are_one_put_too(server, db) -> None:
    db.write_many({"lab:A": None, "lab:B": None}, timeframe="1m", covers=("2024-01", "2024-02"))
    assert [len(s.covers) for s in server.puts[0].commit.series] == [1, 1]


def test_each_of_several_series_has_metadata_of_its_own(server, db) -> None:
    metadata = {"lab:A": {"source": "test", "old": None}}
    db.write_many({"lab:A": None, "lab:B": None}, timeframe="1m", metadata=metadata)
    said = server.puts[0].commit.series
    assert [dict(s.metadata) for s in said] == [{"source": "test", "old": ""}, {}]


def test_what_is_said_of_an_instrument_without_a_frame_is_not_lost(server, db, fake) -> None:
    frames = {"lab:A": fake.candles(1)}
    with pytest.raises(fs.BadRequest, match=r"covers speaks of 'lab:B', .* no frame"):
        db.write_many(frames, timeframe="1m", covers={"lab:B": ("2024-01", "2024-02")})
    with pytest.raises(fs.BadRequest, match=r"metadata speaks of 'lab:B', .* no frame"):
        db.write_many(frames, timeframe="1m", metadata={"lab:B": {"a": "b"}})
    assert server.streams == 0


def test_several_series_must_fit_together(server, db, fake, monkeypatch) -> None:
    with pytest.raises(fs.BadRequest, match="no frames"):
        db.write_many({}, timeframe="1m")
    with pytest.raises(fs.SchemaMismatch, match=r"lab:B has .*where lab:A has"):
        db.write_many({"lab:A": {"ts": [1], "x": [1]}, "lab:B": {"ts": [1], "y": [1]}}, dataset="o")
    monkeypatch.setattr(_puts, "PUT_BYTES_MAX", 100)
    with pytest.raises(fs.BadRequest, match="fewer instruments"):
        db.write_many({"lab:A": fake.candles(10)}, timeframe="1m")
    assert server.streams == 0


@pytest.mark.parametrize("rows", [1, 200_000])
def test_the_error_of_the_server_is_what_a_write_raises(server, db, fake, rows: int) -> None:
    def refuse(_put):
        raise fake.refusal("invalid_rows", "Row 7: high is below low.")

    server.script.put = refuse
    with pytest.raises(fs.InvalidRows, match=r"^Row 7: high is below low\.$"):
        db.write("lab:X", fake.candles(rows), timeframe="1m")


def test_a_refusal_before_the_first_batch_is_what_a_large_write_raises(fake) -> None:
    class Refusing(fake.server):
        def do_put(self, context, descriptor, reader, writer):
            raise fake.refusal("poisoned", "Restart the server.")

    server = Refusing()
    try:
        with (
            fs.connect(server.uri) as db,
            pytest.raises(fs.Poisoned, match=r"^Restart the server\.$"),
        ):
            db.write("lab:X", fake.candles(300_000), timeframe="1m")
    finally:
        server.stop()


def test_a_server_that_leaves_without_a_word_is_an_error(server, db, fake) -> None:
    server.script.put = lambda _: None
    server.script.leave_after = 1
    with pytest.raises(fs.InternalError, match="before it acknowledged"):
        db.write("lab:X", fake.candles(1), timeframe="1m")


def test_acknowledgements_that_make_no_sense_are_errors(server, db, fake) -> None:
    server.script.put = lambda _: pb.WriteAck(put_id=1).SerializeToString()
    with pytest.raises(fs.InternalError, match="not the next one"):
        db.write("lab:X", fake.candles(1), timeframe="1m")
    server.script.put = lambda _: b"\xff"
    with pytest.raises(fs.InternalError, match="cannot be read"):
        db.write("lab:X", fake.candles(1), timeframe="1m")


def test_delete_says_how_many_rows_went(server, db) -> None:
    server.script.actions["delete"] = lambda _: [pb.WriteAck(lsn=9, rows=4)]
    assert db.delete("lab:X", timeframe="1m", start="2024-01", end="2024-02").rows == 4
    db.delete("lab:X", dataset="trades")
    part, whole = (pb.DeleteRequest.FromString(body) for _, body in server.asked[1:])
    assert part.range == JANUARY
    assert part.series == pb.Series(dataset="candles", instrument="lab:X", timeframe="1m")
    assert not whole.HasField("range")


def test_describe_merges_texts(server, db) -> None:
    server.script.actions["describe"] = lambda _: [pb.WriteAck(lsn=2)]
    assert db.describe("lab:X", timeframe="1m", metadata={"unit": "base", "n": None}).lsn == 2
    request = pb.DescribeRequest.FromString(server.asked[1][1])
    assert dict(request.metadata) == {"unit": "base", "n": ""}
