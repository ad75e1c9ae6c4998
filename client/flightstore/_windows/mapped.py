"""Windows out of the server's own files, where this process may map them.

Series are mapped when a window of theirs comes up: small ones together, since each request takes
time; and those that were not needed for longest are let go of where there are many files. A series
that cannot be mapped is streamed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from flightstore._connection import Connection
from flightstore._local.mapping import MAPS_MAX
from flightstore._local.opening import open_rows
from flightstore._local.stream import LocalStream
from flightstore._reading import identity
from flightstore._windows.places import Int64s, Spots, Stretches
from flightstore._windows.rows import Rows
from flightstore._windows.streamed import Received, Streamed
from flightstore._windows.values import Floats
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadRequest

# Series are asked for together until they have about so many bytes.
_GROUP_BYTES = 8 * 1024 * 1024
# Other reads of this process map files as well.
_FILES_MAX = MAPS_MAX // 2
# After so many groups in a row that are streamed no other one is asked for: the server may be on
# another machine, and each answer has begun before it is found to be of no use.
_REFUSALS_MAX = 3


class Cut:
    """Windows in mapped rows, and streamed ones among them."""

    def __init__(
        self,
        shape: tuple[int, int],
        rows: Sequence[Rows | None],
        first: Sequence[int],
        streamed: Received | None,
    ) -> None:
        self._shape, self._rows, self._first, self._streamed = shape, rows, first, streamed
        self.is_streamed = streamed is not None

    def values(self, span: slice) -> Floats:
        """Some of the windows asked for, (windows, columns, length), as an array of their own."""
        columns, length = self._shape
        parts = [
            self._sent(first) if held is None else held.window(first, length)
            for held, first in zip(self._rows[span], self._first[span], strict=True)
        ]
        values = np.empty((len(parts), columns, length))
        # One call for all of them: an assignment for each takes as long again as the copies.
        np.concatenate(parts, out=values.reshape(-1, length))
        return values

    def _sent(self, number: int) -> Floats:
        assert self._streamed is not None
        values: Floats = self._streamed.values(slice(number, number + 1))[0]
        return values

    def starts(self, span: slice) -> Int64s:
        """The times of their first rows."""
        found = []
        for held, first in zip(self._rows[span], self._first[span], strict=True):
            if held is not None:
                found.append(held.time_of(first))
            elif self._streamed is not None:
                found.append(int(self._streamed.starts(slice(first, first + 1))[0]))
        return np.array(found, np.int64)


class Mapped:
    """Windows of series whose files are mapped; of the others those that `streamed` has.

    `asked` says of what dataset, range and snapshot; whose rows, each request.
    """

    def __init__(
        self,
        connection: Connection,
        asked: pb.ReadRequest,
        stretches: Stretches,
        length: int,
        streamed: Streamed,
    ) -> None:
        self._connection, self._asked, self._streamed = connection, asked, streamed
        self._stretches, self._length = stretches, length
        self._groups = _groups(stretches, row_bytes=8 * (1 + len(asked.columns)))
        # Of each group that was asked for how many files it is, the longest unused one first.
        self._held: OrderedDict[int, int] = OrderedDict()
        # Of each stretch the rows that it lies in, if they are mapped, and how many are before it.
        self._rows: list[Rows | None] = [None] * len(stretches.rows)
        self._before = np.zeros(len(stretches.rows), np.int64)
        self._refusals = 0
        self._lock = threading.Lock()

    def read(self, spots: Spots) -> Cut | Received:
        """The windows at `spots`."""
        stretches, which = np.unique(spots.stretch, return_inverse=True)
        with self._lock:
            self._map(self._stretches.series[stretches])
            held = [self._rows[number] for number in stretches.tolist()]
            first = self._before[stretches][which] + spots.first
        if not any(held):
            return self._streamed.read(spots)
        self._check(held, stretches, which, first)
        sent = np.flatnonzero(np.array([h is None for h in held])[which])
        streamed = None
        if len(sent):
            streamed = self._streamed.read(Spots(spots.stretch[sent], spots.first[sent]))
            first[sent] = np.arange(len(sent))
        shape = len(self._asked.columns), self._length
        return Cut(shape, [held[number] for number in which.tolist()], first.tolist(), streamed)

    def _check(
        self, held: Sequence[Rows | None], stretches: Int64s, which: Int64s, first: Int64s
    ) -> None:
        """Raise BadRequest if a window reaches beyond the rows that its series has by now."""
        rows = np.array([2**62 if h is None else h.rows for h in held])
        beyond = np.flatnonzero(first + self._length > rows[which])
        if len(beyond):
            number = which[beyond[0]]
            name = self._stretches.instruments[self._stretches.series[stretches[number]]]
            raise BadRequest(
                f"{name} has {rows[number]} rows, fewer than when its windows were counted. Read "
                "from a snapshot what must not change."
            )

    def _map(self, series: Int64s) -> None:
        """Have the rows of those series mapped, where they can be."""
        for group in np.unique(self._groups[series]).tolist():
            if group not in self._held:
                rows, files = self._mapped(group)
                self._held[group] = files
                self._hold(group, rows)
            self._held.move_to_end(group)
        while sum(self._held.values()) > _FILES_MAX and len(self._held) > 1:
            group, _ = self._held.popitem(last=False)
            self._hold(group, {})

    def _hold(self, group: int, rows: dict[int, Rows]) -> None:
        """Note for every stretch of the group whose rows it lies in, and behind how many."""
        for stretch in np.flatnonzero(self._groups[self._stretches.series] == group).tolist():
            found = rows.get(int(self._stretches.series[stretch]))
            start = int(self._stretches.start[stretch])
            self._rows[stretch] = found
            self._before[stretch] = 0 if found is None else found.before(start)

    def _mapped(self, group: int) -> tuple[dict[int, Rows], int]:
        if self._refusals == _REFUSALS_MAX:
            return {}, 0
        series = np.flatnonzero(self._groups == group).tolist()
        numbers = {self._stretches.instruments[number]: number for number in series}
        request = pb.ReadRequest()
        request.CopyFrom(self._asked)
        request.instruments.extend(numbers)
        ticket = pb.Ticket(read=request).SerializeToString()
        if self._connection.same_host.asked(ticket) == ticket:
            return {}, 0  # this client maps no files: the answer would be all rows
        stream = self._connection.retrying(lambda: open_rows(self._connection, ticket))
        if not isinstance(stream, LocalStream):
            stream.cancel()
            self._refusals += 1
            return {}, 0
        self._refusals = 0
        return {numbers[name]: rows for name, rows in _by_name(stream).items()}, stream.files


def _groups(stretches: Stretches, row_bytes: int) -> Int64s:
    """The group of each series: those that follow each other, of about as many bytes."""
    count = len(stretches.instruments)
    size = np.bincount(stretches.series, stretches.rows * row_bytes, minlength=count)
    before, total = np.cumsum(size) - size, size.sum()
    groups = max(1, int(total / _GROUP_BYTES))
    group: Int64s = np.minimum(before * groups // total, groups - 1).astype(np.int64)
    return group


def _by_name(stream: LocalStream) -> dict[str, Rows]:
    """The rows of each series of the stream."""
    names = identity(stream.schema)[0].instruments
    batches: defaultdict[str, list[pa.RecordBatch]] = defaultdict(list)
    for batch, metadata in stream:
        if batch is not None:
            [series] = pb.BatchRuns.FromString(metadata).series
            batches[names[series]].append(batch)
    return {name: Rows(parts) for name, parts in batches.items()}
