"""Which datasets and series there are: lookup by name and pattern, near names for wrong ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

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
from flightstore_server.engine.series import Dataset, Series

SeriesKey = tuple[str, str, str]  # dataset, instrument, timeframe
# What was deleted is remembered for those who follow the log, as far as that.
_REMOVED_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Removed:
    """What a series was called that is there no longer, the rule that kept it, and its bases."""

    series: Series
    rule: str
    bases: tuple[int, ...]


class Names:
    """The series of a store, or of a snapshot of it. Guarded by the state lock."""

    def __init__(self) -> None:
        self.datasets: dict[str, Dataset] = {}
        self.by_id: dict[int, Series] = {}
        self.removed: OrderedDict[int, Removed] = OrderedDict()
        self.version = 0  # how often a series came or went
        self._tables: dict[tuple[str, str], dict[str, Series]] = {}

    def add(self, series: Series) -> None:
        self.by_id[series.id] = series
        self.version += 1
        key = (series.dataset.name, series.timeframe_text)
        self._tables.setdefault(key, {})[str(series.instrument)] = series

    def remove(self, series: Series) -> None:
        del self.by_id[series.id]
        self.version += 1
        key = (series.dataset.name, series.timeframe_text)
        del self._tables[key][str(series.instrument)]
        if not self._tables[key]:
            del self._tables[key]
        self.removed[series.id] = _remembered(series)
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

    def dataset(self, name: str) -> Dataset:
        """The dataset called `name`. Raises UnknownDataset with near names."""
        found = self.datasets.get(name)
        if found is None and name in BUILT_IN:  # known, though nothing has been written to it yet
            return Dataset(0, name, BUILT_IN[name], key_has_id=name == "trades")
        if found is None:
            suggestions = near(name, [*self.datasets, *BUILT_IN])
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
                    wrong[name] = self._why_unknown(dataset, name, timeframe)
                continue
            matched = _matching(table, name)
            found.update(matched)
            if not matched:
                wrong[name] = self.unknown(dataset, name, timeframe)
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

    def unknown(self, dataset: str, name: str, timeframe: str) -> UnknownInstrument:
        """The error for a name that stands for nothing, with what might have been meant."""
        what = " ".join(filter(None, [timeframe, dataset]))
        table = self._tables.get((dataset, timeframe), {})
        suggestions = near(name, table)
        if suggestions:
            hint = did_you_mean(suggestions)
        else:
            hint = self.kept_elsewhere(dataset, name, timeframe)
        return UnknownInstrument(
            f"There are no {what} of {shown(name)} here.{hint}", suggestions=suggestions
        )

    def _why_unknown(self, dataset: str, name: str, timeframe: str) -> FlightstoreError:
        try:
            instruments.parse(name)
        except FlightstoreError as error:
            return error
        return self.unknown(dataset, name, timeframe)

    def kept_elsewhere(self, dataset: str, name: str, timeframe: str) -> str:
        """A sentence that says as what else `name` is stored; empty if it is not."""
        kept = [
            " ".join(filter(None, [t, d]))
            for (d, t), table in sorted(self._tables.items())
            if name in table and (d, t) != (dataset, timeframe)
        ]
        return f" It is kept as {' and '.join(kept[:5])}." if kept else ""


def _remembered(series: Series) -> Removed:
    """What is remembered of `series`: its words and where it came from, without its rows."""
    words = Series(series.id, series.dataset, series.instrument, series.timeframe, series.free_grid)
    bases: list[int] = []
    derived = series.derived
    rule = derived.rule.name if derived is not None else ""
    while derived is not None:
        bases.append(derived.base.id)
        derived = derived.base.derived
    return Removed(words, rule, tuple(bases))


def _matching(table: dict[str, Series], name: str) -> dict[str, Series]:
    if name == "*":
        return table
    expression = instruments.pattern(name)
    return {text: series for text, series in table.items() if expression.fullmatch(text)}
