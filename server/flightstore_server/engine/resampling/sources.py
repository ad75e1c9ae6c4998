"""What bars are made of: of each instrument the longest stored candles that fit, or its trades."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from flightstore_proto import instrument as instruments
from flightstore_proto import metadata as keys
from flightstore_proto import timeframe as timeframes
from flightstore_proto.errors import (
    BadRequest,
    FlightstoreError,
    UnknownInstrument,
    did_you_mean,
    near,
    shown,
)
from flightstore_proto.timeframe import DAY_NS, Timeframe
from flightstore_server.engine.aggregates import fitting
from flightstore_server.engine.aggregates.fitting import PLAIN, UTC, Calendar
from flightstore_server.engine.aggregates.rulebook import inherited
from flightstore_server.engine.names import Names
from flightstore_server.engine.resampling.asked import CANDLES, TRADES, Resample
from flightstore_server.engine.resampling.made import Target
from flightstore_server.engine.series import Dataset, Series, SeriesView

_LONGEST_MONTH_NS = 31 * DAY_NS


@dataclass(slots=True)
class Found:
    """The series to be read, by instrument.

    Of those that are not what was asked for `targets` says, by id, what is to be made of them.
    """

    series: list[Series]
    targets: dict[int, Target] = field(default_factory=dict)
    problems: dict[str, FlightstoreError] = field(default_factory=dict)

    def over(self, views: list[SeriesView]) -> list[SeriesView]:
        """The views of what was asked for, given those of the series."""
        if not self.targets:
            return views
        targets = [self.targets.get(view.series.id) for view in views]
        pairs = zip(views, targets, strict=True)
        return [view if target is None else target.over(view) for view, target in pairs]

    def base_range(self, series: Series, start: int, end: int) -> tuple[int, int]:
        """From where to where rows of `series` are needed for what begins in [start, end)."""
        target = self.targets.get(series.id)
        return (start, end) if target is None else target.base_range(start, end)


class Sources:
    """What the bars of one timeframe may be made of. Raises a BadRequest if that makes no sense."""

    def __init__(self, dataset: str, timeframe: str, asked: Resample) -> None:
        if dataset != CANDLES:
            raise BadRequest(
                f"Only candles are made of other rows; the dataset {shown(dataset)} is read as it "
                "is stored, without resample_from, timezone and offset."
            )
        self.asked = asked
        self.timeframe = timeframes.parse(timeframe)
        self.calendar = asked.calendar
        self.windows = fitting.windows(self.timeframe, self.calendar)
        self._source = asked.source
        if self._source not in ("", TRADES):
            base = timeframes.parse(self._source)
            fitting.check(base, self.timeframe, asked.timezone or UTC, asked.offset)

    def among(self, names: Names, dataset: Dataset) -> Search:
        """Where to look for them in `names`, under the state lock; `dataset` is that of candles."""
        return Search(self, names, dataset, self._tables(names))

    def _tables(self, names: Names) -> list[tuple[str, str]]:
        """Dataset and timeframe of what the bars can be made of, the best first."""
        if self._source:
            return [(TRADES, "") if self._source == TRADES else (CANDLES, self._source)]
        stored = map(timeframes.parse, names.timeframes(CANDLES))
        fitted = [f for f in stored if fitting.fits(f, self.timeframe, self.calendar)]
        fitted.sort(key=_length, reverse=True)
        return [*((CANDLES, frame.text) for frame in fitted), (TRADES, "")]

    def served_by(self, series: Series) -> bool:
        """Whether the stored `series`, of the timeframe asked for, is what is meant."""
        if self._source:
            return False
        if not self.asked.names_calendar:
            return True
        calendar = _calendar_of(series)
        return calendar == self.calendar or (
            calendar == PLAIN and fitting.is_on_utc_grid(self.timeframe, self.calendar)
        )

    def target(self, dataset: Dataset, base: Series) -> Target:
        """What is made of the rows of `base`."""
        words = filter(None, [base.dataset.name, base.timeframe_text])
        metadata = {keys.RESAMPLED_FROM: " ".join(words), **inherited(base.metadata)}
        if self.asked.timezone:
            metadata[keys.TIMEZONE] = self.asked.timezone
        if self.asked.offset:
            metadata[keys.OFFSET] = self.asked.offset
        free_grid = bool(self.calendar != PLAIN or self.timeframe.count)
        series = Series(base.id, dataset, base.instrument, self.timeframe, free_grid, metadata)
        return Target(series, self.windows)


class Search:
    """The search for the sources of one request. Used under the state lock."""

    def __init__(
        self, sources: Sources, names: Names, dataset: Dataset, tables: list[tuple[str, str]]
    ) -> None:
        self._sources = sources
        self._names = names
        self._dataset = dataset
        self._tables = tables
        self._timeframe = sources.timeframe.text
        self._exact: dict[str, Series] = {}
        self._bases: dict[str, Series] = {}

    def find(self, instrument: str) -> Found:
        """The one series for `instrument`. Raises UnknownInstrument with near names."""
        if not self._has(instrument):
            raise self._why_unknown(instrument)
        return self._found({})

    def match(self, names: Sequence[str]) -> Found:
        """The series for all that `names`, exact or patterns, stand for."""
        wrong: dict[str, FlightstoreError] = {}
        for name in names:
            found = self._has_some(name) if instruments.is_pattern(name) else self._has(name)
            if not found:
                wrong[name] = self._why_unknown(name)
        return self._found(wrong)

    def _found(self, wrong: dict[str, FlightstoreError]) -> Found:
        every = {**self._exact, **self._bases}
        bases = self._bases.values()
        targets = {base.id: self._sources.target(self._dataset, base) for base in bases}
        return Found([every[name] for name in sorted(every)], targets, wrong)

    def _has(self, instrument: str) -> bool:
        """Note what serves `instrument`; whether there is anything."""
        exact = self._names.get(CANDLES, instrument, self._timeframe)
        if exact is not None and self._sources.served_by(exact):
            self._exact[instrument] = exact
            return True
        for dataset, timeframe in self._tables:
            base = self._names.get(dataset, instrument, timeframe)
            if base is not None:
                self._note(instrument, base)
        return instrument in self._bases

    def _has_some(self, pattern: str) -> bool:
        """Note what serves the instruments that `pattern` stands for; whether there are any."""
        exact = self._names.matching(CANDLES, self._timeframe, pattern)
        served = {name: s for name, s in exact.items() if self._sources.served_by(s)}
        self._exact.update(served)
        some = bool(served)
        for dataset, timeframe in self._tables:
            found = self._names.matching(dataset, timeframe, pattern)
            for name in found.keys() - served.keys():
                self._note(name, found[name])
                some = some or name in self._bases
        return some

    def _note(self, instrument: str, base: Series) -> None:
        """`base` can serve `instrument`, if it can and nothing better is known.

        One without rows is better than none: it was written, and has nothing now.
        """
        known = self._bases.get(instrument)
        if _is_base(base) and (known is None or (_has_rows(base) and not _has_rows(known))):
            self._bases[instrument] = base

    def _why_unknown(self, name: str) -> FlightstoreError:
        try:
            if not instruments.is_pattern(name):
                instruments.parse(name)
                self._names.scope.check(CANDLES, name)
        except FlightstoreError as error:
            return error
        source = self._sources.asked.source
        kept = self._names.kept_elsewhere(CANDLES, name, self._timeframe)
        suggestions = near(name, set(self._names_that_have_some()) - {name})
        return UnknownInstrument(
            f"There are no {self._timeframe} candles of {shown(name)} here, and "
            f"{f'no {source}' if source else 'nothing'} to make them of."
            f"{kept or did_you_mean(suggestions)}",
            suggestions=suggestions,
        )

    def _names_that_have_some(self) -> Iterator[str]:
        for dataset, timeframe in [(CANDLES, self._timeframe), *self._tables]:
            yield from self._names.matching(dataset, timeframe, "*")


def _is_base(series: Series) -> bool:
    """Whether bars can be made of `series`: its own, if it has any, begin when others do."""
    calendar, frame = _calendar_of(series), series.timeframe
    return frame is None or (calendar is not None and fitting.is_on_utc_grid(frame, calendar))


def _has_rows(series: Series) -> bool:
    return bool(series.segments or series.memory or series.derived)


def _calendar_of(series: Series) -> Calendar | None:
    """The calendar that the bars of `series` follow; None if nobody knows."""
    if series.derived is not None:
        return series.derived.rule.calendar
    return None if series.free_grid else PLAIN


def _length(frame: Timeframe) -> int:
    return frame.step_ns or frame.months * _LONGEST_MONTH_NS
