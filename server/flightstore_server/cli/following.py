"""What `flightstore serve` does before it opens a data directory, and after, to be a replica."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from flightstore_proto import pem
from flightstore_proto.errors import DataDirError
from flightstore_server.config import ReplicationSection
from flightstore_server.engine.replication import origin
from flightstore_server.engine.replication.bootstrap import prepare
from flightstore_server.engine.replication.replica import Replica
from flightstore_server.engine.store import Store
from flightstore_server.flight.primary import FlightPrimary
from flightstore_server.storage.files import open_root

log = logging.getLogger(__name__)


def make_ready(data_dir: Path, settings: ReplicationSection) -> FlightPrimary | None:
    """Have `data_dir` hold a copy if there is a primary to follow, which is returned.

    Raises DataDirError if it holds something else, ConfigError if a certificate cannot be read,
    and what keeps a copy from being made.
    """
    files = open_root(data_dir)
    if not settings.follow:
        origin.require_none(files)
        return None
    tls = pem.client_options(settings.ca, settings.cert, settings.key)
    primary = FlightPrimary(settings.follow, settings.token.get_secret_value(), tls)
    try:
        prepare(files, primary)
    except OSError as error:
        raise DataDirError(
            f"The copy in {data_dir} failed ({error.strerror or error}); mend the cause and start "
            "again."
        ) from error
    return primary


def follow(store: Store, primary: FlightPrimary, promoted: Callable[[], None]) -> None:
    """Begin to follow; `promoted` is called if the replica becomes a primary."""
    log.info("following %s after record %d", primary.uri, store.state.last_lsn)
    Replica(store, primary, promoted).start()
