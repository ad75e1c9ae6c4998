"""Reads by a client on the server's machine: the same rows as over the wire, out of its files."""

from __future__ import annotations

import gc
import random
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import flight
from tests.support import wire
from tests.support.recorded import binance_trades, same_bits
from tests.support.rows import MINUTE, NOON_2024, bars_of, own
from tests.support.same_host import BTC, ETH, ROWS, minutes, segment_files
from tests.support.seeds import generator, scaled
from tests.support.serving import Serving
from tests.support.stores import BULK

import flightstore as fs
from flightstore._local.same_host import boot_id
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import LOCAL_KEY


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"output": "polars"},
        {"output": "pandas"},
        {"columns": ["volume", "close"]},
        {"columns": []},
        {"start": "2024-01-02T03:04:05", "end": "2024-03-30"},
        {"limit": 70_000},
        {"tail": 70_000},
        {"tail": 70_000, "columns": "high"},
        {"closed": True},
        {"tz": "Asia/Tokyo"},
    ],
    ids=str,
)
def test_a_large_read_is_mapped_and_has_the_same_rows(
    serving: Serving, mapping_db: fs.Client, words: dict[str, object]
) -> None:
    asked = {"output": "arrow", **words}
    found, sent = (db.candles(BTC, "1m", **asked) for db in (mapping_db, serving.db))
    assert found.equals(sent)
    assert mapping_db.status().same_host == "mapped"


@pytest.mark.parametrize("layout", ["long", "wide"])
def test_many_series_are_mapped_and_laid_out_the_same(
    serving: Serving, mapping_db: fs.Client, layout: str
) -> None:
    serving.db.write("binance:NEW/USDT", minutes(7, 3), timeframe="1m")  # in memory
    found, sent = (db.candles("*", "1m", layout=layout) for db in (mapping_db, serving.db))
    assert found.equals(sent)
    assert mapping_db.status().same_host == "mapped"


def test_many_series_are_mapped_into_a_mapping_of_frames(
    serving: Serving, mapping_db: fs.Client
) -> None:
    found, sent = (db.candles([BTC, ETH], "1m", layout="dict") for db in (mapping_db, serving.db))
    assert list(found) == list(sent) == [BTC, ETH]
    assert all(found[name].equals(sent[name]) for name in found)


@pytest.mark.parametrize("instruments", [BTC, "*"])
def test_batches_are_mapped_and_have_the_same_rows(
    serving: Serving, mapping_db: fs.Client, instruments: str
) -> None:
    serving.db.write(BTC, minutes(ROWS - 5, 10), timeframe="1m")  # partly newer versions, in memory
    whole = []
    for db in (mapping_db, serving.db):
        with db.batches(instruments, "1m") as batches:
            whole.append(pa.Table.from_batches(batches, batches.schema))
    assert whole[0].equals(whole[1])
    assert mapping_db.status().same_host == "mapped"


def test_a_column_that_is_younger_than_the_file_is_null(serving: Serving, worth_it: None) -> None:
    times = [NOON_2024 + n * MINUTE for n in range(4)]
    serving.db.write(BTC, own(times[:3], x=[1.0, 2.0, 3.0]), dataset="features")
    serving.db.flush()
    serving.db.write(BTC, own(times[3:], x=[4.0], y=["b"]), dataset="features")
    with serving.mapping() as db:
        for columns in (None, ["y"], ["y", "x"], ["x"]):
            found, sent = (c.read("features", BTC, columns=columns) for c in (db, serving.db))
            assert found.equals(sent)
        assert db.status().same_host == "mapped"


@pytest.mark.data
def test_recorded_trades_with_their_ids_are_mapped_equal(
    serving: Serving, market_data: Path, worth_it: None
) -> None:
    trades = binance_trades(market_data)
    serving.db.write(BTC, trades, dataset="trades")
    serving.db.flush()
    with serving.mapping() as db:
        assert same_bits(db.trades(BTC, output="arrow"), trades)
        assert db.status().same_host == "mapped"


def test_random_reads_agree_between_random_changes(
    tmp_path: Path, worth_it: None, request: pytest.FixtureRequest
) -> None:
    rng = generator("same host")
    served = Serving(tmp_path / "data", BULK)
    mapping_db = served.mapping()
    for name in (BTC, ETH):
        served.db.write(name, minutes(0, 100), timeframe="1m")
    for _ in range(scaled(request.config, ci=100, nightly=2_000)):
        _change(served.db, rng)
        names, words = _request(rng)
        found, sent = (db.candles(names, "1m", **words) for db in (mapping_db, served.db))
        assert found.equals(sent), (names, words)
    assert mapping_db.status().same_host == "mapped"
    mapping_db.close()
    served.close()


