"""The streams behind one iterator: a thread for each selection, and the queue they share."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from flightstore._connection import Connection
from flightstore._live.batch import LiveBatch
from flightstore._live.follower import Arrival, Follower
from flightstore._live.handover import Handover
from flightstore._live.selection import Selection
from flightstore_proto.errors import BadRequest, DeadlineExceeded

# Batches of at most 3 MB, for each selection. What is not taken stays with the server.
_ROOM = 8


class LiveStream:
    """What `Live` and `AsyncLive` iterate. Forgotten, it closes itself."""

    def __init__(
        self,
        connection: Connection,
        selections: Sequence[Selection],
        *,
        on_lag: str,
        reconnect_seconds: float | None,
    ) -> None:
        if not selections:
            raise BadRequest("There is nothing to follow: give at least one Selection.")
        self._uri, self.patience = connection.uri, connection.timeout.action
        self.arrivals: Handover[Arrival] = Handover(_ROOM * len(selections))
        # The threads know the queue and not this object: otherwise it could never be forgotten.
        self._followers = [
            Follower(
                connection, selection, number, self.arrivals.put,
                on_lag=on_lag, reconnect_seconds=reconnect_seconds,
            )
            for number, selection in enumerate(selections)
        ]  # fmt: skip
        self._positions: list[int | None] = [None] * len(selections)
        connection.close_first(self)
        for follower in self._followers:
            follower.start()

    @property
    def opened(self) -> list[Future[None]]:
        """One for each selection: done when the server has accepted it, within `patience`."""
        return [follower.opened for follower in self._followers]

    @property
    def lsn(self) -> int | None:
        """See `Live.lsn`."""
        positions = [lsn for lsn in self._positions if lsn is not None]
        return min(positions) if len(positions) == len(self._positions) else None

    def accept(self, arrival: Arrival) -> LiveBatch | None:
        """The batch in what was handed over, if it holds one; raises the error it may be."""
        if arrival.error is not None:
            self.close()
            raise arrival.error
        self._positions[arrival.follower] = arrival.lsn
        return arrival.batch

    def unanswered(self) -> DeadlineExceeded:
        """The error for a server that does not open the stream within `patience`."""
        return DeadlineExceeded(
            f"The server at {self._uri} has not begun a live stream within {self.patience:g} s."
        )

    def close(self) -> None:
        """Stop following. Waits for nothing; closing twice is harmless."""
        self.arrivals.close()
        for follower in self._followers:
            follower.stop()

    def __del__(self) -> None:
        if hasattr(self, "_positions"):  # absent if a selection could not be understood
            self.close()
