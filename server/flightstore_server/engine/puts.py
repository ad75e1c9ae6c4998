"""Preparing a put: from rows on the wire to a log record, or to the reason why not.

Runs in the writer's own thread and changes nothing, so a bad put costs nobody else anything and
leaves no trace. What it makes is handed to the committer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import CommitMismatch, InvalidRows, Overloaded, SchemaMismatch
from flightstore_proto.instrument import check_dataset
from flightstore_server.engine.bulk import BulkWriter
from flightstore_server.engine.checks import Checks
from flightstore_server.engine.received import Put, SeriesRows
from flightstore_server.engine.reservations import Reservations, conform
from flightstore_server.engine.series import Dataset
from flightstore_server.engine.state import State
from flightstore_server.storage import packed
from flightstore_server.storage.catalog import DERIVED_IDS
from flightstore_server.storage.rows import are_sorted_and_distinct, merge


@dataclass(frozen=True, slots=True)
class PreparedPut:
    """A put that can be logged. `rows` are those of all runs, one after another."""

    message: pb.LogPut
    rows: pa.RecordBatch | None
    body: bytes


class Preparer:
    """Turns puts into log records; knows which names exist and which ids are free."""

    def __init__(
        self, state: State, reservations: Reservations, bulk: BulkWriter, *, series_max: int
    ) -> None:
        self._state = state
        self._checks = Checks(state)
        self._reservations = reservations
        self._bulk = bulk
        self._series_max = series_max

    def check_schema(self, dataset: str, schema: pa.Schema) -> None:
        """Raise SchemaMismatch if no put of `schema` can go to `dataset`; reads no row."""
        check_dataset(dataset)
        for f in schema:
            if pa.types.is_nested(f.type) or pa.types.is_dictionary(f.type):
                raise SchemaMismatch(
                    f"Column {f.name!r} has type {f.type}; only flat ones are kept."
                )
        self._dataset(dataset, schema, "", reserve=False)

    def prepare(self, put: Put) -> PreparedPut:
        """The log record of `put`. Raises a BadRequest that says what is wrong with it."""
        check_dataset(put.dataset)
        received = sum(batch.num_rows for batch in put.batches)
        if received != sum(s.rows for s in put.series):
            raise CommitMismatch(
                f"The commit speaks of {sum(s.rows for s in put.series)} rows and {received} came; "
                "nothing was written, send the put again."
            )
        whole = _joined(put.batches)
        _check_bytes(whole)
        schema = whole.schema
        # Before anything is reserved: a refused put must not fix the columns of a new dataset.
        whole = self._checked(put, whole)
        dataset, define = self._dataset(put.dataset, schema, _key_of(put), reserve=True)
        # Again, since another writer may have widened the dataset meanwhile.
        whole = conform(whole, dataset.schema)
        message = pb.LogPut(
            put_id=put.put_id,
            dataset_id=dataset.id,
            columns=len(dataset.schema),
            received=received,
        )
        if define or dataset.id >= DERIVED_IDS:  # such an id means nothing after the next start
            message.dataset.name = dataset.name
            message.dataset.schema = dataset.schema.serialize().to_pybytes()
            message.dataset.key_has_id = dataset.key_has_id
        rows = self._runs(put, dataset, whole, message)
        if self._bulk.wants(rows, len(put.series)):
            self._bulk.write(message, rows, self._state.names, dataset)
            return PreparedPut(message, None, b"")
        body = packed.encode(rows)
        # Decoding what will be logged gives aligned columns that hold on to no network buffer.
        aligned = packed.decode(pa.py_buffer(body), 0, rows.num_rows, dataset.schema)
        return PreparedPut(message, aligned, body)

    def _dataset(
        self, name: str, schema: pa.Schema, key: str, *, reserve: bool
    ) -> tuple[Dataset, bool]:
        known = self._state.names.datasets.get(name)
        if known is not None and schema.equals(known.schema):
            return known, False
        if reserve:
            return self._reservations.dataset(name, known, schema, key)
        return Reservations().dataset(name, known, schema, key)

    def _runs(
        self, put: Put, dataset: Dataset, whole: pa.RecordBatch, message: pb.LogPut
    ) -> pa.RecordBatch:
        """Fill in the message's runs; returns their rows, sorted and distinct within each."""
        for said in put.series:
            run = message.runs.add()
            self._name_run(run, said, dataset)
            run.rows = said.rows
            for low, high in said.covers:
                run.covers.extend((low, high))
            if said.metadata:
                run.metadata.update(said.metadata)
        counts = [said.rows for said in put.series]
        if are_sorted_and_distinct(whole, counts, key_has_id=dataset.key_has_id):
            return whole
        return _sorted(whole, message.runs, key_has_id=dataset.key_has_id)

    def _name_run(self, run: pb.LogRun, said: SeriesRows, dataset: Dataset) -> None:
        """Put the series' id, and its definition if it is new, into `run`."""
        known = self._state.names.get(dataset.name, said.instrument, said.timeframe)
        if known is not None:
            run.series = known.id
            return
        key = (dataset.id, said.instrument, said.timeframe)
        run.series = self._reservations.series(key, gone=self._state.spent)
        run.define.instrument = said.instrument
        run.define.timeframe = said.timeframe
        run.define.free_grid = said.free_grid

    def _checked(self, put: Put, whole: pa.RecordBatch) -> pa.RecordBatch:
        """`whole` with the columns of its dataset. Raises a BadRequest if it cannot be taken."""
        dataset, _ = self._dataset(put.dataset, whole.schema, _key_of(put), reserve=False)
        whole = conform(whole, dataset.schema)
        self._checks.check(put.series, dataset, whole)
        self._check_room_for_series(put)
        return whole

    def _check_room_for_series(self, put: Put) -> None:
        names = self._state.names
        there = len(names.by_id)
        if there + len(put.series) <= self._series_max:  # the quick answer: all could be new
            return
        new = {
            (said.instrument, said.timeframe)
            for said in put.series
            if names.get(put.dataset, said.instrument, said.timeframe) is None
        }
        if new and there + len(new) > self._series_max:
            raise Overloaded(
                f"The store has {there} series, and {self._series_max} are the most "
                "(limits.series_max); delete some, or raise the limit."
            )


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _check_bytes(rows: pa.RecordBatch) -> None:
    """Raise InvalidRows if offsets or text in the received columns are not what they claim."""
    try:
        rows.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InvalidRows(f"The rows are not valid Arrow data: {error}.") from error


def _key_of(put: Put) -> str:
    return next((s.key for s in put.series if s.key), "")


def _sorted(
    whole: pa.RecordBatch, runs: Iterable[pb.LogRun], *, key_has_id: bool
) -> pa.RecordBatch:
    """The rows of all runs, each brought into order; their counts become those that are left."""
    parts: list[pa.RecordBatch] = []
    start = 0
    for run in runs:
        parts.append(merge([whole.slice(start, run.rows)], key_has_id=key_has_id))
        start, run.rows = start + run.rows, parts[-1].num_rows
    return parts[0] if len(parts) == 1 else pa.concat_batches(parts)
