"""DoAction: one small function per action, found by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from google.protobuf.message import Message

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadRequest, UnknownAction, did_you_mean, near, shown
from flightstore_server.access.grants import Role
from flightstore_server.engine import backup as backups
from flightstore_server.engine import verify as verification
from flightstore_server.engine.consumers import Consumer
from flightstore_server.engine.series import SeriesView
from flightstore_server.engine.store import Store
from flightstore_server.flight.callers import Caller
from flightstore_server.flight.requests import parse, range_of
from flightstore_server.storage.catalog import SnapshotRow
from flightstore_server.storage.files import boot_id
from flightstore_server.storage.process import resident_bytes
from flightstore_server.version import VERSION

Action = Callable[[Caller, bytes], Iterator[Message]]
_SYNC_SECONDS, _SYNC_SECONDS_MAX = 10.0, 600.0


class Offer(NamedTuple):
    """An action, the role that its caller needs, and what it is for."""

    run: Action
    role: Role
    text: str


def health(caller: Caller, _: bytes) -> Iterator[Message]:
    reason = _read_only_reason(caller.for_figures())
    yield pb.Health(ready=True, version=VERSION, read_only=bool(reason), reason=reason)


def _read_only_reason(store: Store) -> str:
    return store.committer.poison_reason or store.committer.read_only


def promote(caller: Caller, body: bytes) -> Iterator[Message]:
    """Make a replica a primary."""
    store = caller.everything()
    if store.replica is None:
        raise BadRequest("This server is not a replica; there is nothing to promote.")
    store.replica.promote()
    yield from health(caller, body)


def status(caller: Caller, _: bytes) -> Iterator[Message]:
    store = caller.for_figures()
    state = store.state
    is_admin = caller.access.role >= Role.ADMIN  # to others places are not told
    with state.lock:
        series = list(state.names.by_id.values())
        segments = {s.id: s.size for one in series for s in one.segments}
        memory = [table for one in series for table in one.memory]
    yield pb.Status(
        version=VERSION,
        data_dir=str(store.files.root) if is_admin else "",
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
            "log_sync_microseconds": int(store.committer.log.sync_seconds * 1e6),
            **_checked(store),
        },
        log_tail_lsn=store.maintenance.log_tail_lsn,
        consumers=[_consumer(c) for c in caller.consumers()],
        following=store.origin.primary if store.origin and is_admin else "",
        boot_id=boot_id(),
    )


def _checked(store: Store) -> dict[str, int]:
    """What the background check of segments has come to; nothing where there is none."""
    scrub = store.scrub
    if scrub is None:
        return {}
    return {
        "damaged_segments": scrub.damaged,
        "scrub_segments": scrub.total,
        "scrub_segments_done": scrub.done,
    }


def coverage_action(caller: Caller, body: bytes) -> Iterator[Message]:
    request = parse(pb.RangeRequest, body, "action body")
    start, end = range_of(request.range)
    ranges = pb.Ranges()
    for low, high in _view(caller, request).coverage:
        low, high = (
            max(low, low if start is None else start),
            min(high, high if end is None else end),
        )
        if low < high:
            ranges.ranges.add(start=low, end=high)
    yield ranges


def delete(caller: Caller, body: bytes) -> Iterator[Message]:
    request = parse(pb.DeleteRequest, body, "action body")
    series = request.series
    deleted = caller.delete(
        series.dataset, series.instrument, series.timeframe, *range_of(request.range)
    )
    yield pb.WriteAck(lsn=deleted.lsn, rows=deleted.rows)


def describe(caller: Caller, body: bytes) -> Iterator[Message]:
    request = parse(pb.DescribeRequest, body, "action body")
    series = request.series
    ack = caller.describe(
        series.dataset, series.instrument, series.timeframe, dict(request.metadata)
    )
    yield pb.WriteAck(lsn=ack.lsn)


def snapshot_create(caller: Caller, body: bytes) -> Iterator[Message]:
    request = parse(pb.SnapshotRequest, body, "action body")
    store = caller.everything()
    yield _snapshot(store, store.snapshot(request.name))


def snapshot_list(caller: Caller, _: bytes) -> Iterator[Message]:
    store = caller.for_figures()
    yield pb.Snapshots(snapshots=[_snapshot(store, row) for row in store.snapshots.list()])


def snapshot_drop(caller: Caller, body: bytes) -> Iterator[Message]:
    request = parse(pb.SnapshotRequest, body, "action body")
    store = caller.everything()
    yield _snapshot(store, store.drop_snapshot(request.name))


def flush(caller: Caller, _: bytes) -> Iterator[Message]:
    yield pb.WriteAck(lsn=caller.everything().flush())


def compact(caller: Caller, body: bytes) -> Iterator[Message]:
    request = parse(pb.CompactRequest, body, "action body")
    done = caller.everything().compact(full=request.full)
    yield pb.CompactResult(
        merged_segments=done.merged, new_segments=done.written, bytes_written=done.bytes
    )


def verify(caller: Caller, _: bytes) -> Iterator[Message]:
    for progress in verification.verify_store(caller.everything()):
        yield pb.VerifyProgress(
            files_done=progress.files_done,
            files_total=progress.files_total,
            bytes_done=progress.bytes_done,
            damage=progress.damage,
            finished=progress.finished,
        )


def backup(caller: Caller, body: bytes) -> Iterator[Message]:
    request = parse(pb.BackupRequest, body, "action body")
    done = backups.backup(caller.everything(), Path(request.destination))
    yield pb.BackupResult(
        destination=request.destination, files=done.files, bytes=done.bytes, lsn=done.lsn
    )


def rule_add(caller: Caller, body: bytes) -> Iterator[Message]:
    yield caller.everything().rules.add(parse(pb.Rule, body, "action body"))


def rule_list(caller: Caller, _: bytes) -> Iterator[Message]:
    yield pb.Rules(rules=caller.everything().rules.list())


def rule_remove(caller: Caller, body: bytes) -> Iterator[Message]:
    yield caller.everything().rules.remove(parse(pb.RuleRequest, body, "action body").name)


def sync(caller: Caller, body: bytes) -> Iterator[Message]:
    request = parse(pb.SyncRequest, body, "action body")
    store = caller.for_figures()
    lsn = request.lsn if request.HasField("lsn") else store.state.last_lsn
    seconds = min(request.timeout_seconds or _SYNC_SECONDS, _SYNC_SECONDS_MAX)
    behind = store.consumers.wait(lsn, list(request.consumers), seconds, among=caller.consumers)
    yield pb.SyncResult(lsn=lsn, behind=[_consumer(c) for c in behind])


ACTIONS: dict[str, Offer] = {
    "health": Offer(health, Role.READ, "is the server ready, and does it accept writes"),
    "status": Offer(status, Role.READ, "sizes, positions and limits"),
    "coverage": Offer(coverage_action, Role.READ, "ranges of a series that are known complete"),
    "delete": Offer(delete, Role.WRITE, "delete a range of a series, or all of it"),
    "describe": Offer(describe, Role.WRITE, "set metadata of a series"),
    "snapshot-create": Offer(snapshot_create, Role.ADMIN, "pin the present under a name"),
    "snapshot-list": Offer(snapshot_list, Role.READ, "the snapshots there are"),
    "snapshot-drop": Offer(snapshot_drop, Role.ADMIN, "let go of a snapshot"),
    "flush": Offer(flush, Role.ADMIN, "move rows from memory into segments"),
    "compact": Offer(compact, Role.ADMIN, "merge small segments"),
    "verify": Offer(verify, Role.ADMIN, "check every stored byte"),
    "backup": Offer(backup, Role.ADMIN, "copy the data directory while serving"),
    "promote": Offer(promote, Role.ADMIN, "have a replica take writes from now on"),
    "rule-add": Offer(rule_add, Role.ADMIN, "have series derived from others"),
    "rule-list": Offer(rule_list, Role.READ, "the rules there are"),
    "rule-remove": Offer(rule_remove, Role.ADMIN, "remove a rule and what it keeps"),
    "sync": Offer(sync, Role.READ, "wait until consumers have reached a log position"),
}


def run(caller: Caller, name: str, body: bytes) -> Iterator[Message]:
    """The results of the action called `name`. Raises UnknownAction, Unauthorized."""
    known = ACTIONS.get(name)
    if known is None:
        suggestions = near(name, ACTIONS)
        raise UnknownAction(
            f"There is no action {shown(name)}.{did_you_mean(suggestions)}", suggestions=suggestions
        )
    caller.require(known.role)
    return known.run(caller, body)


def _view(caller: Caller, request: pb.RangeRequest) -> SeriesView:
    series = request.series
    return caller.reader.view(series.dataset, series.instrument, series.timeframe, request.snapshot)


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
