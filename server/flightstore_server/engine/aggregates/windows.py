"""Windows of time: half-open spans that follow a timeframe on the clock of a zone.

In UTC they are the grid of `flightstore_proto.timeframe`: multiples of the timeframe since 1970,
weeks from Monday, months and years from their first day. In a zone they are the same grid of local
times, and with an offset each begins that much later: days in New York with an offset of 17 hours
are the sessions from 17:00 to 17:00.

Where clocks go forward, a window that would begin at a skipped time begins at the change. Where
they go back, windows as long as the repeated time or shorter come twice; a longer one holds it
whole and lasts that much longer, so that starts always rise.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from flightstore_proto.timeframe import DAY_NS, Timeframe
from flightstore_proto.timerange import TS_MAX, TS_MIN
from flightstore_server.engine import grid
from flightstore_server.engine.aggregates import zones

Int64s = NDArray[np.int64]
# One past the last time, and where the last window ends.
END = TS_MAX + 1
_ALL_OF_INT64 = 2**64
_SHORT_MONTH_NS = 28 * DAY_NS


@dataclass(frozen=True, slots=True)
class _Span:
    """A time during which the zone keeps its offset.

    It begins at `begin`, inside the window that starts at `held`; from `regular` on, which may lie
    after the span, windows start where the grid says. A time plus `shift` is the time on the grid.
    """

    begin: int
    held: int
    regular: int
    shift: int


@dataclass(frozen=True)
class Windows:
    """The windows of a timeframe in a zone, each `offset_ns` later than the zone's own.

    All times are ns since 1970 UTC. The first window starts at TS_MIN and the last ends at 2^63,
    wherever the grid would have them. Raises BadRequest if there is no such zone.
    """

    timeframe: Timeframe
    zone: str = "UTC"
    offset_ns: int = 0
    _spans: tuple[_Span, ...] = field(init=False, repr=False, compare=False)
    _begins: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        spans = _spans(self.timeframe, self.zone, self.offset_ns)
        object.__setattr__(self, "_spans", spans)
        object.__setattr__(self, "_begins", tuple(span.begin for span in spans))

    def floor(self, ts: int) -> int:
        """The start of the window that holds `ts`, which is in [-2^63, 2^63]."""
        span = self._spans[self._span_at(ts)]
        if ts < span.regular:
            return span.held
        return grid.floor(ts + span.shift, self.timeframe) - span.shift

    def ceil(self, ts: int) -> int:
        """The first start of a window at or after `ts`; 2^63 if there is none."""
        start = self.floor(ts)
        return start if start == ts else self.after(start)

    def after(self, start: int) -> int:
        """The end of the window that starts at `start`, which is the start of the next one."""
        at = self._span_at(start)
        span = self._spans[at]
        following = span.regular
        if start >= span.regular:
            following = grid.next_point(start + span.shift, self.timeframe) - span.shift
        for number in range(at + 1, len(self._spans)):
            later = self._spans[number]
            if following < later.begin:
                break
            if later.held == later.begin:
                return later.begin
            following = later.regular
        return min(following, END)

    @property
    def typical_ns(self) -> int:
        """How long most of them last, or of months somewhat less."""
        return self.timeframe.step_ns or self.timeframe.months * _SHORT_MONTH_NS

    def starts(self, low: int, high: int) -> Int64s:
        """All starts of windows from that of the window which holds `low` to before `high`."""
        first = self.floor(low)
        pieces: list[Int64s] = []
        for span, begin, end in self._spans_between(first, high):
            if begin < span.regular:
                if span.held == begin:
                    pieces.append(np.array([begin], np.int64))
                begin = span.regular
            pieces.append(self._regular(span, begin, end))
        return np.concatenate(pieces) if pieces else np.empty(0, np.int64)

    def floors(self, ts: Int64s) -> Int64s:
        """floor() of each of `ts`, which rise or stay."""
        floors = np.empty(len(ts), np.int64)
        if not len(ts):
            return floors
        for span, begin, end in self._spans_between(int(ts[0]), int(ts[-1]) + 1):
            held = slice(*_places(ts, begin, min(max(begin, span.regular), end)))
            floors[held] = span.held
            regular = slice(held.stop, _places(ts, begin, end)[1])
            if regular.start < regular.stop:
                floors[regular] = self._regular_floors(span, ts[regular])
        return floors

    def ends(self, starts: Int64s) -> Int64s:
        """after() of each of `starts`, which rise; the last nanosecond where that is 2^63."""
        ends = np.empty(len(starts), np.int64)
        if not len(starts):
            return ends
        step = self.timeframe.step_ns
        for span, begin, end in self._spans_between(int(starts[0]), int(starts[-1]) + 1):
            regular = min(max(begin, span.regular), end)
            first, stop = _places(starts, begin, end)
            # What reaches the end of the span may go on in the next one, or be cut off there.
            low, high = _places(starts, regular, max(regular, end - step) if step else regular)
            if low < high:
                ends[low:high] = starts[low:high] + step
            for at in (*range(first, low), *range(high, stop)):
                ends[at] = min(self.after(int(starts[at])), TS_MAX)
        return ends

    def _span_at(self, ts: int) -> int:
        return bisect_right(self._begins, ts) - 1

    def _spans_between(self, low: int, high: int) -> Iterator[tuple[_Span, int, int]]:
        """The spans that overlap [low, high), and the part of it that each has."""
        for at in range(self._span_at(low), len(self._spans)):
            span = self._spans[at]
            end = self._begins[at + 1] if at + 1 < len(self._spans) else END
            if max(span.begin, low) >= high:
                return
            yield span, max(span.begin, low), min(end, high)

    def _regular(self, span: _Span, low: int, high: int) -> Int64s:
        """The starts in [low, high) that the grid gives; `low` is one of them."""
        if not self.timeframe.months:
            return _steps(low, high, self.timeframe.step_ns)
        starts: list[int] = []
        while low < high:  # all of time has 7,000 months
            starts.append(low)
            low = grid.next_point(low + span.shift, self.timeframe) - span.shift
        return np.array(starts, np.int64)

    def _regular_floors(self, span: _Span, ts: Int64s) -> Int64s:
        step, last = self.timeframe.step_ns, int(ts[-1])
        first = self.floor(int(ts[0]))
        if self.timeframe.months:
            starts = self._regular(span, first, last + 1)
            return np.repeat(starts, np.diff(np.searchsorted(ts, starts), append=len(ts)))
        if last - first < step:
            return np.full(len(ts), first, np.int64)
        # Unsigned, as all of time is longer than int64 can say.
        floors = ts.view(np.uint64) - _wrapped(first)
        floors //= np.uint64(step)
        floors *= np.uint64(step)
        floors += _wrapped(first)
        return floors.view(np.int64)


def _places(ts: Int64s, low: int, high: int) -> tuple[int, int]:
    """From where to where the times are in [low, high), of sorted ones."""
    first = int(np.searchsorted(ts, low)) if low > TS_MIN else 0
    return first, len(ts) if high == END else max(first, int(np.searchsorted(ts, high)))


def _steps(low: int, high: int, step: int) -> Int64s:
    """low, low + step, … before `high`."""
    # np.arange(low, high, step) counts in floating point, and may lose the last one.
    count = max(0, -((low - high) // step))
    steps = np.arange(count, dtype=np.uint64)
    steps *= _wrapped(step)
    steps += _wrapped(low)
    return steps.view(np.int64)


def _wrapped(ns: int) -> np.uint64:
    """`ns` modulo 2^64: sums and products of these wrap to the right int64."""
    return np.uint64(ns % _ALL_OF_INT64)


@lru_cache(maxsize=256)
def _spans(timeframe: Timeframe, zone: str, offset_ns: int) -> tuple[_Span, ...]:
    first, *changes = zones.changes(zone)
    shift = first.ahead - offset_ns
    key = grid.floor(TS_MIN + shift, timeframe)
    # `key` is the start on the grid's own clock of the latest window, and `start` its first moment.
    start = TS_MIN
    spans = [_Span(TS_MIN, start, grid.next_point(key, timeframe) - shift, shift)]
    for at, ahead in changes:
        if at > spans[-1].regular:
            key = grid.floor(at - 1 + shift, timeframe)
            start = key - shift
        jump, shift = ahead - offset_ns - shift, ahead - offset_ns
        now = grid.floor(at + shift, timeframe)
        repeated = not timeframe.months and 0 < timeframe.step_ns <= -jump
        if now > key or repeated:
            key, start = now, at
        spans.append(_Span(at, start, grid.next_point(key, timeframe) - shift, shift))
    return tuple(spans)
