"""Which datasets and series there are: lookup by name and pattern, near names for wrong ones."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

from flightstore_proto import instrument as instruments
from flightstore_proto.errors import (
    FlightstoreError,
    UnknownDataset,
    UnknownInstrument,
    did_you_mean,
    near,
    shown,
)
from flightstore_proto.schemas import BUILT_IN
from flightstore_server.access.grants import EVERYTHING, Scope
from flightstore_server.engine.series import Dataset, Series

SeriesKey = tuple[str, str, str]  # dataset, instrument, timeframe
# Of many wrong names, so many are told what might have been meant: the state is locked meanwhile.
_SUGGESTED_FOR_MAX = 3
# The words of so many deleted series are kept for those who follow the log and are behind.
_REMOVED_MAX = 65_536


class Names:
    """The series of a store, or of a snapshot of it, as far as `scope` reaches.

    Guarded by the state lock.
    """

    def __init__(self, scope: Scope = EVERYTHING) -> None:
        self.scope = scope
        self.datasets: dict[str, Dataset] = {}
        self.by_id: dict[int, Series] = {}
        self.removed: OrderedDict[int, Series] = OrderedDict()
        self.version = 0  # how often a series came or went
        self._tables: dict[tuple[str, str], dict[str, Series]] = {}
        self._parts: weakref.WeakValueDictionary[Scope, Names] = weakref.WeakValueDictionary()

    def within(self, scope: Scope) -> Names:
        """Those that `scope` reaches, now and whenever series come or go later."""
        if scope.is_everything:
            return self
        part = self._parts.get(scope)
        if part is None:
            part = self._parts[scope] = Names(scope)
            part.datasets = self.datasets
            for (dataset, _), table in self._tables.items():
                for name, series in table.items() if scope.has_dataset(dataset) else ():
                    if scope.has(dataset, name):
                        part.add(series)
        return part

    def _add_if_reached(self, series: Series) -> None:
        if self.scope.has(series.dataset.name, str(series.instrument)):
            self.add(series)

    def add(self, series: Series) -> None:
        self.by_id[series.id] = series
        self.version += 1
        key = (series.dataset.name, series.timeframe_text)
        self._tables.setdefault(key, {})[str(series.instrument)] = series
        for part in self._parts.values():
            part._add_if_reached(series)

    def remove(self, series: Series) -> None:
        """Let go of `series`; its words stay known to those who follow the log."""
        for part in self._parts.values():
            if series.id in part.by_id:
                part.remove(series)
        del self.by_id[series.id]
        self.version += 1
        key = (series.dataset.name, series.timeframe_text)
        del self._tables[key][str(series.instrument)]
        if not self._tables[key]:
            del self._tables[key]
        self.removed[series.id] = _words_of(series)
        if len(self.removed) > _REMOVED_MAX:
            self.removed.popitem(last=False)

    def timeframes(self, dataset: str) -> list[str]:
        """Those of the series of `dataset`, as texts."""
        return [timeframe for name, timeframe in self._tables if name == dataset]

    def matching(self, dataset: str, timeframe: str, name: str) -> Mapping[str, Series]:
        """The series by instrument that the pattern `name` stands for; not to be changed."""
        return _matching(self._tables.get((dataset, timeframe), {}), name)

    def get(self, dataset: str, instrument: str, timeframe: str) -> Series | None:
        return self._tables.get((dataset, timeframe), {}).get(instrument)

    def dataset_names(self) -> list[str]:
        """The datasets there are, built-in ones included."""
        return [name for name in {*self.datasets, *BUILT_IN} if self.scope.has_dataset(name)]

    def dataset(self, name: str) -> Dataset:
        """The dataset called `name`. Raises UnknownDataset with near names."""
        self.scope.check_dataset(name)
        found = self.datasets.get(name)
        if found is None and name in BUILT_IN:  # known, though nothing has been written to it yet
            return Dataset(0, name, BUILT_IN[name], key_has_id=name == "trades")
        if found is None:
            suggestions = near(name, self.dataset_names())
            raise UnknownDataset(
                f"There is no dataset {shown(name)} here.{did_you_mean(suggestions)}",
                suggestions=suggestions,
            )
        return found

    def find(self, dataset: str, instrument: str, timeframe: str) -> Series:
        """The one series of that name. Raises UnknownInstrument with near names."""
        found = self.get(dataset, instrument, timeframe)
        if found is None:
            instruments.parse(instrument)
            self.scope.check(dataset, instrument)
            raise self.unknown(dataset, instrument, timeframe)
        return found

    def match(
        self, dataset: str, names: Sequence[str], timeframe: str
    ) -> tuple[list[Series], dict[str, FlightstoreError]]:
        """The series that `names` (exact or patterns) stand for, by name, and what is missing."""
        table = self._tables.get((dataset, timeframe), {})
        found: dict[str, Series] = {}
        wrong: dict[str, FlightstoreError] = {}
        for name in names:
            if not instruments.is_pattern(name):
                exact = table.get(name)
                if exact is not None:
                    found[name] = exact
                else:
                    suggest = len(wrong) < _SUGGESTED_FOR_MAX
                    wrong[name] = self._why_unknown(dataset, name, timeframe, suggest=suggest)
                continue
            matched = _matching(table, name)
            found.update(matched)
            if not matched:
                suggest = len(wrong) < _SUGGESTED_FOR_MAX
                wrong[name] = self.unknown(dataset, name, timeframe, suggest=suggest)
        return [found[name] for name in sorted(found)], wrong

    def select(self, dataset: str, names: Sequence[str], timeframe: str) -> Iterator[Series]:
        """Every series of the catalog that fits; empty words fit everything."""
        patterns = [instruments.pattern(name) for name in names]
        for (table_dataset, table_timeframe), table in sorted(self._tables.items()):
            if (dataset and dataset != table_dataset) or (
                timeframe and timeframe != table_timeframe
            ):
                continue
            for name in sorted(table):
                if not patterns or any(p.fullmatch(name) for p in patterns):
                    yield table[name]

    def unknown(
        self, dataset: str, name: str, timeframe: str, *, suggest: bool = True
    ) -> UnknownInstrument:
        """The error for a name that stands for nothing, with what might have been meant."""
        what = " ".join(filter(None, [timeframe, dataset]))
        table = self._tables.get((dataset, timeframe), {})
        suggestions = near(name, table) if suggest else []
        if suggestions:
            hint = did_you_mean(suggestions)
        else:
            hint = self.kept_elsewhere(dataset, name, timeframe)
        return UnknownInstrument(
            f"There are no {what} of {shown(name)} here.{hint}", suggestions=suggestions
        )

    def _why_unknown(
        self, dataset: str, name: str, timeframe: str, *, suggest: bool
    ) -> FlightstoreError:
        try:
            instruments.parse(name)
            self.scope.check(dataset, name)
        except FlightstoreError as error:
            return error
        return self.unknown(dataset, name, timeframe, suggest=suggest)

    def kept_elsewhere(self, dataset: str, name: str, timeframe: str) -> str:
        """A sentence that says as what else `name` is stored; empty if it is not."""
        kept = [
            " ".join(filter(None, [t, d]))
            for (d, t), table in sorted(self._tables.items())
            if name in table and (d, t) != (dataset, timeframe)
        ]
        return f" It is kept as {' and '.join(kept[:5])}." if kept else ""


def _words_of(series: Series) -> Series:
    """`series` without its rows."""
    return Series(series.id, series.dataset, series.instrument, series.timeframe, series.free_grid)


def _matching(table: dict[str, Series], name: str) -> dict[str, Series]:
    if name == "*":
        return table
    expression = instruments.pattern(name)
    return {text: series for text, series in table.items() if expression.fullmatch(text)}
