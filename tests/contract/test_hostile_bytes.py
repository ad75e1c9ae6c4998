"""Bytes that mean nothing: every RPC refuses them as the caller's fault, and the server lives."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from pyarrow import flight
from tests.support import wire
from tests.support.rows import NOON_2024, candles
from tests.support.seeds import generator, scaled
from tests.support.serving import Serving

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb

BTC = "binance:BTC/USDT"
# Not `backup`: whatever directory the bytes happen to name, it would write there.
ACTIONS = ["coverage", "delete", "describe", "snapshot-create", "snapshot-drop"]


def _info(uri: str, data: bytes) -> None:
    with wire.bare(uri) as client:
        client.get_flight_info(flight.FlightDescriptor.for_command(data), wire.SECONDS)


def _list(uri: str, data: bytes) -> None:
    with wire.bare(uri) as client:
        list(client.list_flights(data, wire.SECONDS))


def _put_descriptor(uri: str, data: bytes) -> None:
    with wire.bare(uri) as client:
        descriptor = flight.FlightDescriptor.for_command(data)
        writer, _ = client.do_put(descriptor, candles([]).schema, wire.SECONDS)
        writer.close()


def _put_commit(uri: str, data: bytes) -> None:
    wire.send(uri, [candles([NOON_2024])], data)


CALLS: dict[str, Callable[[str, bytes], object]] = {
    "do_get": wire.get,
    "get_flight_info": _info,
    "list_flights": _list,
    "do_put descriptor": _put_descriptor,
    "do_put commit": _put_commit,
    **{
        f"do_action {name}": lambda uri, data, name=name: wire.act(uri, name, data)
        for name in ACTIONS
    },
}


def _mutated(genuine: bytes, rng: random.Random) -> bytes:
    data = bytearray(genuine)
    for _ in range(rng.randrange(1, 4)):
        kind = rng.randrange(4)
        at = rng.randrange(len(data) + 1)
        if kind == 0:
            data[at:at] = rng.randbytes(rng.randrange(1, 5))
        elif kind == 1:
            del data[at : at + rng.randrange(1, 5)]
        elif data:
            data[at % len(data)] = rng.randrange(256)
    return bytes(data)


def _genuine() -> list[bytes]:
    span = pb.TimeRange(start=1, end=2)
    series = pb.Series(dataset="candles", instrument=BTC, timeframe="1m")
    read = pb.ReadRequest(
        dataset="candles",
        instruments=[BTC, "binance:*"],
        timeframe="1m",
        range=span,
        columns=["close"],
        limit=3,
        identity=pb.ReadRequest.IDENTITY_RUNS,
    )
    commit = wire.commit(1)
    commit.series[0].covers.add(start=1, end=2)
    messages = [
        read,
        pb.Ticket(read=read),
        pb.Ticket(catalog=pb.CatalogRequest(instruments=["*"])),
        pb.Ticket(gaps=pb.GapsRequest(series=series, range=span, confirmed=True)),
        pb.WriteRequest(dataset="candles", protocol=1),
        commit,
        pb.RangeRequest(series=series, range=span),
        pb.DeleteRequest(series=series, range=span),
        pb.DescribeRequest(series=series, metadata={"a": "b"}),
    ]
    return [m.SerializeToString() for m in messages]


@pytest.mark.parametrize("call", CALLS)
def test_random_bytes_are_the_callers_fault_and_never_the_servers(
    serving: Serving, call: str, request: pytest.FixtureRequest
) -> None:
    serving.db.write(BTC, candles([NOON_2024]), timeframe="1m")
    rng, genuine = generator(call), _genuine()
    for _ in range(scaled(request.config, ci=150, nightly=20_000)):
        data = rng.randbytes(rng.randrange(60)) if rng.random() < 0.3 else b""
        data = data or _mutated(rng.choice(genuine), rng)
        try:
            CALLS[call](serving.uri, data)
        except (fs.BadRequest, fs.MissingCoverage, fs.Overloaded):
            continue
        except fs.FlightstoreError as error:
            pytest.fail(f"{call} of {data!r} gave {type(error).__name__}: {error}")
    assert serving.db.health().ready


def test_a_ticket_of_unknown_bytes_is_a_bad_request(serving: Serving) -> None:
    for ticket in (b"\xff\xff\xff", b"", b"select * from candles"):
        with pytest.raises(fs.BadRequest, match="ticket"):
            wire.get(serving.uri, ticket)


def test_an_exchange_is_refused_without_a_traceback(serving: Serving) -> None:
    descriptor = flight.FlightDescriptor.for_path("a", "b")
    with pytest.raises(fs.UnknownAction, match="DoExchange"), wire.bare(serving.uri) as client:
        client.do_exchange(descriptor, wire.SECONDS)[1].read_chunk()


def test_the_schema_of_a_read_can_be_asked_for(serving: Serving) -> None:
    serving.db.write(BTC, candles([NOON_2024]), timeframe="1m")
    read = pb.ReadRequest(dataset="candles", instruments=[BTC], timeframe="1m")
    descriptor = flight.FlightDescriptor.for_command(read.SerializeToString())
    with wire.bare(serving.uri) as client:
        schema = client.get_schema(descriptor, wire.SECONDS).schema
    assert schema.remove_metadata() == candles([]).schema


def test_a_descriptor_that_is_a_path_is_refused(serving: Serving) -> None:
    with pytest.raises(fs.BadRequest), wire.bare(serving.uri) as client:
        descriptor = flight.FlightDescriptor.for_path("candles", BTC)
        client.get_flight_info(descriptor, wire.SECONDS)
