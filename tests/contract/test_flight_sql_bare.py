"""Flight SQL by hand: a client that prepares nothing, and bytes that no client would send."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from pyarrow import flight
from tests.support import wire
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.seeds import generator, scaled
from tests.support.serving import Serving

from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.flight.flight_sql.commands import command, command_of
from flightstore_server.flight.flight_sql.metadata import METADATA
from flightstore_server.flight.flight_sql.statement import Statement
from flightstore_server.flight.lifecycle import bind
from flightstore_server.sql.limits import SqlLimits

BTC = "binance:BTC/USDT"
ROWS = 120
NEVER_ENDING = "select count(*) from range(10000000) a, range(10000000) b"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    served = Serving(tmp_path_factory.mktemp("bare") / "data")
    served.db.write(BTC, candles([NOON_2024 + i * MINUTE for i in range(ROWS)]), timeframe="1m")
    yield served
    served.close()


@pytest.fixture
def client(serving: Serving) -> Iterator[flight.FlightClient]:
    with flight.FlightClient(serving.uri) as opened:
        yield opened


def _descriptor(name: str, *fields: tuple[int, int | bytes | str]) -> flight.FlightDescriptor:
    return flight.FlightDescriptor.for_command(command(name, *fields))


def _query(text: str) -> flight.FlightDescriptor:
    return _descriptor("CommandStatementQuery", (1, text))


def _fetched(client: flight.FlightClient, asked: flight.FlightDescriptor) -> pa.Table:
    [endpoint] = client.get_flight_info(asked, wire.SECONDS).endpoints
    return client.do_get(endpoint.ticket, wire.SECONDS).read_all()


def test_a_statement_needs_no_preparation(client: flight.FlightClient) -> None:
    rows = _fetched(client, _query("select min(ts) as first, count(*) as n from candles"))
    assert rows.schema == pa.schema({"first": pa.timestamp("ns", "UTC"), "n": pa.int64()})
    assert rows.column("n").to_pylist() == [ROWS]


def test_a_statement_that_cannot_be_run_is_refused_before_it_is_fetched(
    client: flight.FlightClient,
) -> None:
    with pytest.raises(pa.ArrowKeyError, match="nothing_here"):
        client.get_flight_info(_query("select * from nothing_here"), wire.SECONDS)


def test_the_schema_is_that_of_the_rows(client: flight.FlightClient) -> None:
    asked = _query("select * from candles")
    assert client.get_schema(asked, wire.SECONDS).schema == _fetched(client, asked).schema


@pytest.mark.parametrize("name", METADATA)
def test_what_is_told_of_the_server_has_the_schema_that_was_foretold(
    client: flight.FlightClient, name: str
) -> None:
    asked = _descriptor(name)
    foretold = client.get_flight_info(asked, wire.SECONDS).schema
    rows = _fetched(client, asked)
    assert foretold == rows.schema == client.get_schema(asked, wire.SECONDS).schema


def test_grafana_finds_the_tables_under_the_types_it_asks_for(client: flight.FlightClient) -> None:
    rows = _fetched(client, _descriptor("CommandGetTables", (4, "BASE TABLE"), (4, "table")))
    assert rows.column("table_name").to_pylist() == ["candles", "trades"]


def test_grafana_gets_the_time_buckets_it_writes(client: flight.FlightClient) -> None:
    bucket = "date_bin(interval '3600 second', ts, timestamp '1970-01-01T00:00:00Z')"
    rows = _fetched(
        client, _query(f"select {bucket} as time, count(*) as n from candles group by 1")
    )
    assert rows.schema.field("time").type == pa.timestamp("ns", "UTC")
    assert rows.column("n").to_pylist() == [60, 60]


def test_batches_fit_the_smallest_limit_that_clients_have(serving: Serving) -> None:
    """Go's gRPC takes messages of 4 MiB, and Grafana's plug-in leaves it at that."""
    query = "select a.ts, b.ts as other, a.close from candles a, candles b, range(30)"
    with flight.FlightClient(serving.uri) as client:
        [endpoint] = client.get_flight_info(_query(query), wire.SECONDS).endpoints
        sizes = [chunk.data.nbytes for chunk in client.do_get(endpoint.ticket, wire.SECONDS)]
    assert sum(sizes) > 8 * 2**20
    assert max(sizes) < 4 * 2**20 - 4096


def test_the_actions_are_listed(client: flight.FlightClient) -> None:
    listed = {action.type for action in client.list_actions(wire.SECONDS)}
    assert {"CreatePreparedStatement", "ClosePreparedStatement", "CloseSession"} <= listed


def test_a_prepared_statement_holds_nothing_that_closing_could_free(
    client: flight.FlightClient,
) -> None:
    body = command("ActionCreatePreparedStatementRequest", (1, "select 7 as n"))
    [result] = client.do_action(flight.Action("CreatePreparedStatement", body), wire.SECONDS)
    handle = command_of(result.body.to_pybytes()).body.data(1)
    closing = command("ActionClosePreparedStatementRequest", (1, handle))
    list(client.do_action(flight.Action("ClosePreparedStatement", closing), wire.SECONDS))
    rows = _fetched(client, _descriptor("CommandPreparedStatementQuery", (1, handle)))
    assert rows.to_pydict() == {"n": [7]}


def test_a_read_and_its_descriptor_are_not_taken_for_sql(client: flight.FlightClient) -> None:
    read = pb.ReadRequest(dataset="candles", instruments=[BTC], timeframe="1m")
    descriptor = flight.FlightDescriptor.for_command(read.SerializeToString())
    assert _fetched(client, descriptor).num_rows == ROWS


@pytest.fixture
def one_at_a_time(serving: Serving) -> Iterator[str]:
    """A server's address that answers one query at a time: a second one waits for the first."""
    service = bind(serving.store, "127.0.0.1", 0, sql=SqlLimits(queries_max=1, seconds_max=60))
    yield f"grpc://127.0.0.1:{service.port}"
    service.shutdown()


