"""What genuine clients send: ours, ADBC's driver, and Flight's own with types that harm."""

from __future__ import annotations

import contextlib

import pyarrow as pa
from adbc_driver_flightsql import dbapi
from pyarrow import flight
from tests.fuzz.calls import METHODS, Call
from tests.fuzz.recording import recorded
from tests.support.rows import MINUTE, NOON_2024, candles, minutes, own, trades

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb

BTC, ETH = "binance:BTC/USDT", "kraken:ETH/USD"
_SECONDS = flight.FlightCallOptions(timeout=10)
# Beyond it, a mutation would only ever hit the rows.
_CALL_BYTES_MAX = 16 * 1024


def genuine_calls(uri: str) -> list[Call]:
    """Calls of all kinds, made on the server at `uri`; every method is among them."""
    with recorded(uri) as (proxy, calls):
        with fs.connect(proxy, same_host=False) as db:
            for part in (_write, _read, _derive, _administer, _follow):
                part(db)
        _ask_by_flight_sql(proxy)
        with flight.FlightClient(proxy) as client:
            for batch in _hostile_types():
                _put_bare(client, batch)
            _call_bare(client)
    found = [c for c in dict.fromkeys(calls) if sum(map(len, c.messages)) <= _CALL_BYTES_MAX]
    found += [Call("PollFlightInfo", call.messages) for call in _of(found, "GetFlightInfo")[:5]]
    assert {call.method for call in found} == set(METHODS), "a method has no genuine call"
    return found


def _of(calls: list[Call], method: str) -> list[Call]:
    return [call for call in calls if call.method == method]


def _write(db: fs.Client) -> None:
    db.write(BTC, minutes(range(50)), timeframe="1m", covers=("2024-01-01T12:00", "2024-01-02"))
    db.write(ETH, minutes(range(20)), timeframe="1m", metadata={"tick": "0.1"})
    db.write(BTC, trades([(NOON_2024 + n, str(n), 1.0 + n) for n in range(9)]), dataset="trades")
    db.write(BTC, own([1, 2], x=[1.5, None], y=["a", "bc"], z=[True, False]), dataset="funding")
    db.write_many({BTC: minutes([50]), ETH: minutes([20])}, timeframe="1m")
    with db.writer("candles", "1m") as writer:
        for number in range(60, 63):
            writer.write(BTC, minutes([number])).result()


def _read(db: fs.Client) -> None:
    db.series("*")
    db.candles(BTC, "1m", tail=3, columns=["close"])
    db.candles("*:*", "1m", layout="wide", columns="close", limit=4)
    db.candles(BTC, "5m", "2024", fill="ffill", label="close", timezone="Europe/Berlin")
    db.candles(BTC, "3tick", "2024")
    db.trades(BTC, "2024-01-01", "2024-01-02")
    db.latest("*:*", "1m")
    db.asof(fs.Rows("trades", BTC), fs.Rows("candles", BTC, "1m", label="close"), tolerance="5m")
    db.sql("select symbol, max(high) from candles where ts > ? group by 1", ["2024-01-01"])
    db.gaps(BTC, "1m", confirmed=True)
    db.coverage(BTC, "1m")
    next(iter(db.windows(BTC, "1m", length=4)))
    db.scan("*:*", "1m").head(2).collect()


def _derive(db: fs.Client) -> None:
    db.rules.add(on="candles/*/1m", to=["3m", "1d"], timezone="America/New_York")
    db.rules.list()
    db.sync(timeout=1)
    db.snapshot("pinned")
    db.candles(BTC, "1m", snapshot="pinned")
    db.snapshots()


def _administer(db: fs.Client) -> None:
    db.describe(BTC, timeframe="1m", metadata={"a": "b"})
    db.delete(ETH, timeframe="1m", start="2024-01-01", end="2024-01-01T12:02")
    db.health()
    db.status()
    db.flush()
    db.compact(full=True)
    list(db.verify())
    db.drop_snapshot("pinned")
    db.rules.remove(db.rules.list()[0].name)
    with contextlib.suppress(fs.FlightstoreError):
        db.promote()


def _follow(db: fs.Client) -> None:
    with db.live(BTC, "1m", start="2024-01-01", columns=["close"]) as live:
        next(live)
    with db.live("*:*", dataset="trades", after_lsn=0) as live:
        next(live)


