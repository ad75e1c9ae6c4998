"""Queries while they run: what may stop them, and letting go of all they hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import duckdb

from flightstore_proto.errors import DeadlineExceeded, FlightstoreError, Unavailable

T = TypeVar("T")
_LOOK_SECONDS = 0.02
# How long an interrupted step may take to end before others are looked after.
_PATIENCE_SECONDS = 0.005


class Running:
    """Cursors that work for one query.

    `look` of another thread interrupts them when the time is over and when `cancelled` says so;
    then it closes them, even if nobody comes to fetch the rest.
    """

    def __init__(
        self,
        seconds: float,
        cancelled: Callable[[], bool],
        translate: Callable[[str], FlightstoreError],
        ended: Callable[[], None],
    ) -> None:
        self._until = time.monotonic() + seconds
        self._seconds = seconds
        self._cancelled = cancelled
        self._translate = translate
        self._ended = ended
        self._why: FlightstoreError | None = None
        self._working = threading.Lock()
        self._open = threading.Lock()  # guards _cursors, and `cancelled` against close()
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self.finished = False

    def cursor(self, database: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        """A cursor of `database` that is interrupted and closed with this query."""
        made = database.cursor()
        with self._open:
            self._cursors.append(made)
        return made

    def check(self) -> None:
        """Raises if the query is to end."""
        if self._why is not None:
            raise self._why

    def work(self, step: Callable[[], T]) -> T:
        """`step`, which uses the cursors. Raises why the query was stopped, or what went wrong."""
        with self._working:
            self.check()
            try:
                return step()
            except (duckdb.Error, OSError) as error:  # OSError: from a stream that has begun
                self.check()
                raise self._translate(str(error)) from None

    def stop(self, why: FlightstoreError) -> None:
        """Have the query end, with `why` for its client. To be called until it is finished."""
        self._why = self._why or why
        self._interrupt()
        # A step that has only just begun does not see the interrupt; so there is a next time.
        if self._working.acquire(timeout=_PATIENCE_SECONDS):
            self._working.release()
            self.close()

    def look(self) -> None:
        """Stop the query if it is time for that."""
        why = self._why or self._reason_to_stop()
        if why is not None:
            self.stop(why)

    def close(self) -> None:
        """Let go of everything. Only between steps; closing twice is harmless."""
        with self._open:
            if self.finished:
                return
            self.finished = True
        for cursor in self._cursors:
            cursor.interrupt()  # or closing waits for what was being computed ahead
            cursor.close()
        self._ended()

    def _interrupt(self) -> None:
        with self._open:
            if not self.finished:
                for cursor in self._cursors:
                    cursor.interrupt()

    def _reason_to_stop(self) -> FlightstoreError | None:
        if time.monotonic() >= self._until:
            return DeadlineExceeded(
                f"The query took longer than {self._seconds:g} s (seconds_max in [sql], or the "
                "timeout it came with); ask for less of time or fewer series."
            )
        with self._open:
            # Once the query is closed, Flight's call is over and what `cancelled` asks is gone.
            if not self.finished and self._cancelled():
                return Unavailable("The query was cancelled.")
        return None


class Watch:
    """A thread that looks after all queries under way, every 20 ms while there are any."""

    def __init__(self) -> None:
        self._under_way: set[Running] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="sql watch", daemon=True)
        self._thread.start()

    @property
    def running(self) -> int:
        """How many queries are under way."""
        with self._changed:
            self._tidy()
            return len(self._under_way)

    def add(self, running: Running) -> None:
        """Look after one more. Raises Unavailable once the server is stopping."""
        with self._changed:
            if self._closed:
                raise stopping()
            self._under_way.add(running)
            self._changed.notify()

    def close(self) -> None:
        """End all that is under way."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._under_way or self._closed)
                self._changed.wait_for(lambda: self._closed, timeout=_LOOK_SECONDS)
                self._tidy()
                looked_after, closed = list(self._under_way), self._closed
            for running in looked_after:
                if closed:
                    running.stop(stopping())
                else:
                    running.look()
            if closed and not looked_after:
                return

    def _tidy(self) -> None:
        self._under_way = {running for running in self._under_way if not running.finished}


def stopping() -> Unavailable:
    """Why nothing is answered any more."""
    return Unavailable("The server is stopping.")
