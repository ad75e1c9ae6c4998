"""Bytes on the wire as no client of ours would send them: bare Flight calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
from pyarrow import flight

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BY_CODE, FlightstoreError

SECONDS = flight.FlightCallOptions(timeout=30)


@contextmanager
def bare(uri: str) -> Iterator[flight.FlightClient]:
    """A Flight client whose errors are ours, if the server said what is wrong."""
    with flight.FlightClient(uri) as client:
        try:
            yield client
        except flight.FlightError as error:
            raise told(error) from None


def told(error: flight.FlightError) -> FlightstoreError:
    """The error that the server described; fails if it described none."""
    detail = pb.ErrorDetail.FromString(error.extra_info or b"")
    assert detail.code, f"the server gave no code: {error}"
    return BY_CODE[detail.code](detail.message, suggestions=tuple(detail.suggestions))


def send(
    uri: str,
    batches: Sequence[pa.RecordBatch],
    commit: pb.PutCommit | bytes | None,
    *,
    dataset: str = "candles",
    schema: pa.Schema | None = None,
) -> pb.WriteAck:
    """One put on a stream of its own; without a `commit` the stream just ends."""
    with bare(uri) as client:
        return put(client, batches, commit, dataset=dataset, schema=schema)


def put(
    client: flight.FlightClient,
    batches: Sequence[pa.RecordBatch],
    commit: pb.PutCommit | bytes | None,
    *,
    dataset: str = "candles",
    schema: pa.Schema | None = None,
) -> pb.WriteAck:
    """As send(), with a client that is there; its errors are Flight's."""
    command = pb.WriteRequest(dataset=dataset, protocol=1).SerializeToString()
    descriptor = flight.FlightDescriptor.for_command(command)
    writer, acks = client.do_put(descriptor, schema or batches[0].schema, SECONDS)
    try:
        for batch in batches:
            writer.write_batch(batch)
        if commit is not None:
            data = commit if isinstance(commit, bytes) else commit.SerializeToString()
            writer.write_metadata(pa.py_buffer(data))
        writer.done_writing()
        answer = acks.read()
    finally:
        writer.close()
    return pb.WriteAck() if answer is None else pb.WriteAck.FromString(answer.to_pybytes())


def commit(
    rows: int,
    *,
    instrument: str = "binance:BTC/USDT",
    timeframe: str = "1m",
    put_id: int = 1,
    series_rows: int | None = None,
) -> pb.PutCommit:
    """A commit of one series."""
    said = pb.SeriesPut(
        instrument=instrument,
        timeframe=timeframe,
        rows=rows if series_rows is None else series_rows,
    )
    return pb.PutCommit(put_id=put_id, rows=rows, series=[said])


def get(uri: str, ticket: bytes) -> pa.Table:
    with bare(uri) as client:
        return client.do_get(flight.Ticket(ticket), SECONDS).read_all()


def act(uri: str, name: str, body: bytes = b"") -> list[bytes]:
    with bare(uri) as client:
        results = client.do_action(flight.Action(name, body), SECONDS)
        return [result.body.to_pybytes() for result in results]