def _ask_by_flight_sql(uri: str) -> None:
    with dbapi.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("select close, ts from candles where symbol = 'BTC/USDT' limit 3")
        cursor.fetchall()
        cursor.execute("select id from trades where price > ? and id <> ?", (2.0, "7"))
        cursor.fetchall()
        cursor.adbc_prepare("select open from candles where timeframe = ?")
        connection.adbc_get_objects().read_all()
        connection.adbc_get_objects(depth="tables", table_name_filter="c%").read_all()
        connection.adbc_get_info()
        connection.adbc_get_table_types()
        with contextlib.suppress(connection.Error):
            cursor.execute("insert into candles values (1)")


def _hostile_types() -> list[pa.RecordBatch]:
    """Batches of the types on which Arrow's reader is known to rely on what it is told."""
    numbers = pa.array([1, 2, 3])
    texts = pa.array(["a", "bc", None])
    columns = [
        texts.dictionary_encode(),
        pa.array([[1], [2, 3], None]),
        pa.array([{"a": 1}, {"a": 2}, None]),
        pa.array([[("k", 1)], [], None], pa.map_(pa.utf8(), pa.int64())),
        texts.cast(pa.string_view()),
        pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([5, 6])),
        pa.UnionArray.from_sparse(pa.array([0, 1, 0], pa.int8()), [numbers, texts]),
        pa.array([[1, 2]] * 3, pa.list_(pa.int8(), 2)),
        pa.array([None] * 3),
        pa.array([1, 2, 3], pa.decimal128(20, 2)),
    ]
    return [pa.record_batch({"ts": numbers, "x": column}) for column in columns]


def _put_bare(client: flight.FlightClient, batch: pa.RecordBatch) -> None:
    """A put and an exchange of `batch`, which the server refuses."""
    for codec in (None, "zstd"):
        options = flight.FlightCallOptions(
            timeout=10, write_options=pa.ipc.IpcWriteOptions(compression=codec)
        )
        command = pb.WriteRequest(dataset="own", protocol=1).SerializeToString()
        with contextlib.suppress(flight.FlightError, pa.ArrowException):
            writer, _ = client.do_put(
                flight.FlightDescriptor.for_command(command), batch.schema, options
            )
            with writer:
                writer.write_with_metadata(batch, b"not a commit")
    with contextlib.suppress(flight.FlightError, pa.ArrowException):
        writer, _ = client.do_exchange(flight.FlightDescriptor.for_path("a", "b"), _SECONDS)
        with writer:
            writer.begin(batch.schema)
            writer.write_batch(batch)


def _compressed(client: flight.FlightClient, codec: str) -> None:
    """Rows as any client may send them: compressed, and in a dataset that there is."""
    options = flight.FlightCallOptions(
        timeout=10, write_options=pa.ipc.IpcWriteOptions(compression=codec)
    )
    rows = candles([NOON_2024 + n * MINUTE for n in range(40)], 3.0)
    commit = pb.PutCommit(put_id=77, rows=40)
    commit.series.add(instrument=ETH, timeframe="1m", rows=40)
    command = pb.WriteRequest(dataset="candles", protocol=1).SerializeToString()
    writer, _ = client.do_put(flight.FlightDescriptor.for_command(command), rows.schema, options)
    with writer:
        writer.write_with_metadata(rows, commit.SerializeToString())


def _call_bare(client: flight.FlightClient) -> None:
    """What neither our client nor ADBC's driver sends."""
    read = pb.ReadRequest(dataset="candles", instruments=[BTC], timeframe="1m")
    asked = flight.FlightDescriptor.for_command(read.SerializeToString())
    _compressed(client, "zstd")
    _compressed(client, "lz4")
    client.get_schema(asked, _SECONDS)
    list(client.list_flights(b"*:*", _SECONDS))
    list(client.list_actions(_SECONDS))
    for request in (
        pb.Ticket(copy=pb.CopyRequest()),
        pb.Ticket(replicate=pb.ReplicateRequest(after_lsn=1)),
        pb.Ticket(segment=pb.SegmentRequest(file="candles/x.arrow")),
        pb.Ticket(read=pb.ReadRequest(dataset="candles", instruments=["*"], boot_id="x")),
    ):
        with contextlib.suppress(flight.FlightError, pa.ArrowException):
            client.do_get(flight.Ticket(request.SerializeToString()), _SECONDS).read_all()
    for action in ("rule-add", "sync", "rule-remove", "delete", "nothing"):
        with contextlib.suppress(flight.FlightError, pa.ArrowException):
            list(client.do_action(flight.Action(action, read.SerializeToString()), _SECONDS))
    with contextlib.suppress(flight.FlightError, pa.ArrowException):
        client.authenticate_basic_token("user", "password")
