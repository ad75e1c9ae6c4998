"""PostgreSQL while trades come in: bars that a trigger keeps, and LISTEN for who wants to know."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from itertools import count
from queue import Queue

import polars as pl
import psycopg

from bench.peers.contestants import postgresql_sql as sql
from bench.peers.contestants.postgresql_server import Server

_WAIT_SECONDS = 30.0
_LOOK_SECONDS = 0.5  # how often the listener sees whether it is still wanted
_IDS = count(3 * 10**9)  # nothing else has such ids


class Live:
    """W7 and W8."""

    _server: Server
    _db: psycopg.Connection
    _traded: int
    _listener: threading.Thread | None = None

    def _frame(self, question: str) -> pl.DataFrame:
        raise NotImplementedError

    def keep_minutes(self) -> None:
        self._db.execute(sql.KEEP_MINUTES)

    def wait_minutes(self) -> None:
        """An insert is acknowledged with its bars."""

    def refresh_minutes(self) -> None:
        """They are never behind."""

    def minutes(self) -> pl.DataFrame:
        return self._frame(sql.MINUTES)

    def put_now(self) -> None:
        number = self._trade()
        until = time.monotonic() + _WAIT_SECONDS
        while self._newest_close() != number:
            if time.monotonic() > until:
                raise TimeoutError("The bar has not got its trade.")

    def _newest_close(self) -> float:
        found = self._db.execute(sql.NEWEST_MINUTE, [self._traded], prepare=True).fetchone()
        assert found is not None
        return float(found[0])

    def _trade(self) -> int:
        """Put a trade of now, whose id is its price as well; until it is committed."""
        number = next(_IDS)
        trade = [self._traded, datetime.now(UTC), number, float(number)]
        self._db.execute(sql.TAKE_TRADE, trade, prepare=True)
        return number

    def subscribe(self) -> None:
        self._db.execute(sql.NOTIFY_TRADES)
        self._arrived: Queue[int] = Queue()
        self._wanted = True
        listening = psycopg.connect(self._server.address, autocommit=True)
        listening.execute(f"listen {sql.CHANNEL}")
        self._listener = threading.Thread(target=self._follow, args=(listening,))
        self._listener.start()

    def _follow(self, listening: psycopg.Connection) -> None:
        with listening:
            while self._wanted:
                for told in listening.notifies(timeout=_LOOK_SECONDS):
                    self._arrived.put(json.loads(told.payload)["id"])

    def deliver(self) -> None:
        number = self._trade()
        while self._arrived.get(timeout=_WAIT_SECONDS) != number:
            pass

    def _hang_up(self) -> None:
        listener, self._listener, self._wanted = self._listener, None, False
        if listener is not None:
            listener.join()