def _has_its_turn(uri: str) -> bool:
    with flight.FlightClient(uri) as client:
        return _fetched(client, _query("select 1 as n")).to_pydict() == {"n": [1]}


def test_a_query_that_nobody_waits_for_any_more_gives_its_turn_to_the_next(
    one_at_a_time: str,
) -> None:
    with flight.FlightClient(one_at_a_time) as client:
        [endpoint] = client.get_flight_info(_query(NEVER_ENDING), wire.SECONDS).endpoints
        with pytest.raises(flight.FlightTimedOutError):
            client.do_get(endpoint.ticket, flight.FlightCallOptions(timeout=0.3)).read_all()
    assert _has_its_turn(one_at_a_time)


def test_an_answer_that_is_left_half_way_gives_its_turn_to_the_next(one_at_a_time: str) -> None:
    endless = "select a.close from candles a, candles b, candles c, candles d"
    with flight.FlightClient(one_at_a_time) as client:
        [endpoint] = client.get_flight_info(_query(endless), wire.SECONDS).endpoints
        reader = client.do_get(endpoint.ticket, wire.SECONDS)
        assert reader.read_chunk().data.num_rows > 0
        reader.cancel()
        del reader
    assert _has_its_turn(one_at_a_time)


@pytest.mark.parametrize(
    "read",
    [
        pb.ReadRequest(dataset="candels", instruments=[BTC], timeframe="1m"),
        pb.ReadRequest(dataset="candles", instruments=[BTC], timeframe="1m", snapshot="none"),
        pb.ReadRequest(dataset="candles", instruments=[BTC], timeframe="one minute"),
    ],
    ids=["unknown", "snapshot", "bad"],
)
def test_the_schema_of_a_read_is_refused_without_a_traceback(
    client: flight.FlightClient, read: pb.ReadRequest
) -> None:
    asked = flight.FlightDescriptor.for_command(read.SerializeToString())
    with pytest.raises((pa.ArrowException, flight.FlightError)) as raised:
        client.get_schema(asked, wire.SECONDS)
    assert not any(trace in str(raised.value) for trace in ("Traceback", ".py", "File "))


