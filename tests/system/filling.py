"""A store that is written to until its disk gives up, and what it must be able to do then."""

from __future__ import annotations

import random
from dataclasses import replace

import pyarrow as pa
import pytest
from tests.support.stores import SMALL, put, read
from tests.system.prefixes import Prefix

from flightstore_proto.errors import FlightstoreError, Poisoned
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.store import Store
from flightstore_server.engine.verify import verify_store

NEW = "kraken:NEW/ONE"
ROW_BYTES = 48
PUTS_MAX = 2_000


def random_limits(rng: random.Random) -> Limits:
    """Limits so small that the disk gives up sometimes under the log, sometimes under segments."""
    return replace(
        SMALL,
        bulk_put_bytes_min=rng.choice([1, 1 << 30]),
        log_file_bytes=rng.choice([4_096, 65_536, 1 << 20]),
        log_keep_bytes=rng.choice([0, 1 << 30]),
        flush_records=rng.choice([3, 20]),
        segment_rows_max=rng.choice([500, 5_000]),
    )


def fill(store: Store, prefix: Prefix) -> None:
    """Put, and do what is due in between, until the store says that it cannot write any more."""
    for _ in range(PUTS_MAX):
        try:
            put(store, prefix.next(), put_id=prefix.sent)
        except FlightstoreError as error:
            assert isinstance(error, Poisoned), f"a disk that fails is {error!r}"
            return
        prefix.acknowledged += 1
        store.upkeep()
    raise AssertionError("the disk took everything")


def check_poisoned(store: Store, prefix: Prefix) -> None:
    """A store that could not write refuses everything that writes, and reads on."""
    assert prefix.puts_in(found(store, prefix)) == prefix.acknowledged
    for write in (
        lambda: put(store, Prefix(NEW).next(), instrument=NEW),
        store.flush,
        lambda: store.snapshot("late"),
    ):
        with pytest.raises(Poisoned):
            write()


def check_whole(store: Store, prefix: Prefix) -> None:
    """A store on a healthy disk holds what was acknowledged, and does everything."""
    prefix.check(found(store, prefix))
    put(store, Prefix(NEW).next(), instrument=NEW)
    store.flush()
    store.compact(full=True)
    store.upkeep()
    prefix.check(found(store, prefix))
    assert [progress.damage for progress in verify_store(store)][-1] == []


def found(store: Store, prefix: Prefix) -> list[pa.RecordBatch]:
    """The rows of the series; perhaps it does not exist."""
    return read(store, instrument=prefix.instrument) if prefix.acknowledged else []
