"""Which series of a selection a log record concerns: its own, and those derived from them."""

from __future__ import annotations

from typing import NamedTuple

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto import instrument as instruments
from flightstore_server.engine.bulk import defined_series
from flightstore_server.engine.names import Removed
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

    def of_delete(self, delete: pb.LogDelete) -> Targets | None:
        """The targets of a delete; None if it is not known any more what was deleted."""
        name = delete.name
        if not delete.series:
            with self._state.lock:
                series = self._state.names.get(name.dataset, name.instrument, name.timeframe)
            return NONE if series is None else self._remember(series)
        known = self._known(delete.series)
        if known is not None:
            return known
        series = self._named(delete.series)
        if series is None and delete.HasField("name"):  # it was deleted before the last start
            with self._state.lock:
                return self._once_called(delete.series, name)
        return None if series is None else self._remember(series)

    def _once_called(self, series_id: int, name: pb.Series) -> Targets:
        """What a series was that is no more, by its name and the rules of today."""
        words = (name.dataset, name.instrument, name.timeframe)
        state, found = self._state, []
        for dataset, instrument, timeframe in [words, *state.rulebook.derived_names(*words)]:
            if dataset in state.names.datasets:
                series = Series(
                    series_id,
                    state.names.datasets[dataset],
                    instruments.parse(instrument),
                    parse_timeframe(timeframe),
                    free_grid=False,
                )
                found.append(series)
        own = [s for s in found if self._wanted.match(s)]
        is_base = bool(own) and own[0] is found[0]
        targets = Targets(own[0] if is_base else None, tuple(own[1:] if is_base else own))
        self._found[series_id] = targets
        return targets

    def deleted_with(self, series_id: int) -> list[Series]:
        """The series that went when that one did: itself, and what was derived from it."""
        found = self._found.pop(series_id, NONE)
        gone = {str(s): s for s in (found.own, *found.derived) if s is not None}
        for removed in self._removed():
            if removed.series.id == series_id or series_id in removed.bases:
                gone[str(removed.series)] = removed.series
        return [series for series in gone.values() if self._wanted.match(series)]

    def deleted_by_rule(self, rule: str) -> list[Series]:
        """The series that went with a rule: those it kept, and what was derived from them."""
        removed = self._removed()
        kept = {r.series.id for r in removed if r.rule == rule}
        gone = [r.series for r in removed if r.series.id in kept or not kept.isdisjoint(r.bases)]
        return [series for series in gone if self._wanted.match(series)]

    def kept_by_rule(self, rule: str) -> list[Series]:
        """The series that a rule keeps now, and what is derived from them."""
        with self._state.lock:
            every = list(self._state.names.by_id.values())
            kept = [s for s in every if s.derived is not None and s.derived.rule.name == rule]
            found = {s.id: s for series in kept for s in (series, *series.dependents)}
        return [series for series in found.values() if self._wanted.match(series)]

    def forget(self) -> None:
        """Look everything up again: the rules have changed."""
        self._found.clear()
        self._others.clear()

    def _known(self, series_id: int) -> Targets | None:
        if series_id in self._others:
            return NONE
        return self._found.get(series_id)

    def _named(self, series_id: int) -> Series | None:
        names = self._state.names
        series = names.by_id.get(series_id)
        if series is None and (removed := names.removed.get(series_id)) is not None:
            return removed.series
        return series

    def _removed(self) -> list[Removed]:
        with self._state.lock:
            return list(self._state.names.removed.values())

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
