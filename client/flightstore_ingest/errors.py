"""What can go wrong at a source, by what to do about it.

SourceError
├── Busy         asked too often: the whole source waits `retry_after` seconds
├── Unreachable  network, maintenance, a proxy in the way: try again, later and later
├── Garbage      an answer that cannot be true: it is thrown away and asked for again
├── Blocked      the source refuses this machine or key: tried again seldom, said loudly
├── Beyond       the source reaches back less far: that part stays a gap, the rest goes on
├── Refused      this series cannot be had as configured: it stops, the others go on
└── Ended        the source has delisted this series: what is stored stays
"""

from __future__ import annotations

from flightstore_proto.errors import FlightstoreError


class SourceError(FlightstoreError):
    code = "source_error"


class Busy(SourceError):
    """`retry_after` is in seconds; None if the source did not say."""

    code = "source_busy"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unreachable(SourceError):
    code = "source_unreachable"


class Garbage(SourceError):
    code = "source_garbage"


class Blocked(SourceError):
    code = "source_blocked"


class Beyond(SourceError):
    code = "source_beyond"


class Refused(SourceError):
    code = "series_refused"


class Ended(SourceError):
    code = "series_ended"
