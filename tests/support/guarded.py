"""A server with access control inside of the test's process, and tokens of every kind for it."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support.rows import minutes

import flightstore as fs
from flightstore_server.access import tokens_file
from flightstore_server.access.certificates import CertificateFiles
from flightstore_server.access.gate import Gate
from flightstore_server.access.grants import EVERYTHING, Role, Scope
from flightstore_server.access.tokens import issue
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.received import Put, SeriesRows
from flightstore_server.engine.store import Store
from flightstore_server.flight.lifecycle import bind
from flightstore_server.storage.files import open_root

REPLICATION_TOKEN = "the-replication-token-of-a-test"


class Guarded:
    """One data directory, served on a free port; `add` and `revoke` change who is let in."""

    def __init__(self, root: Path, certificates: CertificateFiles | None = None) -> None:
        self.store = Store(open_root(root), Limits(), upkeep_thread=False)
        self.gate = Gate(self.store.files, replication_token=REPLICATION_TOKEN)
        self.listener = bind(self.store, "127.0.0.1", 0, gate=self.gate, certificates=certificates)

    @property
    def uri(self) -> str:
        return self.listener.uri

    def add(
        self, name: str, role: Role, scope: Scope = EVERYTHING, *, expires: int | None = None
    ) -> str:
        """A new token's text, which the server knows of at its next look."""
        token, text = issue(name, role, scope, now_ns=time.time_ns(), expires=expires)
        tokens_file.change(open_root(self.store.files.root), lambda tokens: [*tokens, token])
        return text

    def revoke(self, name: str) -> None:
        """Have the token called `name` be worth nothing at the server's next look."""
        tokens_file.change(
            open_root(self.store.files.root),
            lambda tokens: [token for token in tokens if token.name != name],
        )

    def look(self) -> None:
        """Have the server look at the tokens now, and not only after a while."""
        self.listener.refresh()

    def fill(
        self, *names: str, dataset: str = "candles", timeframe: str = "1m", close: float = 0.0
    ) -> None:
        """Ten rows of each of `names`, written without asking anybody."""
        for name in names:
            put = Put(dataset, [minutes(range(10), close)], [SeriesRows(name, timeframe, 10)], 0)
            self.store.put(put).result()

    def connect(self, token: str | None = None, tls: fs.Tls | None = None) -> fs.Client:
        """A client that has all rows sent over the wire."""
        return fs.connect(self.uri, token=token, tls=tls, same_host=False, check=False)

    def close(self) -> None:
        self.listener.shutdown()
        self.store.close()
