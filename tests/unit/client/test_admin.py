"""Looking after the server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb


def test_health_and_status_are_attributes_and_mappings(server, db) -> None:
    server.script.actions["status"] = lambda _: [
        pb.Status(version="1.0", series=7, counters={"reads": 3}, limits={"streams": 9})
    ]
    assert db.health() == fs.Health(ready=True, version="1", read_only=False, reason="")
    status = db.status()
    assert (status.series, status.counters, status["limits"]) == (7, {"reads": 3}, {"streams": 9})
    assert dict(status)["version"] == "1.0"
    assert len(status) == 16
    with pytest.raises(KeyError):
        status["colour"]


def test_snapshots_are_made_listed_and_dropped(server, db) -> None:
    made = pb.Snapshot(name="paper", lsn=4, created=1_704_067_200_000_000_000, series=2)
    for kind in ("snapshot-create", "snapshot-drop"):
        server.script.actions[kind] = lambda _: [made]
    server.script.actions["snapshot-list"] = lambda _: [pb.Snapshots(snapshots=[made])]
    expected = fs.Snapshot("paper", 4, datetime(2024, 1, 1, tzinfo=UTC), 2)
    assert db.snapshot("paper") == expected
    assert db.snapshots() == [expected]
    assert db.drop_snapshot("paper") == expected
    assert pb.SnapshotRequest.FromString(server.asked[1][1]).name == "paper"


def test_maintenance_answers_with_what_it_did(server, db) -> None:
    server.script.actions |= {
        "flush": lambda _: [pb.WriteAck(lsn=5)],
        "compact": lambda _: [pb.CompactResult(merged_segments=4, new_segments=1)],
        "backup": lambda _: [pb.BackupResult(destination="/b", files=2, bytes=9, lsn=5)],
        "verify": lambda _: [
            pb.VerifyProgress(files_done=1, files_total=2),
            pb.VerifyProgress(files_done=2, files_total=2, damage=["a.arrow"], finished=True),
        ],
    }
    assert db.flush().lsn == 5
    assert db.compact(full=True).merged_segments == 4
    assert pb.CompactRequest.FromString(server.asked[2][1]).full
    assert db.backup("/b") == fs.BackupResult("/b", 2, 9, 5)
    first, last = db.verify()
    assert not first.finished
    assert (last.damage, last.finished) == (["a.arrow"], True)


def test_an_action_the_server_does_not_have_is_named(db) -> None:
    with pytest.raises(fs.UnknownAction, match="no action compact"):
        db.compact()


def test_an_action_that_answers_nothing_is_a_defect(server, db) -> None:
    server.script.actions["compact"] = lambda _: []
    with pytest.raises(fs.InternalError, match="0 answers to 'compact'"):
        db.compact()
