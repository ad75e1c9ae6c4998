"""What written series hold, and by the rules everything that is derived from them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase

from tests.support import naive_bars
from tests.support.naive_bars import Bar, Trade

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto import intervals
from flightstore_proto.intervals import EMPTY, IntervalSet

Name = tuple[str, str, str]  # dataset, instrument, timeframe
Key = tuple[int, int, str]


@dataclass(frozen=True)
class RuleModel:
    """A rule as it is told to the store."""

    name: str
    dataset: str
    instruments: str
    timeframe: str
    to: tuple[str, ...]
    zone: str = "UTC"
    hours: int = 0
    into: str = "candles"

    def message(self) -> pb.Rule:
        on = "/".join(filter(None, [self.dataset, self.instruments, self.timeframe]))
        offset = f"{self.hours}h" if self.hours else ""
        rule = pb.Rule(name=self.name, on=on, to=self.to, into=self.into, offset=offset)
        rule.timezone = self.zone
        return rule

    def derives(self, base: Name) -> Iterator[Name]:
        dataset, instrument, timeframe = base
        fits = fnmatchcase(instrument, self.instruments)
        if fits and (dataset, timeframe) == (self.dataset, self.timeframe):
            yield from ((self.into, instrument, text) for text in self.to)

    def window(self, ts: int, timeframe: str) -> naive_bars.Span:
        frame = "1d" if timeframe[-1] in "ker" else timeframe  # tick, volume, dollar
        return naive_bars.window(ts, frame, self.zone, timedelta(hours=self.hours))

    def rows(self, base: SeriesRows, timeframe: str) -> list[Bar]:
        def start_of(ts: int) -> int:
            return self.window(ts, timeframe)[0]

        if timeframe[-1] in "ker":
            return naive_bars.counted(base.trades(), timeframe, start_of)
        return naive_bars.bars(base.bars(), start_of)


@dataclass
class SeriesRows:
    """Rows by key: bars, or trades as bars of one price."""

    rows: dict[Key, Bar] = field(default_factory=dict)
    covered: IntervalSet = EMPTY

    def bars(self) -> list[Bar]:
        return [self.rows[key] for key in sorted(self.rows)]

    def trades(self) -> list[Trade]:
        return [(ts, price, amount) for ts, price, _, _, _, amount in self.bars()]

    def delete(self, low: int, high: int) -> int:
        kept = {key: row for key, row in self.rows.items() if not low <= key[0] < high}
        count = len(self.rows) - len(kept)
        self.rows, self.covered = kept, intervals.subtract(self.covered, low, high)
        return count


@dataclass
class Frozen:
    """The bars of a derived series before `floor`, whose base was let go."""

    floor: int
    bars: list[Bar]


@dataclass
class DerivedModel:
    """A store: written series by name, rules by name, and bars that stay as they are."""

    written: dict[Name, SeriesRows] = field(default_factory=dict)
    rules: dict[str, RuleModel] = field(default_factory=dict)
    frozen: dict[Name, Frozen] = field(default_factory=dict)
    # Bars that were computed before and are still true.
    _made: dict[Name, list[Bar]] = field(default_factory=dict)

    def copy(self) -> DerivedModel:
        return copy.deepcopy(self)

    def put(self, name: Name, rows: Iterable[tuple[Key, Bar]]) -> None:
        self.written.setdefault(name, SeriesRows()).rows.update(rows)
        self._changed(name)

    def cover(self, name: Name, low: int, high: int) -> None:
        series = self.written.setdefault(name, SeriesRows())
        series.covered = intervals.add(series.covered, low, high)

    def delete(self, name: Name, low: int, high: int) -> int:
        """Returns how many rows there were."""
        self._changed(name)
        return self.written[name].delete(low, high)

    def _changed(self, name: Name) -> None:
        for derived in self.dependents(name):
            self._made.pop(derived, None)

    def makers(self) -> dict[Name, tuple[RuleModel, Name]]:
        """Every derived series there is: its rule and its base, bases first."""
        found: dict[Name, tuple[RuleModel, Name]] = {}
        waiting = list(self.written)
        while waiting:
            base = waiting.pop(0)
            for rule in self.rules.values():
                for name in rule.derives(base):
                    found[name] = (rule, base)
                    waiting.append(name)
        return found

    def derived(self) -> dict[Name, list[Bar]]:
        """The rows of every derived series."""
        makers = self.makers()
        return {name: self.rows_of(name, makers) for name in makers}

    def rows_of(self, name: Name, makers: dict[Name, tuple[RuleModel, Name]]) -> list[Bar]:
        """The rows of one derived series."""
        if name not in self._made:
            rule, base = makers[name]
            derived = base in makers
            series = SeriesRows(_by_key(self.rows_of(base, makers))) if derived else None
            rows = rule.rows(series or self.written[base], name[2])
            frozen = self.frozen.get(name)
            if frozen is not None:
                rows = frozen.bars + [row for row in rows if row[0] >= frozen.floor]
            self._made[name] = rows
        return self._made[name]

    def dependents(self, name: Name) -> dict[Name, RuleModel]:
        """What is derived from `name`, directly or through others."""
        bases = {name}
        found = {}
        for derived, (rule, base) in self.makers().items():
            if base in bases:
                bases.add(derived)
                found[derived] = rule
        return found

    def forget(self, name: Name) -> int:
        """Delete a written series, and so what is derived from it; returns how many rows it had."""
        for derived in self.dependents(name):
            self.frozen.pop(derived, None)
            self._made.pop(derived, None)
        return len(self.written.pop(name).rows)

    def remove_rule(self, name: str) -> None:
        before = set(self.makers())
        del self.rules[name]
        for gone in before - set(self.makers()):
            self.frozen.pop(gone, None)
            self._made.pop(gone, None)

    def let_go(self, name: Name, cutoff: int) -> None:
        """Retention: rows before `cutoff` go, but for those of windows that reach beyond it."""
        dependents = self.dependents(name)
        starts = [rule.window(cutoff, text)[0] for (_, _, text), rule in dependents.items()]
        cutoff = min([cutoff, *starts])
        series = self.written[name]
        if not any(key[0] < cutoff for key in series.rows):
            return
        rows = self.derived()
        for derived, rule in dependents.items():
            start, end = rule.window(cutoff, derived[2])
            floor = start if start == cutoff else end
            known = self.frozen.get(derived)
            if known is None or known.floor < floor:
                bars = [row for row in rows[derived] if row[0] < floor]
                self.frozen[derived] = Frozen(floor, bars)
        self.delete(name, -(2**63), cutoff)

    def closed_until(self, name: Name) -> int:
        """Bars by time of the series that start before this are over."""
        made = self.makers().get(name)
        if made is not None:
            rule, base = made
            until = self.closed_until(base)
            return until if until == -(2**63) else rule.window(until, name[2])[0]
        series = self.written[name]
        until = max((key[0] for key in series.rows), default=-(2**63))
        until = max(until, series.covered[-1][1]) if series.covered else until
        if not name[2] or until == -(2**63):
            return until
        return naive_bars.window(until, name[2])[0]


def _by_key(bars: Iterable[Bar]) -> dict[Key, Bar]:
    return {(bar[0], 0, ""): bar for bar in bars}
