"""At each limit: an error that names it and says what to do; below it again, all goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import flight
from tests.support import wire
from tests.support.replicating import until
from tests.support.rows import NOON_2024, candles
from tests.support.serving import Serving

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.store import Store
from flightstore_server.flight.lifecycle import bind
from flightstore_server.flight.limits.edge import EdgeLimits
from flightstore_server.sql.limits import SqlLimits
from flightstore_server.storage.files import open_root

BTC, ETH = "binance:BTC/USDT", "binance:ETH/USDT"
MINUTE = 60 * 10**9
ROWS = candles([NOON_2024])
# 24 MB: more than fits between a server and a client that does not read.
MANY = 500_000


@contextmanager
def limited(root: Path, edge: EdgeLimits, limits: Limits | None = None) -> Iterator[Serving]:
    served = Serving(root / "data", limits, edge=edge)
    try:
        yield served
    finally:
        served.close()


class OpenPut:
    """A stream of puts, sent batch by batch; it ends with the block."""

    def __init__(self, uri: str, dataset: str = "candles") -> None:
        command = pb.WriteRequest(dataset=dataset, protocol=1).SerializeToString()
        self._client = flight.FlightClient(uri)
        self._writer, self._acks = self._client.do_put(
            flight.FlightDescriptor.for_command(command), ROWS.schema, wire.SECONDS
        )

    def __enter__(self) -> OpenPut:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._writer.close()
        except flight.FlightError:
            pass  # what went wrong was told when it was asked for
        finally:
            self._client.close()

    def send(self, rows: pa.RecordBatch) -> None:
        self._writer.write_batch(rows)

    def commit(self, rows: int) -> pb.WriteAck:
        """Commit what was sent; raises what the server says to it."""
        message = wire.commit(rows).SerializeToString()
        try:
            self._writer.write_metadata(pa.py_buffer(message))
            answer = self._acks.read()
            if answer is None:
                self._writer.close()
            return pb.WriteAck.FromString(answer.to_pybytes())
        except flight.FlightError as error:
            raise wire.told(error) from None


def _used(served: Serving) -> dict[str, int]:
    return served.service.usage.used()


def test_one_open_stream_of_puts_more_than_puts_max_is_refused(tmp_path: Path) -> None:
    with limited(tmp_path, EdgeLimits(puts_max=1)) as served:
        with OpenPut(served.uri) as first:
            first.send(ROWS)
            until(lambda: _used(served)["puts"] == 1)
            with pytest.raises(fs.Overloaded, match=r"limits\.puts_max"):
                wire.send(served.uri, [ROWS], wire.commit(1))
        until(lambda: _used(served)["puts"] == 0)
        assert wire.send(served.uri, [ROWS], wire.commit(1)).rows == 1


def test_rows_of_all_open_puts_share_gather_bytes_max(tmp_path: Path) -> None:
    rows = candles([NOON_2024 + n * MINUTE for n in range(1_000)])
    with limited(tmp_path, EdgeLimits(gather_bytes_max=100_000)) as served:
        with OpenPut(served.uri) as first:
            first.send(rows)
            until(lambda: _used(served)["gather_bytes"] > rows.nbytes)
            with pytest.raises(fs.Overloaded, match=r"limits\.gather_bytes_max"):
                wire.send(served.uri, [rows], wire.commit(1_000))
            assert first.commit(1_000).rows == 1_000
        again = wire.commit(1_000, put_id=2)
        assert wire.send(served.uri, [rows], again).rows == 1_000
        assert _used(served)["gather_bytes"] == 0


def test_a_put_that_sends_nothing_more_is_given_up_and_told_so(tmp_path: Path) -> None:
    with limited(tmp_path, EdgeLimits(put_idle_seconds=0.001)) as served:
        gathering = served.service.admission.gathering
        with OpenPut(served.uri) as stalled:
            stalled.send(ROWS)
            until(lambda: gathering.bytes > 0)

            def given_up() -> bool:
                gathering.give_up_idle()
                return gathering.bytes == 0

            until(given_up)
            with pytest.raises(fs.Overloaded, match=r"limits\.put_idle_seconds"):
                stalled.commit(1)
        assert wire.send(served.uri, [ROWS], wire.commit(1)).duplicates == 0


def _many(served: Serving) -> bytes:
    """A ticket for a read that does not end before its client reads it."""
    rows = candles([NOON_2024 + n * MINUTE for n in range(MANY)])
    served.db.write(BTC, rows, timeframe="1m")
    read = pb.ReadRequest(dataset="candles", instruments=[BTC], timeframe="1m")
    return pb.Ticket(read=read).SerializeToString()


def test_one_read_more_than_streams_max_is_refused_until_another_ends(tmp_path: Path) -> None:
    with limited(tmp_path, EdgeLimits(streams_max=1)) as served:
        ticket = flight.Ticket(_many(served))
        with flight.FlightClient(served.uri) as client:
            reader = client.do_get(ticket)
            reader.read_chunk()
            with pytest.raises(fs.Overloaded, match=r"limits\.streams_max"):
                served.db.candles(BTC, "1m", limit=1)
            reader.cancel()
            until(lambda: _used(served)["streams"] == 0)
        assert served.db.candles(BTC, "1m", limit=1, output="arrow").num_rows == 1


def test_a_read_that_fails_gives_its_place_back(tmp_path: Path) -> None:
    with limited(tmp_path, EdgeLimits(streams_max=1)) as served:
        for _ in range(3):
            with pytest.raises(fs.UnknownInstrument):
                served.db.candles(BTC, "1m")
        assert _used(served)["streams"] == 0


def test_at_the_ceiling_of_memory_new_work_is_refused_and_status_answers(tmp_path: Path) -> None:
    with limited(tmp_path, EdgeLimits()) as served:
        served.db.write(BTC, ROWS, timeframe="1m")
        admission = served.service.admission
        admission.memory_bytes = admission.memory_bytes_max + 1
        for work in (
            lambda: wire.send(served.uri, [ROWS], wire.commit(1)),
            lambda: served.db.candles(BTC, "1m"),
            lambda: served.db.sql("SELECT count(*) FROM candles"),
            lambda: next(iter(served.db.live(BTC, "1m"))),
        ):
            with pytest.raises(fs.Overloaded, match=r"limits\.memory_bytes_max"):
                work()
        assert served.db.status().counters["memory_bytes"] > 0
        admission.memory_bytes = 0
        assert served.db.candles(BTC, "1m", output="arrow").num_rows == 1


def test_an_answer_of_more_than_result_bytes_max_ends_with_an_error(tmp_path: Path) -> None:
    store = Store(open_root(tmp_path / "data"), Limits(), upkeep_thread=False)
    service = bind(store, "127.0.0.1", 0, sql=SqlLimits(result_bytes_max=1_000_000))
    try:
        with fs.connect(f"grpc://127.0.0.1:{service.port}", same_host=False) as db:
            assert db.sql("SELECT range FROM range(1000)", output="arrow").num_rows == 1_000
            with pytest.raises(fs.Overloaded, match="result_bytes_max"):
                db.sql("SELECT range FROM range(1000000)")
    finally:
        service.shutdown()
        store.close()


def test_one_series_more_than_series_max_is_refused_and_known_ones_are_written(
    tmp_path: Path,
) -> None:
    with limited(tmp_path, EdgeLimits(), Limits(series_max=1)) as served:
        served.db.write(BTC, ROWS, timeframe="1m")
        with pytest.raises(fs.Overloaded, match=r"limits\.series_max"):
            served.db.write(ETH, ROWS, timeframe="1m")
        served.db.write(BTC, candles([NOON_2024 + MINUTE]), timeframe="1m")


def test_a_dataset_cannot_be_widened_beyond_what_it_may_have(tmp_path: Path) -> None:
    ts = ROWS.schema.field(0)

    def rows(names: range) -> pa.RecordBatch:
        columns = [pa.array([1], pa.int8()) for _ in names]
        schema = pa.schema([ts, *((f"c{n}", pa.int8()) for n in names)])
        return pa.RecordBatch.from_arrays([ROWS.column(0), *columns], schema=schema)

    with limited(tmp_path, EdgeLimits()) as served:
        served.db.write(BTC, rows(range(600)), dataset="mine")
        with pytest.raises(fs.SchemaMismatch, match="1024 are the most"):
            served.db.write(BTC, rows(range(600, 1_100)), dataset="mine")


def test_status_shows_every_limit_with_what_is_used_of_it(tmp_path: Path) -> None:
    with limited(tmp_path, EdgeLimits()) as served:
        status = served.db.status()
        every = {f.name for kind in (Limits, EdgeLimits) for f in fields(kind)}
        assert every | {f"sql_{f.name}" for f in fields(SqlLimits)} <= set(status.limits)
        held = {"puts", "gather_bytes", "streams", "subscribers", "series", "memory_bytes"}
        held |= {"memtable_bytes", "segment_maps", "sql_queries"}
        assert held <= set(status.counters)
        assert {f"{name}_max" for name in held} <= set(status.limits)
        assert status.limits["memory_bytes_max"] > 0


def test_a_subscriber_is_counted_while_it_is_there(tmp_path: Path) -> None:
    with limited(tmp_path, EdgeLimits()) as served:
        served.db.write(BTC, ROWS, timeframe="1m")
        with served.db.live(BTC, "1m", start=0) as live:
            next(iter(live))
            assert _used(served)["subscribers"] == 1
        until(lambda: _used(served)["subscribers"] == 0)
