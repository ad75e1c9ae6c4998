"""Which series of a selection a log record concerns: its own, and those derived from them."""

from __future__ import annotations

from typing import NamedTuple

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto import instrument as instruments
from flightstore_server.engine.bulk import defined_series
from flightstore_server.engine.series import Series, parse_timeframe
from flightstore_server.engine.state import State
from flightstore_server.engine.updates.selector import Wanted

# So many series that do not match are remembered as such.
_OTHERS_MAX = 4_096


class Targets(NamedTuple):
    """What one series of the log is to a selection: a part of it, or the base of parts."""

    own: Series | None = None
    derived: tuple[Series, ...] = ()


NONE = Targets()


class Finder:
    """Finds the targets of series ids. Whatever was found once is known from then on."""

    def __init__(self, state: State, wanted: Wanted) -> None:
        self._state = state
        self._wanted = wanted
        self._found: dict[int, Targets] = {}
        self._others: set[int] = set()

    def of_run(self, run: pb.LogRun, put: pb.LogPut) -> Targets:
        """The targets of one series of a put."""
        if run.HasField("define"):  # under an id that an earlier series of that name may have had
            self._others.discard(run.series)
            self._found.pop(run.series, None)
        known = self._known(run.series)
        if known is not None:
            return known
        series = self._named(run.series)
        if series is None and run.HasField("define"):
            with self._state.lock:
                series = defined_series(run, self._state.dataset_by_id(put.dataset_id))
        # Whatever has no name was deleted since, and the record of that is still to come.
        return NONE if series is None else self._remember(series)

    def of_delete(self, delete: pb.LogDelete) -> Targets:
        """The targets of a delete of a range."""
        if not delete.series:
            name = delete.name
            with self._state.lock:
                series = self._state.names.get(name.dataset, name.instrument, name.timeframe)
            return NONE if series is None else self._remember(series)
        known = self._known(delete.series)
        if known is not None:
            return known
        series = self._named(delete.series)
        # Whatever has no name was deleted since, as above.
        return NONE if series is None else self._remember(series)

    def gone(self, gone: pb.LogGone) -> list[Series]:
        """The series of the selection that went with a record: their words, without an id."""
        datasets = self._state.names.datasets
        named = [
            Series(
                0,
                datasets[words.dataset],
                instruments.parse(words.instrument),
                parse_timeframe(words.timeframe),
                free_grid=False,
            )
            for words in gone.series
            if words.dataset in datasets
        ]
        return [series for series in named if self._wanted.match(series)]

    def kept_by_rule(self, rule: str) -> list[Series]:
        """The series that a rule keeps now, and what is derived from them."""
        with self._state.lock:
            every = list(self._state.names.by_id.values())
            kept = [s for s in every if s.derived is not None and s.derived.rule.name == rule]
            found = {s.id: s for series in kept for s in (series, *series.dependents)}
        return [series for series in found.values() if self._wanted.match(series)]

    def forget(self) -> None:
        """Look everything up again: series have come or gone."""
        self._found.clear()
        self._others.clear()

    def _known(self, series_id: int) -> Targets | None:
        if series_id in self._others:
            return NONE
        return self._found.get(series_id)

    def _named(self, series_id: int) -> Series | None:
        names = self._state.names
        series = names.by_id.get(series_id)
        return series if series is not None else names.removed.get(series_id)

    def _remember(self, series: Series) -> Targets:
        own = series if self._wanted.match(series) else None
        derived = tuple(s for s in series.dependents if self._wanted.match(s))
        if own is None and not derived:
            if len(self._others) >= _OTHERS_MAX:
                self._others.clear()
            self._others.add(series.id)
            return NONE
        found = self._found[series.id] = Targets(own, derived)
        return found
