"""Clients that do not behave: they vanish, stop half-way, or never look at what they asked for."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from pyarrow import flight
from tests.soak.load import EXCHANGE, Worker, instrument
from tests.support import wire
from tests.support.launcher import SERVER
from tests.support.rows import trades

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb

# Follows everything and takes nothing of it, until it is killed.
_NEVER_READS = """
import sys, time
from pyarrow import flight
reader = flight.FlightClient(sys.argv[1]).do_get(flight.Ticket(bytes.fromhex(sys.argv[2])))
print("open", flush=True)
time.sleep(600)
"""


class Troubles(Worker):
    """One fault after another, of random kinds."""

    def __init__(self, uri: str, per_second: float, seed: int) -> None:
        super().__init__(uri, per_second)
        self._rng = random.Random(seed)
        self._kinds: list[Callable[[fs.Client], None]] = [
            self._killed_subscriber,
            self._abandoned_put,
            self._abandoned_read,
            self._dropped_connection,
        ]

    def work(self, db: fs.Client) -> None:
        try:
            self._rng.choice(self._kinds)(db)
        except (flight.FlightError, fs.UnknownInstrument, fs.UnknownDataset):
            return  # the server is away, or has nothing yet

    def _subscription(self) -> bytes:
        request = pb.SubscribeRequest(dataset="trades", instruments=[f"{EXCHANGE}:*"], start=0)
        return pb.Ticket(subscribe=request).SerializeToString()

    def _killed_subscriber(self, db: fs.Client) -> None:
        ticket = self._subscription().hex()
        child = SERVER.start(_NEVER_READS, [self._uri, ticket], environment={}, stderr=2)
        try:
            assert child.stdout is not None
            child.stdout.readline()
        finally:
            child.close()

    def _abandoned_put(self, db: fs.Client) -> None:
        rows = trades([(time.time_ns(), "never", 1.0)])
        with flight.FlightClient(self._uri) as client:
            wire.put(client, [rows], None, dataset="trades")

    def _abandoned_read(self, db: fs.Client) -> None:
        for _ in db.batches(instrument(0), dataset="trades"):
            return

    def _dropped_connection(self, db: fs.Client) -> None:
        with flight.FlightClient(self._uri) as client:
            reader = client.do_get(flight.Ticket(self._subscription()), wire.SECONDS)
            reader.read_chunk()
            reader.cancel()
