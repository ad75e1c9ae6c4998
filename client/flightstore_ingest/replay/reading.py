"""A recorded file as a Recording.

The file is read once, in chunks, into an Arrow file without a name, and that one is mapped: memory
holds what is being played, however large the recording is and however it was compressed. Only a
file that is not in order of time is sorted in memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

from flightstore.cli.loading import sending
from flightstore.cli.loading.job import Plan, shape_of
from flightstore.cli.loading.rows import Shape
from flightstore.cli.loading.sources import Source, open_source
from flightstore_ingest.errors import Garbage, Refused
from flightstore_ingest.gate import checked
from flightstore_ingest.replay.recording import Recording
from flightstore_ingest.replay.settings import FileSettings
from flightstore_ingest.source import CANDLES, Series
from flightstore_proto import timeframe as timeframes
from flightstore_proto.errors import BadRequest
from flightstore_proto.schemas import BATCH_ROWS_MAX, BUILT_IN
from flightstore_proto.timeframe import SECOND_NS

TIMEFRAME_ROWS = 1_000_000  # of which the shortest distance is the timeframe
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def load(instrument: str, file: FileSettings) -> Recording:
    """The recording in `file`, with every row checked as if it came from an exchange.

    Raises Refused naming the file and what to do about it.
    """
    path = file.path
    if not path.is_file():
        raise Refused(f"{instrument}: there is no file {path.absolute()}: correct its path.")
    try:
        return _checked(_recording(instrument, file))
    except (BadRequest, Garbage) as error:
        raise Refused(_explained(instrument, path, error.message)) from error
    except OSError as error:
        raise Refused(f"{instrument}: {path} cannot be read: {error.strerror}.") from error


def _explained(instrument: str, path: Path, message: str) -> str:
    named = message if str(path) in message else f"{path}: {message}"
    options = (
        " Here these options are keys of the file: "
        f'{{path = "{path}", columns = {{ts = "NAME"}}, time_unit = "ms"}}.'
    )
    return f"{instrument}: {named}" + (options if "--" in message else "")


def _recording(instrument: str, file: FileSettings) -> Recording:
    source, shape = _recognised(instrument, file)
    schema = BUILT_IN[shape.dataset]
    rows = _mapped(_tables(source, shape), schema)
    if not rows.num_rows:
        raise BadRequest("The file holds no rows.")
    if not _times(rows).is_sorted():
        frame = pl.from_arrow(rows)
        assert isinstance(frame, pl.DataFrame)
        ordered = frame.sort("ts", maintain_order=True).to_arrow().cast(schema)
        rows = _mapped([ordered], schema)
    timeframe = file.timeframe or _timeframe(rows) if shape.dataset == CANDLES else ""
    return Recording(Series(shape.dataset, instrument, timeframe), rows, file.path.name)


def _recognised(instrument: str, file: FileSettings) -> tuple[Source, Shape]:
    """The file opened as what it is said to hold, or as what its columns fit."""
    said = file.dataset or (CANDLES if file.timeframe else "")
    whys: dict[str, str] = {}
    for dataset in [said] if said else BUILT_IN:
        plan = Plan(
            instrument,
            dataset,
            file.timeframe,
            columns=file.columns,
            time_unit=file.time_unit,
            zone=file.tz,
            number_ids=file.number_ids and dataset != CANDLES,
        )
        try:
            source = open_source(file.path, dataset)
            return source, shape_of(source, plan)
        except BadRequest as error:
            whys[dataset] = error.message.removeprefix(f"{file.path}: ")
    if len(set(whys.values())) == 1:
        raise BadRequest(next(iter(whys.values())))
    raise BadRequest(" ".join(f"As {dataset}: {why}" for dataset, why in whys.items()))


def _tables(source: Source, shape: Shape) -> Iterator[pa.Table]:
    batches = (batch for batch, _ in source.batches(shape.types()))
    return (shape.rows(chunk) for chunk in sending.chunks(batches, BATCH_ROWS_MAX))


def _mapped(tables: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
    # The map outlives the name, so that nothing is left behind however this process ends.
    with tempfile.NamedTemporaryFile(prefix="flightstore-replay-", suffix=".arrow") as file:
        with pa.OSFile(file.name, "wb") as stream, pa.ipc.new_file(stream, schema) as writer:
            for table in tables:
                writer.write_table(table, max_chunksize=BATCH_ROWS_MAX)
        return pa.ipc.open_file(pa.memory_map(file.name)).read_all()


def _times(rows: pa.Table) -> pl.Series:
    times = pl.from_arrow(rows.column("ts"), rechunk=False)
    assert isinstance(times, pl.Series)
    return times


def _timeframe(rows: pa.Table) -> str:
    gaps = _times(rows.slice(0, TIMEFRAME_ROWS)).dt.epoch("ns").diff()
    shortest = gaps.filter(gaps > 0).min()
    for text in timeframes.COMMON:
        if shortest is not None and timeframes.parse(text).step_ns == shortest:
            return text
    if isinstance(shortest, int) and shortest % SECOND_NS == 0:
        seconds = shortest // SECOND_NS
        unit = next(unit for unit, length in _UNITS.items() if seconds % length == 0)
        return timeframes.parse(f"{seconds // _UNITS[unit]}{unit}").text
    raise BadRequest('The timeframe of its bars cannot be told: say timeframe = "1m".')


def _checked(recording: Recording) -> Recording:
    """`recording`, which a page of it that the gate refuses would hold up for ever."""
    for page in recording.pages(recording.first, recording.end + 1):
        checked(recording.series, page)
    return recording
