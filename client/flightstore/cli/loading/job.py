"""One import: each file is looked at, its guess is printed, and its rows are sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from flightstore.cli import output
from flightstore.cli.loading import names, sending, times
from flightstore.cli.loading.covering import Extent
from flightstore.cli.loading.files import readable
from flightstore.cli.loading.rows import Shape, storable
from flightstore.cli.loading.sources import Source, open_source
from flightstore.cli.progress import Progress
from flightstore_proto import timeframe as timeframes
from flightstore_proto.errors import BadRequest
from flightstore_proto.schemas import BUILT_IN, RESERVED_COLUMNS


@dataclass(frozen=True, slots=True)
class Plan:
    """What the user asked for, the same for every file."""

    instrument: str
    dataset: str
    timeframe: str
    kind: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    time_unit: str = "auto"
    zone: str = "UTC"
    number_ids: bool = False
    chunk_rows: int = 512 * 1024
    covers: tuple[int, int] | None = None
    covers_file: bool = False
    write: Mapping[str, Any] = field(default_factory=dict)  # options of every write


@dataclass(slots=True)
class Outcome:
    """What became of it."""

    sent: sending.Sent = field(default_factory=sending.Sent)
    empty_bars: int = 0


def run(plan: Plan, files: list[Path], writer: Any) -> Outcome:
    """Send all `files`, then what they cover."""
    # Looked at before the first is sent: a wrong third file should not cost an hour.
    for path in files:
        shape_of(_opened(path, plan), plan)
    outcome = Outcome()
    covers = [] if plan.covers is None else [plan.covers]
    for path in files:
        extent = _send_file(path, plan, writer, outcome)
        if plan.covers_file and (covered := extent.covers(plan.timeframe)) is not None:
            covers.append(covered)
    if covers:
        schema = _schema(outcome, plan)
        sending.claim(writer, plan.instrument, schema, covers, outcome.sent, plan.write)
    return outcome


def _send_file(path: Path, plan: Plan, writer: Any, outcome: Outcome) -> Extent:
    source = _opened(path, plan)
    shape = shape_of(source, plan)
    for line in (*described(source, shape), *doubts(source, shape, plan.timeframe)):
        output.remark(f"{path}: {line}")
    extent = Extent()
    with Progress(path.name, total=source.total) as progress:
        tables = _tables(source, shape, plan, progress, extent)
        sending.send(writer, plan.instrument, tables, outcome.sent, plan.write)
    outcome.empty_bars += shape.empty_bars
    return extent


def _opened(path: Path, plan: Plan) -> Source:
    with _naming(path):
        return open_source(path, plan.dataset, plan.kind)


def _schema(outcome: Outcome, plan: Plan) -> pa.Schema:
    schema = outcome.sent.schema or BUILT_IN.get(plan.dataset)
    if schema is None:
        raise BadRequest(
            f"There are no rows to tell the columns of {plan.dataset} by, so no range can be "
            "declared covered."
        )
    return schema


def _tables(
    source: Source, shape: Shape, plan: Plan, progress: Progress, extent: Extent
) -> Iterator[pa.Table]:
    def batches() -> Iterator[pa.RecordBatch]:
        for batch, done in source.batches(shape.types()):
            yield batch
            progress.advance(batch.num_rows, done=done)

    for chunk in sending.chunks(batches(), plan.chunk_rows):
        with _naming(source.path):
            rows = shape.rows(chunk)
        extent.add(rows)
        yield rows


def shape_of(source: Source, plan: Plan) -> Shape:
    """How the rows of `source` become rows of the dataset. Raises BadRequest if it is not clear."""
    with _naming(source.path):
        return _shape_of(source, plan)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file's name in front of what is wrong with it."""
    try:
        with readable(path):
            yield
    except BadRequest as error:
        if str(path) in error.message:
            raise
        raise type(error)(f"{path}: {error.message}") from error


def _shape_of(source: Source, plan: Plan) -> Shape:
    optional = frozenset({"id"} if plan.number_ids else ())
    columns = names.assign(
        source.columns, plan.dataset, plan.instrument, plan.columns, optional=optional
    )
    if plan.number_ids:
        columns.pop("id", None)
    _check_one_symbol(source, columns)
    if plan.dataset not in BUILT_IN:
        columns = _all_columns(source, columns)
        if unknown := sorted(plan.types.keys() - columns.keys()):
            raise BadRequest(f"--types names {unknown[0]!r}; there is {', '.join(columns)}.")
    sample = source.sample.column(columns["ts"]).combine_chunks()
    reading = times.reading_of(sample, plan.time_unit, plan.zone)
    return Shape(plan.dataset, columns, reading, plan.number_ids, plan.types)


def _all_columns(source: Source, columns: dict[str, str]) -> dict[str, str]:
    """The renamed columns, then the others under their own names."""
    renamed = set(columns.values())
    sample = source.sample
    others = {
        name: name
        for name in source.columns
        if name not in renamed and storable(name, sample.column(name).type)
    }
    if clash := sorted(columns.keys() & others.keys()):
        raise BadRequest(f"--columns makes a second column {clash[0]!r}; rename that one too.")
    return columns | others


def _check_one_symbol(source: Source, columns: Mapping[str, str]) -> None:
    """Rows of several symbols in one series would replace each other."""
    for name in source.columns:
        if names.folded(name) not in names.SYMBOL_NAMES or name in columns.values():
            continue
        found = sorted(map(str, source.sample.column(name).unique().to_pylist()))
        if len(found) > 1:
            raise BadRequest(
                f"The column {name!r} holds several values ({', '.join(found[:3])}, ...): an "
                "import writes one instrument, so split the file."
            )


def described(source: Source, shape: Shape) -> Iterator[str]:
    """What was guessed, as sentences."""
    pairs = ", ".join(f"{ours} = {theirs}" for ours, theirs in shape.columns.items())
    yield f"{pairs}; times are {shape.times}"
    dropped = [name for name in source.columns if name not in shape.columns.values()]
    if dropped:
        reserved = any(name in RESERVED_COLUMNS for name in dropped)
        why = " (an instrument is no column of its rows)" if reserved else ""
        yield f"columns left out: {', '.join(dropped)}{why}"
    if shape.dataset == "trades" and "side" not in shape.columns:
        yield "no column says who bought; side is 0, unknown"


def doubts(source: Source, shape: Shape, timeframe: str) -> Iterator[str]:
    """What looks odd and may still be right."""
    step = timeframes.parse(timeframe).step_ns if timeframe else 0
    times = shape.times.convert(source.sample.column(shape.columns["ts"]))
    stamps = sorted(set(times.cast(pa.int64()).to_pylist()))
    nearest = min((after - before for before, after in pairwise(stamps)), default=step)
    if step and nearest > step:
        seconds = nearest // 10**9
        yield f"the first rows are {seconds} s or more apart; is the timeframe {timeframe}?"
