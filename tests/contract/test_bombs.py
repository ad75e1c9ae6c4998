"""Messages made to fill the server's memory: it lives, says no, and others do not notice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import flight
from tests.support import wire
from tests.support.replicating import until
from tests.support.rows import NOON_2024, candles
from tests.support.server_process import ServerProcess, toml

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.flight.limits.gathering import held_bytes

BTC = "binance:BTC/USDT"
MIB = 1 << 20
GIB = 1 << 30
CEILING = 1200 * MIB
# What a process keeps of what it once used.
SLACK = 96 * MIB


def free_memory() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    found = {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in lines)}
    return found["MemAvailable"] * 1024


def _memory_of(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    facts = dict(line.split(":", 1) for line in lines)
    return {name: int(facts[name].split()[0]) * 1024 for name in ("RssAnon", "VmHWM")}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a ceiling, which holds one row."""
    config = toml({"limits": {"memory_bytes_max": CEILING, "message_bytes_max": 128 * MIB}})
    started = ServerProcess(tmp_path_factory.mktemp("bombs") / "data", config)
    started.start()
    try:
        with fs.connect(started.uri, same_host=False) as db:
            db.write(BTC, candles([NOON_2024]), timeframe="1m")
        yield started
    finally:
        started.kill()


@pytest.fixture
def bombed(server: ServerProcess) -> Iterator[ServerProcess]:
    """The server; afterwards it must be the same process, serve its row and hold what it held."""
    pid, before = server.pid, _memory_of(server.pid)["RssAnon"]
    yield server
    with fs.connect(server.uri, same_host=False) as db:
        assert db.candles(BTC, "1m", output="arrow").num_rows == 1, server.log()
    assert server.pid == pid
    until(
        lambda: _memory_of(pid)["RssAnon"] < before + SLACK,
        lambda: f"{_memory_of(pid)} where {before} were held before",
    )


