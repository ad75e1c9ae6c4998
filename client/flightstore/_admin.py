"""The part of the client that looks after the server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from flightstore._acks import WriteAck
from flightstore._answers import (
    BackupResult,
    CompactResult,
    Health,
    Snapshot,
    Status,
    SyncResult,
    VerifyProgress,
)
from flightstore._connection import Answer, Connection
from flightstore._requests import message
from flightstore._rules import Rules
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadRequest, DeadlineExceeded, shown

T = TypeVar("T")


class Admin:
    """Snapshots, rules, status and maintenance; part of Client."""

    _connection: Connection

    def health(self) -> Health:
        """Whether the server is ready, and whether it accepts writes."""
        return Health.of(self._ask("health", pb.Health))

    def status(self) -> Status:
        """Sizes, counters and limits of the server; attributes, or `dict(db.status())`."""
        status = self._ask("status", pb.Status)
        same_host = self._connection.same_host.described(status.boot_id)
        return replace(Status.of(status), same_host=same_host)

    def snapshot(self, name: str) -> Snapshot:
        """Pin the data as it is now under `name`, for reads with `snapshot=name`."""
        request = message(pb.SnapshotRequest, name=name)
        return Snapshot.of(self._connection.action("snapshot-create", request, pb.Snapshot))

    def snapshots(self) -> list[Snapshot]:
        """All snapshots."""
        return [Snapshot.of(s) for s in self._ask("snapshot-list", pb.Snapshots).snapshots]

    def drop_snapshot(self, name: str) -> Snapshot:
        """Unpin the snapshot `name`. Raises UnknownSnapshot, with near names."""
        request = message(pb.SnapshotRequest, name=name)
        return Snapshot.of(self._connection.action("snapshot-drop", request, pb.Snapshot))

    @property
    def rules(self) -> Rules:
        """The rules by which the server keeps derived series: `add`, `list`, `remove`."""
        return Rules(self._connection)

    def sync(
        self,
        lsn: int | WriteAck | None = None,
        consumers: str | Sequence[str] | None = None,
        timeout: float = 10.0,
    ) -> SyncResult:
        """Wait until those who follow the log have dealt with everything up to an LSN.

        lsn        it, or the acknowledgement of a write; None: the newest
        consumers  names, as in `Status.consumers`; None: aggregates and triggers
        timeout    seconds to wait; then DeadlineExceeded names who is behind
        """
        if not timeout >= 0:
            raise BadRequest(f"timeout={shown(timeout)} is not a number of seconds.")
        request = message(
            pb.SyncRequest,
            lsn=lsn.lsn if isinstance(lsn, WriteAck) else lsn,
            consumers=[consumers] if isinstance(consumers, str) else consumers,
            timeout_seconds=max(timeout, 0.001),  # 0 stands for the server's own choice
        )
        found = self._connection.retrying(
            lambda: self._connection.action("sync", request, pb.SyncResult, deadline="stream")
        )
        if found.behind:
            who = ", ".join(f"{c.name} (at {c.lsn}, {c.state})" for c in found.behind)
            raise DeadlineExceeded(f"Not at LSN {found.lsn} after {timeout:g} s: {who}.")
        return SyncResult(found.lsn)

    def promote(self) -> Health:
        """Have a replica stop following its primary and take writes from now on."""
        return Health.of(self._connection.action("promote", None, pb.Health))

    def flush(self) -> WriteAck:
        """Move everything written so far from the log into segments; `lsn` says how far."""
        answer = self._connection.action("flush", None, pb.WriteAck, deadline="stream")
        return WriteAck.of(answer)

    def compact(self, *, full: bool = False) -> CompactResult:
        """Merge small segments; `full` merges every group to as few as possible."""
        request = pb.CompactRequest(full=full)
        answer = self._connection.action("compact", request, pb.CompactResult, deadline="stream")
        return CompactResult.of(answer)

    def verify(self) -> Iterator[VerifyProgress]:
        """Check every stored byte against its checksum, yielding progress; the last is the verdict.

        Damage does not raise: it is listed in `damage`.
        """
        for progress in self._connection.actions("verify", None, pb.VerifyProgress):
            yield VerifyProgress.of(progress)

    def backup(self, destination: str) -> BackupResult:
        """Copy a consistent state to `destination`, a new directory on the server's machine."""
        request = message(pb.BackupRequest, destination=str(destination))
        answer = self._connection.action("backup", request, pb.BackupResult, deadline="stream")
        return BackupResult.of(answer)

    def _ask(self, kind: str, answer: Answer[T]) -> T:
        """An action that changes nothing, and so may be tried again."""
        return self._connection.retrying(lambda: self._connection.action(kind, None, answer))