def _change(db: fs.Client, rng: random.Random) -> None:
    """A put, or something that moves rows about or takes some away."""
    name, first, rows = rng.choice([BTC, ETH]), rng.randrange(2_000), rng.randrange(1, 400)
    db.write(name, minutes(first, rows, rng.random() * 100), timeframe="1m")
    kind = rng.random()
    if kind < 0.3:
        db.flush()
    elif kind < 0.4:
        db.compact(full=True)
    elif kind < 0.6:
        start = NOON_2024 + rng.randrange(2_000) * MINUTE
        end = start + rng.randrange(1, 300) * MINUTE
        db.delete(name, timeframe="1m", start=start // 10**6, end=end // 10**6)


def _request(rng: random.Random) -> tuple[str, dict[str, object]]:
    words: dict[str, object] = {"output": "arrow"}
    low, high = sorted(NOON_2024 // 10**6 + rng.randrange(2_600) * 60_000 for _ in range(2))
    if rng.random() < 0.5:
        words |= {"start": low, "end": high}
    if rng.random() < 0.5:
        words[rng.choice(["limit", "tail"])] = rng.randrange(1, 1_500)
    if rng.random() < 0.3:
        words["columns"] = rng.sample(["open", "high", "low", "close", "volume"], 2)
    return rng.choice(["*:BTC/*", "*:ETH/*", "*"]), words


def test_what_is_mapped_is_one_moment_while_everything_changes(
    tmp_path: Path, worth_it: None
) -> None:
    """A snapshot reads the same both ways, and a bar is never put together from two."""
    rng, over = generator("same host, busy"), threading.Event()
    served = Serving(tmp_path / "data", BULK)
    served.db.write(BTC, minutes(0, 500), timeframe="1m")
    served.db.write(ETH, minutes(0, 500), timeframe="1m")
    failed: list[BaseException] = []
    busy = threading.Thread(target=_keep_changing, args=(served, over, failed))
    busy.start()
    try:
        with served.mapping() as db:
            for number in range(12):
                served.db.snapshot(f"s{number}")
                words = {"snapshot": f"s{number}", "output": "arrow"}
                found, sent = (c.candles("*", "1m", **words) for c in (db, served.db))
                assert found.equals(sent)
                bars = bars_of(db.candles(BTC, "1m", output="arrow").to_batches())
                assert [ts for ts, _ in bars] == sorted({ts for ts, _ in bars})
                served.db.drop_snapshot(f"s{number}")
            assert db.status().same_host == "mapped"
    finally:
        over.set()
        busy.join(60)
    assert not failed, rng
    served.close()


def _keep_changing(served: Serving, over: threading.Event, failed: list[BaseException]) -> None:
    rng = generator("changes")
    try:
        with fs.connect(served.uri) as db:
            while not over.is_set():
                _change(db, rng)
                served.upkeep()
    except BaseException as error:  # shown by the test, which waits for this thread
        failed.append(error)
        raise


def test_frames_outlive_the_files_they_lie_in(tmp_path: Path, worth_it: None) -> None:
    served = Serving(tmp_path / "data")
    served.db.write(BTC, minutes(0, 1_000), timeframe="1m")
    served.db.flush()
    with served.mapping() as db:
        frame = db.candles(BTC, "1m")
        assert db.status().same_host == "mapped"
    expected = served.db.candles(BTC, "1m")
    served.db.delete(BTC, timeframe="1m")
    served.tidy()
    assert segment_files(served) == []
    assert frame.equals(expected)
    served.close()


def _maps() -> int:
    """How many segment files are mapped here; the server, in this process, has each once."""
    return Path("/proc/self/maps").read_text().count(".arrow")


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_maps_go_with_the_frames_and_hold_no_descriptors(mapping_db: fs.Client) -> None:
    mapping_db.candles(BTC, "1m")
    gc.collect()
    before, descriptors = _maps(), _descriptors()
    frames = [mapping_db.candles(BTC, "1m") for _ in range(20)]
    assert _maps() == before + 20
    assert _descriptors() < descriptors + 10
    del frames
    gc.collect()
    assert _maps() == before


def test_a_frame_can_be_changed_and_the_files_stay_as_they_are(
    serving: Serving, mapping_db: fs.Client
) -> None:
    frame = mapping_db.candles(BTC, "1m", columns=["close"])
    frame["close"].scatter(0, -1.0)
    frame[5, "close"] = -2.0
    table = mapping_db.candles(BTC, "1m", columns=["close"], output="pandas")
    table.iloc[:, 0] = 3.0
    table["close"] *= 2
    assert serving.db.candles(BTC, "1m").equals(mapping_db.candles(BTC, "1m"))
    assert mapping_db.candles(BTC, "1m")["close"].unique().to_list() == [5.0]


def _read(**words: object) -> pb.ReadRequest:
    return pb.ReadRequest(dataset="candles", instruments=[BTC], timeframe="1m", **words)


def _answer(uri: str, request: pb.ReadRequest) -> pa.Table:
    return wire.get(uri, pb.Ticket(read=request).SerializeToString())


def test_places_are_only_told_on_the_same_machine(serving: Serving, mapping_db: fs.Client) -> None:
    for here, told in ((boot_id(), True), ("elsewhere", False), ("", False)):
        table = _answer(serving.uri, _read(boot_id=here))
        assert (LOCAL_KEY in table.schema.metadata) == told
        assert table.num_rows == (0 if told else ROWS)


def test_an_answer_with_identity_columns_is_never_one_of_places(
    serving: Serving, mapping_db: fs.Client
) -> None:
    request = _read(boot_id=boot_id(), identity=pb.ReadRequest.IDENTITY_COLUMNS)
    assert _answer(serving.uri, request).num_rows == ROWS


def test_a_flight_info_tells_the_places_too(serving: Serving, mapping_db: fs.Client) -> None:
    request = _read(boot_id=boot_id())
    with flight.FlightClient(serving.uri) as client:
        descriptor = flight.FlightDescriptor.for_command(request.SerializeToString())
        info = client.get_flight_info(descriptor)
        said = pb.LocalRows.FromString(info.app_metadata)
        assert sum(part.rows for part in said.parts) == ROWS
        assert [Path(file.path) for file in said.files] == [
            file for file in segment_files(serving) if "BTC" in str(file)
        ]
        serving.db.write(BTC, minutes(ROWS, 1), timeframe="1m")  # now there is a row in no file
        assert client.get_flight_info(descriptor).app_metadata == b""
        assert client.do_get(info.endpoints[0].ticket).read_all().schema.metadata[LOCAL_KEY]
