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
    assert len(status) == 20
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


def test_status_lists_who_follows_the_log(server, db) -> None:
    follower = {"name": "daily", "kind": "aggregates", "lsn": 7, "state": "running"}
    server.script.actions["status"] = lambda _: [
        pb.Status(consumers=[follower], log_tail_lsn=3, following="grpc://a:1")
    ]
    status = db.status()
    assert status.consumers == [fs.Consumer("daily", "aggregates", 7, "running", "", 0)]
    assert (status.log_tail_lsn, status.following) == (3, "grpc://a:1")


def test_sync_waits_for_an_acknowledgement_and_says_how_far_it_came(server, db) -> None:
    server.script.actions["sync"] = lambda _: [pb.SyncResult(lsn=9)]
    assert db.sync(fs.WriteAck(9, 1), "daily", 2).lsn == 9
    assert db.sync(timeout=0).lsn == 9
    one, other = (pb.SyncRequest.FromString(body) for kind, body in server.asked if kind == "sync")
    assert (one.lsn, one.consumers, one.timeout_seconds) == (9, ["daily"], 2)
    assert not other.HasField("lsn")
    assert 0 < other.timeout_seconds < 0.1


def test_a_sync_that_took_too_long_names_who_is_behind(server, db) -> None:
    behind = [pb.Consumer(name="mirror", kind="replica", lsn=4, state="retrying")]
    server.script.actions["sync"] = lambda _: [pb.SyncResult(lsn=9, behind=behind)]
    with pytest.raises(fs.DeadlineExceeded, match=r"LSN 9 after 1 s: mirror \(at 4, retrying\)"):
        db.sync(timeout=1)
    with pytest.raises(fs.BadRequest, match="timeout"):
        db.sync(timeout=-1)


def test_a_replica_is_promoted(server, db) -> None:
    server.script.actions["promote"] = lambda _: [pb.Health(ready=True, version="1")]
    assert not db.promote().read_only