def _info(client: flight.FlightClient, data: bytes) -> None:
    client.get_flight_info(flight.FlightDescriptor.for_command(data), wire.SECONDS)


def _schema(client: flight.FlightClient, data: bytes) -> None:
    client.get_schema(flight.FlightDescriptor.for_command(data), wire.SECONDS)


def _get(client: flight.FlightClient, data: bytes) -> None:
    client.do_get(flight.Ticket(data), wire.SECONDS).read_all()


def test_parameters_that_are_not_what_they_say_are_refused(client: flight.FlightClient) -> None:
    offsets = pa.py_buffer((0).to_bytes(4, "little") + (1).to_bytes(4, "little"))
    broken = pa.Array.from_buffers(pa.utf8(), 1, [None, offsets, pa.py_buffer(b"\xff")])
    row = pa.RecordBatch.from_arrays([broken], names=["0"])
    handle = (1, Statement("select ?").handle())
    with pytest.raises(pa.ArrowInvalid, match="not Arrow data of one row"):
        _bind(client, _descriptor("CommandPreparedStatementQuery", handle), row)


def _prepare(client: flight.FlightClient, data: bytes) -> None:
    list(client.do_action(flight.Action("CreatePreparedStatement", data), wire.SECONDS))


def _put(client: flight.FlightClient, data: bytes) -> None:
    _bind(client, flight.FlightDescriptor.for_command(data), pa.record_batch({"0": [1]}))


def _bind(
    client: flight.FlightClient, descriptor: flight.FlightDescriptor, row: pa.RecordBatch
) -> None:
    writer, answers = client.do_put(descriptor, row.schema, wire.SECONDS)
    with writer:
        writer.write_batch(row)
        writer.done_writing()
        answers.read()


CALLS: dict[str, Callable[[flight.FlightClient, bytes], None]] = {
    "GetFlightInfo": _info,
    "GetSchema": _schema,
    "DoGet": _get,
    "DoAction": _prepare,
    "DoPut": _put,
}
# What a caller may be told; none of them is the server's fault.
TOLD = (pa.ArrowInvalid, pa.ArrowKeyError, NotImplementedError, flight.FlightServerError)


def _genuine() -> list[bytes]:
    query = (1, "select 1")
    asked = [command(name, (1, "a"), (2, "b%"), (4, "table"), (5, 1)) for name in METADATA]
    handle = command_of(command("X", query)).body.data(1)
    return [
        *asked,
        command("CommandStatementQuery", query),
        command("CommandPreparedStatementQuery", (1, b"\n\x08select 1")),
        command("TicketStatementQuery", (1, b"\n\x08select 1\x12\x04ARRO")),
        command("ActionCreatePreparedStatementRequest", query),
        command("CommandStatementUpdate", query),
        command("CommandStatementIngest", (3, handle)),
    ]


@pytest.mark.parametrize("call", CALLS)
def test_changed_bytes_are_the_callers_fault_and_tell_nothing_of_the_server(
    serving: Serving, client: flight.FlightClient, call: str, request: pytest.FixtureRequest
) -> None:
    rng, genuine = generator(f"flight sql {call}"), _genuine()
    for _ in range(scaled(request.config, ci=120, nightly=20_000)):
        data = bytearray(rng.choice(genuine))
        for _ in range(rng.randrange(3)):
            data[rng.randrange(40, len(data))] = rng.randrange(256)
        data = data[: rng.randrange(45, len(data) + 1)]
        try:
            CALLS[call](client, bytes(data))
        except TOLD as error:
            assert not any(trace in str(error) for trace in ("Traceback", ".py", "unexpected"))
    assert serving.db.health().ready
