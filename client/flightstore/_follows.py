"""The part of the client that follows what is committed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flightstore._connection import Connection
from flightstore._live.iterator import Live, opened
from flightstore._live.selection import Selection
from flightstore._live.stream import LiveStream
from flightstore._requests import Instruments, choice

LAGS = ("bridge", "raise")


class Follows:
    """Live streams of rows; part of Client."""

    _connection: Connection

    def live(
        self,
        instruments: Instruments,
        timeframe: str = "",
        start: Any = None,
        *,
        dataset: str = "candles",
        columns: str | Sequence[str] | None = None,
        closed: bool = False,
        after_lsn: int | None = None,
        on_lag: str = "bridge",
        reconnect_seconds: float | None = None,
    ) -> Live:
        """Rows as they are committed: first what is there from `start` on, then every change.

        Nothing is missing in between and nothing comes twice; only where a connection breaks in the
        midst of a history or of a large commit may a change come again. Instruments that appear
        later and match a pattern are part of it.

        instruments  one name, a pattern, or a list of both, as in `read`
        start        history from here on, in any form that `read` takes; None: none
        columns      names to return; `ts` always comes first. None: all
        closed       of series that a rule keeps only bars that are over, each once it is
        after_lsn    go on after this LSN (`LiveBatch.lsn`, `Live.lsn`) instead of with a history;
                     `start` is then where to begin again if the log no longer reaches back to it
        on_lag       what to do where the log no longer reaches back to where the stream is, after
                     a long absence or because rows were taken too slowly:
                     "bridge"  read the rows again from the newest time that was handed out of each
                               series, and say so in `LiveBatch.bridged`. Deletes, and changes of
                               older rows, that were made in between are not in the stream: read
                               the range again if they matter
                     "raise"   raise Lagged
        reconnect_seconds  for how long to look for a server that has gone, with pauses of up to
                     5 s, before Unavailable is raised. None: for ever; 0: not at all. The stream
                     goes on where it broke off

        There is no deadline. Raises as `batches` does while the stream is opened; Lagged where
        there is nothing to begin a bridge from.

            with db.live("binance:*", "1m", "-1h") as live:
                for batch in live:
                    print(batch.frame)
        """
        selection = Selection(instruments, timeframe, start, dataset, columns, closed, after_lsn)
        return self.live_many([selection], on_lag=on_lag, reconnect_seconds=reconnect_seconds)

    def live_many(
        self,
        selections: Iterable[Selection],
        *,
        on_lag: str = "bridge",
        reconnect_seconds: float | None = None,
    ) -> Live:
        """Several selections in one iterator, such as bars and trades; keywords as in `live`.

        Each batch is of one selection and says its `dataset` and `timeframe`. The batches of one
        selection come in the order of commits, those of different ones as they arrive; each is
        followed by a thread and a stream of its own.

            with db.live_many([
                fs.Selection("binance:*", "1m"),
                fs.Selection("binance:*", dataset="trades"),
            ]) as live:
                for batch in live:
                    ...
        """
        choice("on_lag", on_lag, LAGS)
        stream = LiveStream(
            self._connection,
            list(selections),
            on_lag=on_lag,
            reconnect_seconds=reconnect_seconds,
        )
        return self._ready(Live(stream))

    def _ready(self, live: Live) -> Live:
        return opened(live)
