"""Where a live stream is, so that another one can go on where it broke off."""

from __future__ import annotations

from flightstore._identity import Runs
from flightstore._live.times import Times
from flightstore_proto import flightstore_pb2 as pb


class Position:
    """What has arrived of one subscription. Begins as `asked` says.

    lsn      every change up to it has arrived. None before the first message, and in a history
    history  the stream is still at the rows that were there when it began
    """

    def __init__(self, asked: pb.SubscribeRequest) -> None:
        self._asked = pb.SubscribeRequest()
        self._asked.CopyFrom(asked)
        self.start: int | None = asked.start if asked.HasField("start") else None
        self.lsn: int | None = asked.after_lsn if asked.HasField("after_lsn") else None
        self.history = self.start is not None and self.lsn is None
        self._read_as_of = 0
        self._last: pb.HistoryPosition | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether `request` asks for no position in the log, so that none can be too old."""
        return self._last is None if self.history else self.lsn is None

    def request(self) -> pb.SubscribeRequest:
        """What to ask for to get all that has not arrived yet, and nothing else."""
        request = pb.SubscribeRequest()
        request.CopyFrom(self._asked)
        request.ClearField("start")
        request.ClearField("after_lsn")
        if not self.history:
            if self.lsn is not None:
                request.after_lsn = self.lsn
            return request
        if self.start is not None:
            request.start = self.start
        if self._last is not None:
            request.after_lsn = self._read_as_of
            request.delivered.CopyFrom(self._last)
        return request

    def begin_again(self, start: int) -> None:
        """Forget what has arrived: the next stream begins with a history from `start`."""
        self.start, self.lsn, self.history, self._last = start, None, True, None

    def note(self, said: pb.LiveBatch, runs: Runs, ts: Times) -> None:
        """One batch has arrived: `said` came with it, `runs` and `ts` are of its rows."""
        if not said.history:
            self.lsn, self.history, self._last = said.lsn, False, None
        elif len(ts):
            if self._last is None:
                # Of the first part: a later one may be read as of a later LSN, but then the
                # changes in between to this one are still to come.
                self._read_as_of = said.lsn
            self._last = self._after(runs, ts)

    def _after(self, runs: Runs, ts: Times) -> pb.HistoryPosition:
        """The position after a batch of the history."""
        name, start, end = runs.spans()[-1]
        equal = end - ts.first_at(ts[end - 1], start, end)
        before = self._last
        if (
            before is not None
            and equal == len(ts)
            and (before.instrument, before.ts) == (name, ts[-1])
        ):
            equal += before.rows  # rows of one time that came in several batches
        return pb.HistoryPosition(instrument=name, ts=ts[end - 1], rows=equal)
