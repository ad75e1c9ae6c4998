"""Retention: rows older than a configured age are deleted, through the log like any delete."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flightstore_proto.errors import FlightstoreError
from flightstore_proto.timeframe import DAY_NS
from flightstore_server.engine.reads import bounds
from flightstore_server.engine.series import Series
from flightstore_server.engine.state import State

log = logging.getLogger(__name__)
_INTERVAL_NS = 3_600 * 10**9


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """Rows of matching series are kept for `age_days`; empty words match everything."""

    dataset: str
    age_days: float
    instruments: str = "*"
    timeframe: str = ""


class Retention:
    """Looks once an hour for rows that have become too old. Cuts at whole UTC days."""

    def __init__(
        self,
        rules: Sequence[RetentionRule],
        clock: Callable[[], int],
        state: State,
        delete: Callable[[Series, int], int],
    ) -> None:
        """`delete` removes a series' rows before a time and returns how many there were."""
        self._rules = rules
        self._clock = clock
        self._state = state
        self._delete = delete
        self._last = -_INTERVAL_NS

    def step(self) -> None:
        """Delete what is due, if an hour has passed since the last look."""
        now = self._clock()
        if not self._rules or now - self._last < _INTERVAL_NS:
            return
        self._last = now
        for rule in self._rules:
            self._apply(rule, (now - int(rule.age_days * DAY_NS)) // DAY_NS * DAY_NS)

    def _apply(self, rule: RetentionRule, cutoff: int) -> None:
        state = self._state
        with state.lock:
            names = state.names.select(rule.dataset, [rule.instruments], rule.timeframe)
            views = [series.view() for series in names]
        for view in views:
            span = bounds(view, state.segments)
            if span is None or span[0] >= cutoff:
                continue
            try:
                rows = self._delete(view.series, cutoff)
                log.info("retention removed %d rows of %s", rows, view.series)
            except FlightstoreError as error:
                log.error("retention of %s failed: %s", view.series, error)
