"""What a log record says of the series that it takes away."""

from __future__ import annotations

from collections.abc import Iterable

from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.engine.series import Series


def gone_with(series: Iterable[Series]) -> pb.LogGone:
    """The words of `series` and of all that is derived from them. The caller keeps log order."""
    going = {one.id: one for each in series for one in (each, *each.dependents)}
    return pb.LogGone(
        series=[
            pb.Series(
                dataset=one.dataset.name,
                instrument=str(one.instrument),
                timeframe=one.timeframe_text,
            )
            for one in going.values()
        ]
    )
