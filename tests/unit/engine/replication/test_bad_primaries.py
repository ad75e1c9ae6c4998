"""A replica takes nothing from a primary that says what no primary of ours would say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.replicating import LocalPrimary, copied, following, until
from tests.support.rows import NOON_2024, candles
from tests.support.stores import BULK, put, stepped

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import Corrupt
from flightstore_server.engine.replication.bootstrap import prepare
from flightstore_server.engine.replication.primary import Copy, Shipment
from flightstore_server.engine.store import Store
from flightstore_server.storage import layout
from flightstore_server.storage.files import open_root
from flightstore_server.storage.log.group import StoredRecord

BAR = candles([NOON_2024])


@pytest.fixture
def bulk(tmp_path: Path) -> Iterator[Store]:
    """A primary all of whose puts are files."""
    opened = stepped(tmp_path / "bulk", BULK)
    put(opened, BAR)
    yield opened
    opened.close()


class _Misnaming(LocalPrimary):
    """Its records name a file outside of the data directory."""

    def follow(self, after_lsn: int) -> Iterator[Shipment]:
        for shipment in super().follow(after_lsn):
            yield replace(shipment, records=[_misnamed(record) for record in shipment.records])


def _misnamed(record: StoredRecord) -> StoredRecord:
    message = pb.LogRecord.FromString(record.header)
    for run in message.put.runs:
        for segment in run.segments:
            segment.file = f"../{segment.file}"
    return replace(record, header=message.SerializeToString())


class _Ending(LocalPrimary):
    def follow(self, after_lsn: int) -> Iterator[Shipment]:
        return iter([Shipment(after_lsn, ())])


class _Failing(LocalPrimary):
    def follow(self, after_lsn: int) -> Iterator[Shipment]:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (_Misnaming, "which is no segment's name"),
        (_Ending, "has ended the stream"),
        (_Failing, "Following failed: ZeroDivisionError()"),
    ],
)
def test_following_goes_wrong_visibly_and_nothing_is_taken(
    bulk: Store, tmp_path: Path, kind: type[LocalPrimary], said: str
) -> None:
    primary = LocalPrimary(bulk)
    replica = copied(tmp_path / "replica", primary)
    put(bulk, candles([NOON_2024], 2.0))
    with following(replica, kind(bulk)) as thread:
        until(lambda: said in thread.error, lambda: thread.error)
        assert thread.lsn == 1
    replica.close()


class _Skipping(LocalPrimary):
    """The pieces of its files do not follow each other."""

    def copy(self) -> Copy:
        copy = super().copy()
        return replace(copy, pieces=(replace(piece, offset=8) for piece in copy.pieces))


class _Lying(LocalPrimary):
    """Its copy is not of the record that it says."""

    def copy(self) -> Copy:
        copy = super().copy()
        return replace(copy, lsn=copy.lsn + 1)


@pytest.mark.parametrize(
    ("kind", "said"),
    [(_Skipping, "offset 8 came at 0"), (_Lying, "stands at record 1 and not at 2")],
)
def test_a_copy_that_does_not_fit_together_is_refused(
    bulk: Store, tmp_path: Path, kind: type[LocalPrimary], said: str
) -> None:
    root = tmp_path / "replica"
    with pytest.raises(Corrupt, match=said):
        prepare(open_root(root), kind(bulk))
    assert not (root / layout.CATALOG).exists()
