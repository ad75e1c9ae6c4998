"""Retention: rows older than a configured age are deleted, through the log like any delete."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flightstore_proto.errors import FlightstoreError
from flightstore_proto.timeframe import DAY_NS
from flightstore_server.engine.reads import bounds

if TYPE_CHECKING:
    from flightstore_server.engine.store import Store

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

    def __init__(self, rules: Sequence[RetentionRule], clock: Callable[[], int]) -> None:
        self._rules = rules
        self._clock = clock
        self._last = -_INTERVAL_NS

    def step(self, store: Store) -> None:
        """Delete what is due, if an hour has passed since the last look."""
        now = self._clock()
        if not self._rules or now - self._last < _INTERVAL_NS:
            return
        self._last = now
        for rule in self._rules:
            cutoff = (now - int(rule.age_days * DAY_NS)) // DAY_NS * DAY_NS
            self._apply(store, rule, cutoff)

    def _apply(self, store: Store, rule: RetentionRule, cutoff: int) -> None:
        with store.state.lock:
            views = [
                series.view()
                for series in store.state.names.select(
                    rule.dataset, [rule.instruments], rule.timeframe
                )
            ]
        for view in views:
            series = view.series
            span = bounds(view, store.segments)
            if span is None or span[0] >= cutoff:
                continue
            try:
                words = (series.dataset.name, str(series.instrument), series.timeframe_text)
                deleted = store.delete(*words, None, cutoff)
                log.info("retention removed %d rows of %s", deleted.rows, series)
            except FlightstoreError as error:
                log.error("retention of %s failed: %s", series, error)
