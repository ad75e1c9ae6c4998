"""Windows over the wire: many in one request, sorted for the server, handed out as asked."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flightstore._connection import Connection, ReadStream
from flightstore._windows.places import Int64s, Spots, Stretches
from flightstore._windows.values import Floats, floats
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import InternalError

Places = NDArray[np.intp]


class Received:
    """Windows that came in one answer, in the order in which they were asked for."""

    is_streamed = True

    def __init__(self, values: Floats, starts: Int64s) -> None:
        self._values, self._starts = values, starts

    def values(self, span: slice) -> Floats:
        """Some of the windows asked for, (windows, columns, length), as an array of their own."""
        values = self._values[span]
        # Whoever keeps a few windows should not keep all that came with them.
        return values if len(values) == len(self._values) else values.copy()

    def starts(self, span: slice) -> Int64s:
        """The times of their first rows."""
        return self._starts[span]


class Streamed:
    """Asks the server for windows. `wanted` says of what kind; which ones, each request."""

    def __init__(
        self, connection: Connection, wanted: pb.WindowsRequest, stretches: Stretches
    ) -> None:
        self._connection = connection
        self._wanted = wanted
        self._stretches = stretches

    def read(self, spots: Spots) -> Received:
        """The windows at `spots`. Tried again while no server is to be found."""
        order = np.lexsort((spots.first, spots.stretch))  # stretches are sorted by series
        ticket = self._ticket(Spots(spots.stretch[order], spots.first[order]))
        return self._connection.retrying(lambda: self._fetched(ticket, order))

    def _ticket(self, spots: Spots) -> bytes:
        held = self._stretches
        series, numbers = np.unique(held.series[spots.stretch], return_inverse=True)
        request = pb.WindowsRequest()
        request.CopyFrom(self._wanted)
        request.instruments.extend(held.instruments[number] for number in series.tolist())
        request.series.extend(numbers.tolist())
        request.since.extend(held.start[spots.stretch].tolist())
        request.first.extend(spots.first.tolist())
        ticket: bytes = pb.Ticket(windows=request).SerializeToString()
        return ticket

    def _fetched(self, ticket: bytes, order: Places) -> Received:
        stream = self._connection.open_read(ticket)
        try:
            return self._received(stream, order)
        except BaseException:
            stream.cancel()
            raise

    def _received(self, stream: ReadStream, order: Places) -> Received:
        """The windows of the stream, of which the first is to be number `order[0]`."""
        windows, length = len(order), self._wanted.length
        values = np.empty((windows, len(self._wanted.columns), length))
        row, came = 0, list[int]()
        for batch, metadata in stream:
            came.extend(pb.WindowsBatch.FromString(metadata).start)
            if batch is not None:
                _fill(values, order, row, batch)
                row += batch.num_rows
        if len(came) != windows or row != windows * length:
            raise InternalError(
                f"The server at {self._connection.uri} sent {row} rows of {len(came)} windows, "
                f"and {windows} of {length} rows were asked for."
            )
        starts = np.empty(windows, np.int64)
        starts[order] = came
        return Received(values, starts)


def _fill(values: Floats, order: Places, row: int, batch: pa.RecordBatch) -> None:
    """Put the rows of `batch` into their places; so many as `row` are in theirs already."""
    columns = [floats(column) for column in batch.columns]
    windows, _, length = values.shape
    done, rows = 0, min(batch.num_rows, windows * length - row)
    while done < rows:
        window, first = divmod(row + done, length)
        whole = 0 if first else (rows - done) // length
        count = whole * length or min(length - first, rows - done)
        for number, column in enumerate(columns):
            part = column[done : done + count]
            if whole:
                values[order[window : window + whole], number] = part.reshape(whole, length)
            else:
                values[order[window], number, first : first + count] = part
        done += count
