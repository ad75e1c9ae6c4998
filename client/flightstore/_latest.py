"""The part of the client that asks for the newest rows."""

from __future__ import annotations

from collections.abc import Sequence

from flightstore._connection import Connection
from flightstore._frames import OUTPUTS, Frame, in_zone, to_output
from flightstore._reading import fetch
from flightstore._requests import Instruments, choice, column_names, message, names
from flightstore_proto import flightstore_pb2 as pb


class Latest:
    """The newest rows; part of Client."""

    _connection: Connection

    def latest(
        self,
        instruments: Instruments,
        timeframe: str = "",
        *,
        dataset: str = "candles",
        columns: str | Sequence[str] | None = None,
        snapshot: str | None = None,
        tz: str | None = None,
        output: str = "polars",
    ) -> Frame:
        """The newest row of each series that matches: one frame, ordered by instrument.

        Columns: exchange, symbol (text), ts, those of the dataset or of them `columns`; and for
        bars `closed` (bool): whether the bar is over, since a later row or the range known complete
        has reached its end. A series without rows is left out. Keywords as in `read`.

        Asked again, it costs what has changed since: meant to be asked often, of many series. If
        some of several instruments cannot be served, a PartialReadWarning names them.
        """
        choice("output", output, OUTPUTS)
        request = message(
            pb.LatestRequest,
            dataset=dataset,
            instruments=names(instruments),
            timeframe=timeframe or "",
            columns=column_names(columns),
            snapshot=snapshot or "",
        )
        ticket = pb.Ticket(latest=request).SerializeToString()
        fetched = fetch(self._connection, ticket, runs=False)
        fetched.warn()
        return to_output(in_zone(fetched.table, tz), output)
