"""DoAction: one small function per action, found by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from google.protobuf.message import Message

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadRequest, UnknownAction, did_you_mean, near, shown
from flightstore_server.engine import backup as backups
from flightstore_server.engine import verify as verification
from flightstore_server.engine.consumers import Consumer
from flightstore_server.engine.series import SeriesView
from flightstore_server.engine.store import Store
from flightstore_server.flight.requests import parse, range_of
from flightstore_server.storage.catalog import SnapshotRow
from flightstore_server.storage.files import boot_id, resident_bytes
from flightstore_server.version import VERSION

Action = Callable[[Store, bytes], Iterator[Message]]
_SYNC_SECONDS, _SYNC_SECONDS_MAX = 10.0, 600.0


def health(store: Store, _: bytes) -> Iterator[Message]:
    reason = _read_only_reason(store)
    yield pb.Health(ready=True, version=VERSION, read_only=bool(reason), reason=reason)


def _read_only_reason(store: Store) -> str:
    return store.committer.poison_reason or store.committer.read_only


def promote(store: Store, body: bytes) -> Iterator[Message]:
    """Make a replica a primary."""
    if store.replica is None:
        raise BadRequest("This server is not a replica; there is nothing to promote.")
    store.replica.promote()
    yield from health(store, body)


def status(store: Store, _: bytes) -> Iterator[Message]:
    state = store.state
    with state.lock:
        series = list(state.names.by_id.values())
        segments = {s.id: s.size for one in series for s in one.segments}
        memory = [table for one in series for table in one.memory]
    yield pb.Status(
        version=VERSION,
        data_dir=str(store.files.root),
        uptime_seconds=time.monotonic() - store.opened_at,
        series=len(series),
        segments=len(segments),
        segment_bytes=sum(segments.values()),
        last_lsn=state.last_lsn,
        flushed_lsn=store.catalog.flushed_lsn,
        log_bytes=store.committer.log.bytes(),
        memtable_rows=sum(table.rows for table in memory),
        memtable_bytes=state.memtable_bytes,
        resident_bytes=resident_bytes(),
        open_streams=store.maintenance.pins.count(),
        read_only_reason=_read_only_reason(store),
        counters={
            "open_segments": store.segments.count(),
            "log_sync_microseconds": int(store.committer.log.sync_seconds * 1e6),
        },
        limits={key: int(value) for key, value in asdict(store.limits).items()},
        log_tail_lsn=store.maintenance.log_tail_lsn,
        consumers=[_consumer(c) for c in store.consumers.all()],
        following=store.origin.primary if store.origin else "",
        boot_id=boot_id(),
    )


def coverage_action(store: Store, body: bytes) -> Iterator[Message]:
    request = parse(pb.RangeRequest, body, "action body")
    start, end = range_of(request.range)
    ranges = pb.Ranges()
    for low, high in _view(store, request).coverage:
        low, high = (
            max(low, low if start is None else start),
            min(high, high if end is None else end),
        )
        if low < high:
            ranges.ranges.add(start=low, end=high)
    yield ranges


def delete(store: Store, body: bytes) -> Iterator[Message]:
    request = parse(pb.DeleteRequest, body, "action body")
    series = request.series
    deleted = store.delete(
        series.dataset, series.instrument, series.timeframe, *range_of(request.range)
    )
    yield pb.WriteAck(lsn=deleted.lsn, rows=deleted.rows)


def describe(store: Store, body: bytes) -> Iterator[Message]:
    request = parse(pb.DescribeRequest, body, "action body")
    series = request.series
    ack = store.describe(
        series.dataset, series.instrument, series.timeframe, dict(request.metadata)
    )
    yield pb.WriteAck(lsn=ack.lsn)


def snapshot_create(store: Store, body: bytes) -> Iterator[Message]:
    request = parse(pb.SnapshotRequest, body, "action body")
    yield _snapshot(store, store.snapshot(request.name))


def snapshot_list(store: Store, _: bytes) -> Iterator[Message]:
    yield pb.Snapshots(snapshots=[_snapshot(store, row) for row in store.snapshots.list()])


def snapshot_drop(store: Store, body: bytes) -> Iterator[Message]:
    request = parse(pb.SnapshotRequest, body, "action body")
    yield _snapshot(store, store.drop_snapshot(request.name))


def flush(store: Store, _: bytes) -> Iterator[Message]:
    yield pb.WriteAck(lsn=store.flush())


def compact(store: Store, body: bytes) -> Iterator[Message]:
    request = parse(pb.CompactRequest, body, "action body")
    done = store.compact(full=request.full)
    yield pb.CompactResult(
        merged_segments=done.merged, new_segments=done.written, bytes_written=done.bytes
    )


def verify(store: Store, _: bytes) -> Iterator[Message]:
    for progress in verification.verify_store(store):
        yield pb.VerifyProgress(
            files_done=progress.files_done,
            files_total=progress.files_total,
            bytes_done=progress.bytes_done,
            damage=progress.damage,
            finished=progress.finished,
        )


def backup(store: Store, body: bytes) -> Iterator[Message]:
    request = parse(pb.BackupRequest, body, "action body")
    done = backups.backup(store, Path(request.destination))
    yield pb.BackupResult(
        destination=request.destination, files=done.files, bytes=done.bytes, lsn=done.lsn
    )


def rule_add(store: Store, body: bytes) -> Iterator[Message]:
    yield store.rules.add(parse(pb.Rule, body, "action body"))


def rule_list(store: Store, _: bytes) -> Iterator[Message]:
    yield pb.Rules(rules=store.rules.list())


def rule_remove(store: Store, body: bytes) -> Iterator[Message]:
    yield store.rules.remove(parse(pb.RuleRequest, body, "action body").name)


def sync(store: Store, body: bytes) -> Iterator[Message]:
    request = parse(pb.SyncRequest, body, "action body")
    lsn = request.lsn if request.HasField("lsn") else store.state.last_lsn
    seconds = min(request.timeout_seconds or _SYNC_SECONDS, _SYNC_SECONDS_MAX)
    behind = store.consumers.wait(lsn, list(request.consumers), seconds)
    yield pb.SyncResult(lsn=lsn, behind=[_consumer(c) for c in behind])


ACTIONS: dict[str, tuple[Action, str]] = {
    "health": (health, "is the server ready, and does it accept writes"),
    "status": (status, "sizes, positions and limits"),
    "coverage": (coverage_action, "ranges of a series that are known complete"),
    "delete": (delete, "delete a range of a series, or all of it"),
    "describe": (describe, "set metadata of a series"),
    "snapshot-create": (snapshot_create, "pin the present under a name"),
    "snapshot-list": (snapshot_list, "the snapshots there are"),
    "snapshot-drop": (snapshot_drop, "let go of a snapshot"),
    "flush": (flush, "move rows from memory into segments"),
    "compact": (compact, "merge small segments"),
    "verify": (verify, "check every stored byte"),
    "backup": (backup, "copy the data directory while serving"),
    "promote": (promote, "have a replica take writes from now on"),
    "rule-add": (rule_add, "have series derived from others"),
    "rule-list": (rule_list, "the rules there are"),
    "rule-remove": (rule_remove, "remove a rule and what it keeps"),
    "sync": (sync, "wait until consumers have reached a log position"),
}


def run(store: Store, name: str, body: bytes) -> Iterator[Message]:
    """The results of the action called `name`. Raises UnknownAction."""
    known = ACTIONS.get(name)
    if known is None:
        suggestions = near(name, ACTIONS)
        raise UnknownAction(
            f"There is no action {shown(name)}.{did_you_mean(suggestions)}", suggestions=suggestions
        )
    return known[0](store, body)


def _view(store: Store, request: pb.RangeRequest) -> SeriesView:
    series = request.series
    return store.reader.view(series.dataset, series.instrument, series.timeframe, request.snapshot)


def _consumer(consumer: Consumer) -> pb.Consumer:
    return pb.Consumer(
        name=consumer.name,
        kind=consumer.kind,
        lsn=consumer.lsn,
        state=consumer.state,
        error=consumer.error,
        errors=consumer.errors,
    )


def _snapshot(store: Store, row: SnapshotRow) -> pb.Snapshot:
    series = store.snapshots.series_count(row)
    return pb.Snapshot(name=row.name, lsn=row.lsn, created=row.created_ns, series=series)