def _huge(rows: int, columns: int = 6) -> pa.RecordBatch:
    """Zeros in the first columns of candles; pages that are never written take no memory here."""
    schema = pa.schema(list(candles([NOON_2024]).schema)[:columns])
    nothing = pa.py_buffer(np.zeros(rows, np.int64))
    columns = [pa.Array.from_buffers(field.type, rows, [None, nothing]) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _put(uri: str, batch: pa.RecordBatch, compression: str | None = None) -> None:
    dataset = "candles" if batch.num_columns == 6 else "mine"
    command = pb.WriteRequest(dataset=dataset, protocol=1).SerializeToString()
    options = flight.FlightCallOptions(
        timeout=60, write_options=pa.ipc.IpcWriteOptions(compression=compression)
    )
    descriptor = flight.FlightDescriptor.for_command(command)
    with flight.FlightClient(uri) as client:
        writer, _ = client.do_put(descriptor, batch.schema, options)
        try:
            writer.write_batch(batch)
            writer.done_writing()
        finally:
            writer.close()


def _refusal(uri: str, batch: pa.RecordBatch, compression: str | None = None) -> str:
    """What the server says to a put that it refuses because of a limit."""
    with pytest.raises(flight.FlightError) as caught:
        _put(uri, batch, compression)
    error = wire.told(caught.value)
    assert isinstance(error, fs.Overloaded)
    return error.message


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_small_batch_that_would_be_gigabytes_is_refused_and_takes_no_memory(
    bombed: ServerProcess, compression: str
) -> None:
    assert "smaller batches" in _refusal(bombed.uri, _huge(144 * MIB, columns=2), compression)
    assert _memory_of(bombed.pid)["VmHWM"] < CEILING


def test_what_a_batch_took_when_it_was_decompressed_is_given_back(bombed: ServerProcess) -> None:
    # Threads of Arrow decompress, and what they had asked for stayed theirs for as long as nothing
    # else was decompressed: 900 MB, for a batch that had been refused.
    assert "put_bytes_max" in _refusal(bombed.uri, _huge(384 * MIB // 16, columns=2), "zstd")


def test_a_batch_of_a_gibibyte_is_cut_off_while_it_comes(bombed: ServerProcess) -> None:
    if free_memory() < 4 * GIB:
        pytest.skip(f"NO MEMORY: 4 GiB are needed, and {free_memory() / GIB:.1f} are free")
    # No handler has seen the message, so nobody can say more to its sender than good-bye.
    with pytest.raises(flight.FlightError):
        _put(bombed.uri, _huge(GIB // 8 // 6))
    assert "message_bytes_max" in bombed.log()
    assert _memory_of(bombed.pid)["VmHWM"] < CEILING


def test_a_put_that_is_too_large_and_not_cut_off_is_told_so(bombed: ServerProcess) -> None:
    assert "put_bytes_max" in _refusal(bombed.uri, _huge(96 * MIB // 8 // 6))


def test_others_are_served_while_one_sends_too_much(bombed: ServerProcess) -> None:
    sender = threading.Thread(target=_put_in_vain, args=(bombed.uri,))
    sender.start()
    served = 0
    with fs.connect(bombed.uri, same_host=False) as db:
        while sender.is_alive() or not served:
            assert db.candles(BTC, "1m", output="arrow").num_rows == 1
            served += 1
    sender.join()


def _put_in_vain(uri: str) -> None:
    with suppress(flight.FlightError):
        _put(uri, _huge(512 * MIB // 8 // 6))


COLUMNS = 200_000


def _wide() -> pa.Schema:
    return pa.schema([candles([]).schema.field(0), *((f"c{n}", pa.int8()) for n in range(COLUMNS))])


def _deep() -> pa.Schema:
    kind = pa.int8()
    for _ in range(5_000):
        kind = pa.list_(kind)
    return pa.schema([candles([]).schema.field(0), ("deep", kind)])


@pytest.mark.parametrize("schema", [_wide, _deep])
def test_a_schema_that_is_too_wide_or_too_deep_is_refused(
    bombed: ServerProcess, schema: Callable[[], pa.Schema]
) -> None:
    command = pb.WriteRequest(dataset="mine", protocol=1).SerializeToString()
    descriptor = flight.FlightDescriptor.for_command(command)
    with pytest.raises(flight.FlightError), flight.FlightClient(bombed.uri) as client:
        writer, acks = client.do_put(descriptor, schema(), wire.SECONDS)
        try:
            acks.read()
        finally:
            writer.close()


REQUEST = bytes(16 * MIB)
CALLS: dict[str, Callable[[str], object]] = {
    "a ticket": lambda uri: wire.get(uri, REQUEST),
    "an action": lambda uri: wire.act(uri, "coverage", REQUEST),
    "a commit": lambda uri: wire.send(uri, [candles([NOON_2024])], REQUEST),
    "a descriptor": lambda uri: _info(uri, REQUEST),
    "criteria": lambda uri: _list(uri, REQUEST),
}


def _info(uri: str, data: bytes) -> None:
    with wire.bare(uri) as client:
        client.get_flight_info(flight.FlightDescriptor.for_command(data), wire.SECONDS)


def _list(uri: str, data: bytes) -> None:
    with wire.bare(uri) as client:
        list(client.list_flights(data, wire.SECONDS))


@pytest.mark.parametrize("call", CALLS)
def test_a_request_that_is_too_large_to_parse_is_refused(bombed: ServerProcess, call: str) -> None:
    with pytest.raises(fs.BadRequest, match="request_bytes_max"):
        CALLS[call](bombed.uri)


def test_a_header_that_is_too_large_is_refused(bombed: ServerProcess) -> None:
    options = flight.FlightCallOptions(timeout=30, headers=[(b"x-large", b"a" * MIB)])
    with pytest.raises(pa.ArrowException), flight.FlightClient(bombed.uri) as client:
        list(client.do_action(flight.Action("health", b""), options))


def test_rows_that_keep_a_large_message_in_memory_count_as_what_they_keep() -> None:
    body = _huge(MIB).slice(0, 1)
    assert body.nbytes < 100
    assert held_bytes(body) >= MIB
