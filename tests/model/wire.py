"""A store of the test's process as its clients see it: served on the loopback, and asked there."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import flight
from tests.model.expected import time_of
from tests.support.wire import SECONDS, told

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.access.gate import Gate
from flightstore_server.engine.received import Put, SeriesRows
from flightstore_server.engine.state import Ack
from flightstore_server.engine.store import Store
from flightstore_server.flight.lifecycle import bind
from flightstore_server.flight.listener import Listener
from flightstore_server.flight.primary import FlightPrimary


class Wire:
    """Serves `store` from the first question on. The store itself is closed by others."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listener: Listener | None = None
        self._client: fs.Client | None = None
        self._bare: flight.FlightClient | None = None

    @property
    def uri(self) -> str:
        if self._listener is None:
            gate = Gate(self._store.files, replication_token=_TOKEN)
            self._listener = bind(self._store, "127.0.0.1", 0, gate=gate)
        return self._listener.uri

    def primary(self) -> FlightPrimary:
        """What a replica follows."""
        return FlightPrimary(self.uri, _TOKEN)

    @property
    def db(self) -> fs.Client:
        """Our own client."""
        if self._client is None:
            self._client = fs.connect(self.uri, same_host=False)
        return self._client

    def put(self, put: Put) -> Ack:
        """`put` as any client would send it, its id included."""
        if self._bare is None:
            self._bare = flight.FlightClient(self.uri)
        command = pb.WriteRequest(dataset=put.dataset, protocol=1).SerializeToString()
        descriptor = flight.FlightDescriptor.for_command(command)
        try:
            writer, acks = self._bare.do_put(descriptor, put.batches[0].schema, SECONDS)
            with writer:
                for batch in put.batches:
                    writer.write_batch(batch)
                writer.write_metadata(pa.py_buffer(_commit(put).SerializeToString()))
                writer.done_writing()
                answer = pb.WriteAck.FromString(acks.read().to_pybytes())
        except flight.FlightError as error:
            raise told(error) from None
        return Ack(answer.lsn, answer.rows, answer.duplicates, answer.put_id)

    def rows(
        self,
        dataset: str,
        instrument: str,
        timeframe: str,
        start: int | None = None,
        end: int | None = None,
        **asked: Any,
    ) -> pa.RecordBatch:
        """The rows of one series in [start, end), in ns and of whole seconds, as one batch."""
        words = (dataset, instrument, timeframe, time_of(start), time_of(end))
        return _one(self.db.read(*words, output="arrow", **asked))

    def newest(self, dataset: str, instrument: str, timeframe: str) -> pa.RecordBatch:
        """The last row of one series, without the words that name it."""
        table = self.db.latest(instrument, timeframe, dataset=dataset, output="arrow")
        return _one(table.drop_columns([c for c in _NAMING if c in table.column_names]))

    def count(self, dataset: str, instrument: str, timeframe: str, low: int, high: int) -> int:
        """How many rows of one series SQL counts in [low, high)."""
        exchange, _, symbol = instrument.partition(":")
        query = (
            f"select count(*) from {dataset} where exchange = '{exchange}' and symbol = '{symbol}' "
            f"and ts_ns >= {low} and ts_ns < {high}"
        )
        if timeframe:
            query += f" and timeframe = '{timeframe}'"
        [counted] = self.db.sql(query, output="arrow").column(0).to_pylist()
        return int(counted)

    def add_rule(self, rule: pb.Rule) -> None:
        options = {"offset": rule.offset} if rule.offset else {}
        self.db.rules.add(
            rule.on,
            list(rule.to),
            into=rule.into,
            timezone=rule.timezone,
            name=rule.name,
            **options,
        )

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._bare is not None:
            self._bare.close()
        if self._listener is not None:
            self._listener.shutdown()


_TOKEN = "replicas of model tests"
_NAMING = ("exchange", "symbol", "closed")


def _commit(put: Put) -> pb.PutCommit:
    rows = sum(batch.num_rows for batch in put.batches)
    return pb.PutCommit(put_id=put.put_id, rows=rows, series=map(_series, put.series))


def _series(said: SeriesRows) -> pb.SeriesPut:
    covers = [pb.TimeRange(start=low, end=high) for low, high in said.covers]
    return pb.SeriesPut(
        instrument=said.instrument, timeframe=said.timeframe, rows=said.rows, covers=covers
    )


def _one(table: pa.Table) -> pa.RecordBatch:
    """`table` as one batch, empty or not."""
    [batch] = table.combine_chunks().to_batches() or [
        pa.RecordBatch.from_pylist([], schema=table.schema)
    ]
    return batch
