"""Answers that say where rows lie: what a client makes of good and of bad ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import flightstore as fs
from flightstore._local import same_host
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import CANDLES, LOCAL_KEY, SERIES_KEY

ROWS = 100


@pytest.fixture
def table(fake: Any) -> pa.Table:
    return fake.candles(ROWS)


@pytest.fixture
def places(tmp_path: Path, table: pa.Table) -> pb.LocalRows:
    """The rows of `table` as one batch of a file."""
    path = tmp_path / "segment.arrow"
    [batch] = table.to_batches()
    message = batch.serialize().to_pybytes()
    path.write_bytes(b"head" * 2 + message)
    found = path.stat()
    return pb.LocalRows(
        schema=CANDLES.serialize().to_pybytes(),
        files=[
            pb.LocalFile(
                path=str(path),
                device=found.st_dev,
                inode=found.st_ino,
                size=found.st_size,
                columns=len(CANDLES),
            )
        ],
        parts=[pb.LocalPart(rows=ROWS, file=0, offset=8, size=len(message))],
    )


@pytest.fixture
def answered(server: Any, fake: Any, table: pa.Table, places: pb.LocalRows) -> list[pa.RecordBatch]:
    """The server says `places` to who asks for them, and sends what is put into this list."""
    sent: list[pa.RecordBatch] = []

    def read(ticket: pb.Ticket) -> Any:
        whole = fake.stream.plain(table)
        if not ticket.read.boot_id:
            return whole
        series = whole.schema.metadata[SERIES_KEY]
        metadata = {SERIES_KEY: series, LOCAL_KEY: places.SerializeToString()}
        return fake.stream(table.schema.with_metadata(metadata), [(b, None) for b in sent])

    server.script.read = read
    return sent


@pytest.fixture
def mapping(server: Any, answered: object) -> Iterator[fs.Client]:
    with fs.connect(server.uri, same_host=True) as client:
        yield client


def _read(client: fs.Client) -> pa.Table:
    return client.candles("x:Y", "1m", output="arrow")


def test_rows_are_read_where_they_lie(mapping: fs.Client, server: Any, table: pa.Table) -> None:
    assert _read(mapping).equals(table)
    assert [ticket.read.boot_id for ticket in server.tickets] == [same_host.boot_id()]


def test_parts_are_slices_in_any_order_and_rows_of_the_stream_come_between_them(
    mapping: fs.Client, table: pa.Table, places: pb.LocalRows, answered: list[pa.RecordBatch]
) -> None:
    [whole] = places.parts
    answered += table.slice(10, 7).to_batches() + table.slice(50, 5).to_batches()
    del places.parts[:]
    for first, rows, in_file in ((90, 10, True), (10, 9, False), (0, 5, True), (52, 3, False)):
        part = places.parts.add(rows=rows)
        if in_file:
            part.file, part.offset, part.size, part.first = 0, whole.offset, whole.size, first
    expected = [(90, 10), (10, 7), (50, 2), (0, 5), (52, 3)]
    assert _read(mapping).equals(pa.concat_tables(table.slice(*part) for part in expected))


def test_rows_that_the_stream_does_not_have_are_an_error(
    mapping: fs.Client, places: pb.LocalRows
) -> None:
    places.parts.add(rows=3)
    with pytest.raises(fs.InternalError, match="fewer rows than it said"):
        _read(mapping)


def test_bytes_that_are_no_batch_any_more_are_an_error_that_names_the_file(
    mapping: fs.Client, places: pb.LocalRows
) -> None:
    with Path(places.files[0].path).open("r+b") as file:
        file.seek(8)
        file.write(b"\0" * 64)
    with pytest.raises(fs.Corrupt, match=r"segment\.arrow has changed at offset 8"):
        _read(mapping)


def _behind_the_end(places: pb.LocalRows) -> None:
    places.parts[0].size += 1


def _of_no_file(places: pb.LocalRows) -> None:
    places.parts[0].file = 1


@pytest.mark.parametrize("said", [_behind_the_end, _of_no_file])
def test_places_outside_of_the_files_are_not_looked_at(
    mapping: fs.Client, table: pa.Table, places: pb.LocalRows, said: Callable[[pb.LocalRows], None]
) -> None:
    said(places)
    assert _read(mapping).equals(table)
    expected = "streamed: the server named a place outside of its files"
    assert mapping._connection.same_host.described(same_host.boot_id()) == expected


def test_what_is_no_read_of_rows_says_nothing_of_this_machine(
    mapping: fs.Client, server: Any
) -> None:
    mapping.gaps("x:Y", "1m")
    mapping.series("x:Y", output="arrow")
    assert [ticket.WhichOneof("request") for ticket in server.tickets] == ["gaps", "catalog"]


def test_a_system_without_boot_ids_has_everything_sent(
    server: Any, answered: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(path: Path) -> str:
        raise FileNotFoundError(2, "No such file", str(path))

    same_host.boot_id.cache_clear()
    monkeypatch.setattr(same_host.Path, "read_text", absent)
    try:
        with fs.connect(server.uri, same_host=True) as client:
            assert _read(client).num_rows == ROWS
            assert [ticket.read.boot_id for ticket in server.tickets] == [""]
            assert "does not tell machines apart" in client._connection.same_host.described("x")
    finally:
        same_host.boot_id.cache_clear()


def test_a_server_that_does_not_say_where_it_runs_is_not_called_another_machine(
    mapping: fs.Client, server: Any
) -> None:
    server.script.actions["status"] = lambda _: [pb.Status(version="1")]
    expected = "streamed: the server does not say what machine it runs on"
    assert mapping.status().same_host == expected
