"""What the server's actions answer, as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from flightstore_proto import flightstore_pb2 as pb

R = TypeVar("R", bound="Record")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Record(Mapping[str, Any]):
    """Named values, as attributes and as a mapping: `dict(db.status())` works."""

    @classmethod
    def of(cls: type[R], message: Any) -> R:
        """The fields of a protobuf message under the same names."""
        return cls(**{f.name: _plain(getattr(message, f.name)) for f in fields(cls)})

    def __getitem__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dataclass_fields__)

    def __len__(self) -> int:
        return len(self.__dataclass_fields__)


def _plain(value: Any) -> Any:
    if isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    return [Consumer.of(item) if isinstance(item, pb.Consumer) else item for item in value]


@dataclass(frozen=True)
class Health(Record):
    """Whether the server answers. `reason` is empty unless it is read-only or not ready."""

    ready: bool
    version: str
    read_only: bool
    reason: str


@dataclass(frozen=True)
class Consumer(Record):
    """Somebody who follows the server's log.

    kind    aggregates, trigger, subscriber or replica
    lsn     everything up to it is dealt with
    state   running, waiting, retrying, stopped or lagged
    error   what last went wrong; empty once it goes well again
    errors  how often something went wrong since the server started
    """

    name: str
    kind: str
    lsn: int
    state: str
    error: str
    errors: int


@dataclass(frozen=True)
class SyncResult(Record):
    """Everybody who was asked for has dealt with everything up to `lsn`."""

    lsn: int


@dataclass(frozen=True)
class Status(Record):
    """Numbers about the server; see Status in flightstore.proto for each one's meaning.

    `same_host` is this client's own: "mapped" where it maps the server's files, "streamed: " and
    the reason where it does not, empty as long as no read was large enough to tell.
    """

    version: str
    data_dir: str
    uptime_seconds: float
    series: int
    segments: int
    segment_bytes: int
    last_lsn: int
    flushed_lsn: int
    log_bytes: int
    memtable_rows: int
    memtable_bytes: int
    resident_bytes: int
    open_streams: int
    read_only_reason: str
    counters: dict[str, int] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    log_tail_lsn: int = 0
    following: str = ""
    consumers: list[Consumer] = field(default_factory=list)
    same_host: str = ""

    @classmethod
    def of(cls, message: pb.Status) -> Status:
        said = {f.name: getattr(message, f.name) for f in fields(cls) if f.name != "same_host"}
        return cls(**{name: _plain(value) for name, value in said.items()})


@dataclass(frozen=True)
class Snapshot(Record):
    """A pinned version of the data: everything up to `lsn`, made at `created` (UTC)."""

    name: str
    lsn: int
    created: datetime
    series: int

    @classmethod
    def of(cls, message: pb.Snapshot) -> Snapshot:
        created = _EPOCH + timedelta(microseconds=message.created // 1_000)
        return cls(message.name, message.lsn, created, message.series)


@dataclass(frozen=True)
class CompactResult(Record):
    """What a compaction did."""

    merged_segments: int
    new_segments: int
    bytes_written: int


@dataclass(frozen=True)
class VerifyProgress(Record):
    """How far a verification is. The last one has `finished`; no `damage` then means sound.

    Each entry of `damage` is a sentence that names file and offset.
    """

    files_done: int
    files_total: int
    bytes_done: int
    damage: list[str]
    finished: bool


@dataclass(frozen=True)
class BackupResult(Record):
    """Where the backup is, on the server's machine, and everything up to which LSN it holds."""

    destination: str
    files: int
    bytes: int
    lsn: int
