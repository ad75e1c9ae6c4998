"""Preparing a put: from rows on the wire to a log record, or to the reason why not.

Runs in the writer's own thread and changes nothing, so a bad put costs nobody else anything and
leaves no trace. What it makes is handed to the committer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto import instrument as instruments
from flightstore_proto.errors import (
    BadRequest,
    BadTimeframe,
    CommitMismatch,
    InvalidRows,
    Overloaded,
    SchemaMismatch,
)
from flightstore_proto.instrument import check_dataset
from flightstore_proto.timeframe import Timeframe
from flightstore_server.engine.bulk import BulkWriter
from flightstore_server.engine.reservations import Reservations, conform
from flightstore_server.engine.series import Dataset, parse_timeframe
from flightstore_server.engine.state import State
from flightstore_server.engine.values import check_candles, check_not_null, check_trades
from flightstore_server.storage import packed
from flightstore_server.storage.catalog import DERIVED_IDS
from flightstore_server.storage.rows import is_sorted_and_distinct, merge


@dataclass(frozen=True, slots=True)
class SeriesRows:
    """What a put says of one series: which of its rows, and what they complete."""

    instrument: str
    timeframe: str
    rows: int
    covers: Sequence[tuple[int, int]] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    free_grid: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True)
class Put:
    """One put as received: batches, and the series their rows belong to, in order."""

    dataset: str
    batches: Sequence[pa.RecordBatch]
    series: Sequence[SeriesRows]
    put_id: int = 0


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
        self._check_room_for_series(put)
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
        parts: list[pa.RecordBatch] = []
        start, changed = 0, False
        for said in put.series:
            rows = whole.slice(start, said.rows) if len(put.series) > 1 else whole
            start += said.rows
            run = message.runs.add()
            self._name_run(run, said, dataset)
            if not is_sorted_and_distinct(rows, key_has_id=dataset.key_has_id):
                rows, changed = merge([rows], key_has_id=dataset.key_has_id), True
            run.rows = rows.num_rows
            for low, high in said.covers:
                run.covers.extend((low, high))
            if said.metadata:
                run.metadata.update(said.metadata)
            parts.append(rows)
        if not changed:
            return whole
        return parts[0] if len(parts) == 1 else pa.concat_batches(parts)

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

    def _checked(self, put: Put, whole: pa.RecordBatch) -> pa.RecordBatch:
        """`whole` with the columns of its dataset.

        Raises a BadRequest unless every series of `put` can take its rows.
        """
        dataset, _ = self._dataset(put.dataset, whole.schema, _key_of(put), reserve=False)
        whole = conform(whole, dataset.schema)
        if len(put.series) == 1:
            self._check_series(put.series[0], dataset, whole)
            return whole
        start = 0
        for said in put.series:
            self._check_series(said, dataset, whole.slice(start, said.rows))
            start += said.rows
        _check_distinct(put.series)
        return whole

    def _check_series(self, said: SeriesRows, dataset: Dataset, rows: pa.RecordBatch) -> None:
        what = " ".join(filter(None, [dataset.name, said.instrument, said.timeframe]))
        known = self._state.names.get(dataset.name, said.instrument, said.timeframe)
        if known is None or known.derived is not None:
            self._state.rulebook.check_write(dataset.name, said.instrument, said.timeframe)
        if known is None:
            instruments.parse(said.instrument)
            timeframe, free_grid = _timeframe_of(said, dataset.name), said.free_grid
        else:
            timeframe, free_grid = known.timeframe, known.free_grid
        check_not_null(rows, dataset.schema, what)
        if dataset.name == "candles":
            check_candles(rows, _grid(timeframe, free_grid=free_grid), what)
        elif dataset.name == "trades":
            check_trades(rows, what)
        for low, high in said.covers:
            _check_cover(low, high, what)


def _grid(timeframe: Timeframe | None, *, free_grid: bool) -> Timeframe | None:
    return None if free_grid or timeframe is None or timeframe.count else timeframe


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


def _timeframe_of(said: SeriesRows, dataset: str) -> Timeframe | None:
    """The timeframe of a new series. Raises BadTimeframe if its dataset cannot have it."""
    timeframe = parse_timeframe(said.timeframe)
    if dataset == "candles" and timeframe is None:
        raise BadTimeframe(f"Candles of {said.instrument} need a timeframe, such as 1m.")
    if dataset == "trades" and timeframe is not None:
        raise BadTimeframe(
            f"Trades have no timeframe; got {said.timeframe!r} for {said.instrument}."
        )
    return timeframe


def _check_distinct(series: Sequence[SeriesRows]) -> None:
    """Rows of one series in two places have no order that could tell which of them wins."""
    names = [(said.instrument, said.timeframe) for said in series]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRequest(
            f"The put names {twice[0]!r} twice; send all its rows together, or as two puts."
        )


def _check_cover(low: int, high: int, what: str) -> None:
    if high < low:
        raise CommitMismatch(f"A covered range of {what} ends before it starts; swap its bounds.")
