"""What is asked of the server before the first window: stretches of rows, and columns."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from flightstore._connection import Connection
from flightstore._reading import identity, warn_of
from flightstore._requests import message
from flightstore._windows.mapped import Mapped
from flightstore._windows.order import Order
from flightstore._windows.places import Places, Stretches
from flightstore._windows.streamed import Streamed
from flightstore._windows.values import is_numeric
from flightstore._windows.windows import Windows
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadRequest, FlightstoreError


def windows(
    connection: Connection,
    asked: pb.ReadRequest,
    *,
    length: int,
    stride: int,
    contiguous: bool,
    shuffle: bool,
    seed: int,
    shard: tuple[int, int],
    batch: int | None,
    torch: bool,
) -> Windows:
    """Windows of the rows that `asked` names; see `Client.windows`."""
    found = _stretches(connection, asked, length, contiguous=contiguous)
    places = Places(found, length, stride)
    if not places.total:
        raise BadRequest(f"There is no window of {length} rows: no series has so many in a row.")
    wanted = pb.WindowsRequest(
        dataset=asked.dataset,
        timeframe=asked.timeframe,
        snapshot=asked.snapshot,
        length=length,
        columns=asked.columns,
    )
    columns = _columns(connection, wanted, found.instruments[0])
    del asked.instruments[:]
    for request in (asked, wanted):
        request.columns[:] = columns
    streamed = Streamed(connection, wanted, found)
    return Windows(
        Mapped(connection, asked, found, length, streamed),
        places,
        Order(places.total, shuffle, seed, shard),
        columns=tuple(columns),
        length=length,
        batch=batch,
        torch=torch,
    )


def _stretches(
    connection: Connection, asked: pb.ReadRequest, length: int, *, contiguous: bool
) -> Stretches:
    """What windows can be cut out of. Series that cannot be served are warned of.

    Raises the error of the first one if none can be.
    """
    request = message(
        pb.StretchesRequest,
        dataset=asked.dataset,
        instruments=asked.instruments,
        timeframe=asked.timeframe,
        range=asked.range,
        snapshot=asked.snapshot,
        length=length,
        contiguous=contiguous,
    )
    ticket = pb.Ticket(stretches=request).SerializeToString()
    names, table, problems = connection.retrying(lambda: _answer(connection, ticket))
    if problems and not table.num_rows:
        raise next(iter(problems.values()))
    warn_of(problems)
    columns = [table.column(name).cast(pa.int64()).to_numpy() for name in table.column_names]
    return Stretches(names, *columns)


def _answer(
    connection: Connection, ticket: bytes
) -> tuple[list[str], pa.Table, dict[str, FlightstoreError]]:
    stream = connection.open_read(ticket)
    runs, problems = identity(stream.schema)
    batches = [batch for batch, _ in stream if batch is not None]
    return list(runs.instruments), pa.Table.from_batches(batches, stream.schema), problems


def _columns(connection: Connection, wanted: pb.WindowsRequest, instrument: str) -> Sequence[str]:
    """The columns of such windows: those named, or all that are numbers.

    Raises UnknownColumn, or BadRequest for a column of text that was named.
    """
    request = pb.WindowsRequest(instruments=[instrument])
    request.MergeFrom(wanted)
    ticket = pb.Ticket(windows=request).SerializeToString()
    schema = connection.retrying(lambda: connection.open_read(ticket).schema)
    text = [field.name for field in schema if not is_numeric(field.type)]
    if text and wanted.columns:
        raise BadRequest(f"Windows hold numbers, and column {text[0]!r} is text: leave it out.")
    if len(text) == len(schema):
        raise BadRequest(f"No column of {wanted.dataset} is a number, and windows hold numbers.")
    return [name for name in schema.names if name not in text]
