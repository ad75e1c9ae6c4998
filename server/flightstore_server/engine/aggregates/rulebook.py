"""The rules in force, and the series they keep.

Derived series come into being with their base, or with their rule, whichever is later: always while
a log record is applied, so that a replay and a replica arrive at the same ones. Their ids are never
logged, and counted from a number that no other id reaches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from flightstore_proto import metadata as keys
from flightstore_proto import timeframe as timeframes
from flightstore_proto.errors import (
    DerivedSeries,
    RuleConflict,
    UnknownRule,
    did_you_mean,
    near,
    shown,
)
from flightstore_proto.schemas import CANDLES, TRADES
from flightstore_proto.timerange import to_ns
from flightstore_server.engine.aggregates.derived import Derived
from flightstore_server.engine.aggregates.fitting import UTC
from flightstore_server.engine.aggregates.rules import Rule, feeds, overlapping
from flightstore_server.engine.names import Names
from flightstore_server.engine.series import Dataset, Series

# What a derived series has in common with its base.
_INHERITED = (
    keys.SOURCE,
    keys.MARKET_TYPE,
    keys.NATIVE_ID,
    keys.VOLUME_UNIT,
    keys.QUIET_BARS,
    keys.LISTED,
    keys.LISTED_PROOF,
    keys.ENDED,
)


class Rulebook:
    """Guarded by the state lock, like the names it adds to. `next_id` is the first unused id."""

    def __init__(self, names: Names, next_id: int, rules: Iterable[Rule] = ()) -> None:
        self._names = names
        self._next_id = next_id
        self.rules = {rule.name: rule for rule in rules}

    def find(self, name: str) -> Rule:
        """The rule called `name`. Raises UnknownRule with near names."""
        if name not in self.rules:
            suggestions = near(name, self.rules)
            raise UnknownRule(
                f"There is no rule {shown(name)}.{did_you_mean(suggestions)}",
                suggestions=suggestions,
            )
        return self.rules[name]

    def kept_by(self, rule: Rule) -> list[Series]:
        """The series that `rule` keeps."""
        every = self._names.by_id.values()
        return [s for s in every if s.derived is not None and s.derived.rule.name == rule.name]

    def check_new(self, rule: Rule) -> None:
        """Raise RuleConflict unless `rule` can be added as things stand."""
        same = self.rules.get(rule.name)
        if same is not None and not (same.configured and rule.configured):
            raise RuleConflict(
                f"There is a rule {shown(rule.name)} already; remove it first, or give this one a "
                "name of its own."
            )
        self._check_columns(rule)
        others = [other for other in self.rules.values() if other is not same]
        self._check_calendar(rule, others)
        other = overlapping(rule, others)
        if other is not None:
            raise RuleConflict(
                f"The rule {shown(other.name)} keeps series of the same names in {rule.into!r}; "
                "have this one write into another dataset with `into`."
            )
        for series in self._names.by_id.values():
            words = (series.dataset.name, str(series.instrument), series.timeframe_text)
            if series.derived is None and rule.keeps(*words):
                raise RuleConflict(
                    f"{series} was written by somebody, so that the rule {shown(rule.name)} cannot "
                    "keep it; delete that series, or have the rule write into another dataset with "
                    "`into`."
                )

    def keeper(self, dataset: str, instrument: str, timeframe: str) -> Rule | None:
        """The rule that keeps the series of that name, or would if its base had rows."""
        rules = self.rules.values()
        return next((r for r in rules if r.keeps(dataset, instrument, timeframe)), None)

    def check_write(self, dataset: str, instrument: str, timeframe: str) -> None:
        """Raise DerivedSeries if a rule keeps the series of that name, or would if it had rows."""
        rule = self.keeper(dataset, instrument, timeframe)
        if rule is not None:
            what = " ".join(filter(None, [dataset, instrument, timeframe]))
            raise DerivedSeries(
                f"{what} is kept by the rule {shown(rule.name)} and takes no other rows; write "
                f"what it is derived from ({rule.on}), or remove the rule."
            )

    def outgrown_by(self, rule: Rule) -> list[Series]:
        """What the rule of that name keeps and will not keep once it is `rule`."""
        before = self.rules.get(rule.name)
        if before is None:
            return []
        kept = self.kept_by(before)
        if replace(before, to=rule.to) != rule:
            return kept
        return [series for series in kept if series.timeframe_text not in rule.to]

    def add(self, rule: Rule) -> list[Series]:
        """Put `rule` in force, perhaps in the place of an older one of that name.

        Returns the series it brings into being; what outgrown_by() names is gone already.
        """
        for kept in self.kept_by(rule):
            if kept.derived is not None:
                kept.derived.rule = rule
        self.rules[rule.name] = rule
        every = list(self._names.by_id.values())
        return [made for series in every for made in self._derive_by(rule, series)]

    def remove(self, name: str) -> list[Series]:
        """Put the rule out of force. Returns the series that go with it."""
        rule = self.rules.pop(name, None)
        return [] if rule is None else self.kept_by(rule)

    def derive(self, base: Series) -> list[Series]:
        """Bring into being what the rules derive from `base`, which is new. Returns the series."""
        return [made for rule in self.rules.values() for made in self._derive_by(rule, base)]

    def _derive_by(self, rule: Rule, base: Series) -> Iterator[Series]:
        words = (base.dataset.name, str(base.instrument), base.timeframe_text)
        if not rule.covers(*words):
            return
        for text in rule.to:
            if self._names.get(rule.into, words[1], text) is None:
                made = self._make(rule, base, text)
                yield made
                yield from self.derive(made)

    def _make(self, rule: Rule, base: Series, timeframe: str) -> Series:
        target = timeframes.parse(timeframe)
        free_grid = bool(rule.zone != UTC or rule.offset_ns or target.count)
        made = Series(self._take_id(), self._dataset(rule.into), base.instrument, target, free_grid)
        made.metadata = {**_said_of(rule, base), **inherited(base.metadata)}
        made.derived = Derived(rule, base, rule.windows(target))
        made.derived.mark_everything()
        self._names.add(made)
        add_dependent(made)
        return made

    def _dataset(self, name: str) -> Dataset:
        known = self._names.datasets.get(name)
        if known is None:
            known = Dataset(self._take_id(), name, CANDLES, key_has_id=False)
            self._names.datasets[name] = known
        return known

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _check_calendar(self, rule: Rule, others: Sequence[Rule]) -> None:
        """Raise RuleConflict where bars of one calendar would be made of bars of another."""
        for other in others:
            for maker, user in ((other, rule), (rule, other)):
                if feeds(maker, user) and maker.calendar not in (user.calendar, (UTC, 0)):
                    raise RuleConflict(
                        f"The bars that the rule {shown(maker.name)} keeps follow the clock of "
                        f"{maker.zone}, and {shown(user.name)} would make bars of them that do "
                        "not; derive both from the same base."
                    )

    def _check_columns(self, rule: Rule) -> None:
        made_by_rules = {other.into: CANDLES for other in self.rules.values()}
        base = made_by_rules.get(rule.dataset) or self._names.dataset(rule.dataset).schema
        wanted = CANDLES if rule.timeframe else TRADES
        if not _begins_with(base, wanted):
            raise RuleConflict(
                f"The dataset {rule.dataset!r} does not have the columns of "
                f"{'candles' if rule.timeframe else 'trades'}, so no bars can be made of it."
            )
        into = self._names.datasets.get(rule.into)
        if into is not None and (into.key_has_id or not _begins_with(into.schema, CANDLES)):
            raise RuleConflict(
                f"The dataset {rule.into!r} has other columns than candles; name another in `into`."
            )


def add_dependent(derived: Series) -> None:
    """Have everything that `derived` comes from, directly or through others, know of it."""
    above = derived.derived
    while above is not None:
        above.base.dependents = (*above.base.dependents, derived)
        above = above.base.derived


def remove_dependent(derived: Series) -> None:
    """The reverse of add_dependent()."""
    above = derived.derived
    while above is not None:
        above.base.dependents = tuple(s for s in above.base.dependents if s is not derived)
        above = above.base.derived


def link(names: Names, rule: Rule, series: Series) -> None:
    """Make `series`, as loaded, the derived one that it was. Its base is loaded, too.

    Raises LookupError if there is no base: the catalog is not what was written.
    """
    base = names.get(rule.dataset, str(series.instrument), rule.timeframe)
    if base is None or series.timeframe is None:
        raise LookupError(f"{series} has no base by the rule {rule.name!r}")
    series.derived = Derived(rule, base, rule.windows(series.timeframe))
    frozen = series.metadata.get(keys.FROZEN_BEFORE)
    if frozen:
        series.derived.floor = to_ns(frozen)


def inherited(metadata: dict[str, str]) -> dict[str, str]:
    """The part of a base's metadata that holds for what is derived from it."""
    return {key: metadata[key] for key in _INHERITED if key in metadata}


def own(metadata: dict[str, str]) -> dict[str, str]:
    """The part of a derived series' metadata that is not its base's."""
    return {key: value for key, value in metadata.items() if key not in _INHERITED}


def _said_of(rule: Rule, base: Series) -> dict[str, str]:
    said = {keys.RULE: rule.name, keys.DERIVED_FROM: str(base)}
    if rule.zone != UTC:
        said[keys.TIMEZONE] = rule.zone
    if rule.offset:
        said[keys.OFFSET] = rule.offset
    return said


def _begins_with(schema: pa.Schema, wanted: pa.Schema) -> bool:
    head = list(schema)[: len(wanted)]
    return [(f.name, f.type) for f in head] == [(f.name, f.type) for f in wanted]
