"""How the series fare: `flightstore ingest status`, from what the store knows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import typer

import flightstore as fs
from flightstore.cli import options as shared
from flightstore.cli import output
from flightstore.cli.values import plain_rows
from flightstore_ingest import config
from flightstore_ingest.cli import options
from flightstore_ingest.cli.measures import duration
from flightstore_ingest.cli.session import address
from flightstore_ingest.config import Config, StoreSection
from flightstore_ingest.holdings import covered
from flightstore_ingest.source import Series
from flightstore_proto import intervals
from flightstore_proto.metadata import ENDED, ERROR, ERROR_AT, REQUESTS, WANTED_FROM
from flightstore_proto.timeframe import SECOND_NS
from flightstore_proto.timerange import to_ns


@dataclass(frozen=True, slots=True)
class Standing:
    """How one series fares. Times are ISO text, lengths seconds; None where there is nothing yet.

    lag   since what is stored ends: the newest row, or the end of what is known complete
    gaps  ranges between the wanted start and the last known one that are not known complete
    """

    instrument: str
    dataset: str
    timeframe: str
    rows: int
    last: str | None
    lag: float | None
    gaps: int
    gap_length: float
    wanted_from: str | None
    ended: str | None
    requests: int
    error: str | None
    error_at: str | None


def status(
    path: Annotated[
        Path | None,
        typer.Argument(metavar="[CONFIG]", help="Only its series, also those not stored yet."),
    ] = None,
    as_json: shared.Json = False,
    uri: options.StoreUri = None,
    token: shared.Token = None,
) -> None:
    """Show how the series fare that exchanges fill.

    Everything comes from the store, so it works from any machine, and whether or not the service
    runs. A lag that grows says that nothing comes in.

    Examples:
      flightstore ingest status
      flightstore ingest status config/ingest.toml --json
    """
    wanted = None if path is None else config.load(path)
    store = wanted.store if wanted else StoreSection()
    uri, stored_token = address(uri, store)
    with shared.connect(uri, token or stored_token, store.tls()) as db:
        found = sorted(_standings(db, wanted), key=lambda s: (s.instrument, s.timeframe))
    if as_json:
        output.print_json([asdict(standing) for standing in found])
    elif found:
        _print(found)
    else:
        output.remark("No series is filled from an exchange.")


def _standings(db: fs.Client, wanted: Config | None) -> Iterator[Standing]:
    patterns = None if wanted is None else set(_patterns(wanted))
    found: set[Series] = set()
    table: Any = db.series(output="arrow")
    for row in plain_rows(table):
        series = Series(row["dataset"], f"{row['exchange']}:{row['symbol']}", row["timeframe"])
        texts = row["metadata"] or {}
        matching = _matching(series, patterns or ())
        found |= matching
        if matching or (patterns is None and {WANTED_FROM, ERROR, REQUESTS} & texts.keys()):
            yield _standing(db, series, row, texts)
    for series in (patterns or set()) - found:
        yield _nothing_yet(series)


def _patterns(wanted: Config) -> Iterator[Series]:
    for name, section in wanted.exchange.items():
        for keep in section.keep:
            for dataset, timeframe in keep.datasets():
                for symbol in keep.symbols:
                    yield Series(dataset, f"{name}:{symbol}", timeframe)


def _matching(series: Series, patterns: Iterable[Series]) -> set[Series]:
    kind = (series.dataset, series.timeframe)
    return {
        p
        for p in patterns
        if (p.dataset, p.timeframe) == kind and fnmatchcase(series.instrument, p.instrument)
    }


def _standing(
    db: fs.Client, series: Series, row: dict[str, Any], texts: dict[str, str]
) -> Standing:
    known = covered(db, series)
    ended = texts.get(ENDED)
    now = time.time_ns()
    last_known = known[-1][1] if known else now
    gaps: intervals.IntervalSet = ()
    if wanted := texts.get(WANTED_FROM):
        gaps = intervals.missing(known, to_ns(wanted), to_ns(ended) if ended else last_known)
    end = max(_end_of_last(series, row), known[-1][1] if known else 0)
    return Standing(
        instrument=series.instrument,
        dataset=series.dataset,
        timeframe=series.timeframe,
        rows=row["rows"],
        last=row["end"],
        lag=None if ended or not end else max(now - end, 0) / SECOND_NS,
        gaps=len(gaps),
        gap_length=sum(high - low for low, high in gaps) / SECOND_NS,
        wanted_from=wanted,
        ended=ended,
        requests=int(texts.get(REQUESTS, 0)),
        error=texts.get(ERROR),
        error_at=texts.get(ERROR_AT),
    )


def _end_of_last(series: Series, row: dict[str, Any]) -> int:
    if row["end"] is None:
        return 0
    return to_ns(row["end"]) + series.step_ns


def _nothing_yet(series: Series) -> Standing:
    return Standing(
        series.instrument, series.dataset, series.timeframe,
        0, None, None, 0, 0.0, None, None, 0, None, None,
    )  # fmt: skip


def _print(found: list[Standing]) -> None:
    headers = ("instrument", "series", "rows", "last row", "lag", "gaps", "missing", "requests")
    output.print_table(headers, [_row(standing) for standing in found])
    for standing in found:
        if standing.error:
            name = f"{standing.instrument} {standing.timeframe or standing.dataset}"
            print(f"{name}, {standing.error_at}: {standing.error}")


def _row(standing: Standing) -> list[object]:
    lag = "ended" if standing.ended else None
    return [
        standing.instrument,
        standing.timeframe or standing.dataset,
        standing.rows,
        standing.last,
        lag or (None if standing.lag is None else duration(standing.lag)),
        standing.gaps,
        duration(standing.gap_length) if standing.gaps else None,
        standing.requests,
    ]
