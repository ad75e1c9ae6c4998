"""Every metric of a server but those of the process and of the log's syncs.

docs/operations.md explains them one by one; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from flightstore_server.metrics.observed import Observed, unready
from flightstore_server.storage.process import thread_count
from flightstore_server.version import VERSION

Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` without the prefix; `samples` are label values with a number."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    labels: tuple[str, ...]
    samples: Callable[[Observed], Iterator[Sample]]


def _one(value: Callable[[Observed], float]) -> Callable[[Observed], Iterator[Sample]]:
    def samples(at: Observed) -> Iterator[Sample]:
        yield (), value(at)

    return samples


def _gauge(name: str, meaning: str, value: Callable[[Observed], float]) -> Metric:
    return Metric(name, "gauge", meaning, (), _one(value))


def _counter(name: str, meaning: str, value: Callable[[Observed], float]) -> Metric:
    return Metric(name, "counter", meaning, (), _one(value))


def _traffic(name: str, meaning: str, field: str) -> Metric:
    def samples(at: Observed) -> Iterator[Sample]:
        for kind, traffic in sorted(at.store.served.by_kind().items()):
            if value := getattr(traffic, field):  # puts are sent no rows, for one
                yield (kind,), value

    return Metric(name, "counter", meaning, ("kind",), samples)


def _upkeep(name: str, meaning: str, field: str) -> Metric:
    def samples(at: Observed) -> Iterator[Sample]:
        yield ("flush",), getattr(at.store.maintenance.flushes, field)
        yield ("compaction",), getattr(at.store.maintenance.merging.done, field)

    return Metric(name, "counter", meaning, ("work",), samples)


def _errors(at: Observed) -> Iterator[Sample]:
    for code, count in sorted(at.store.served.by_code().items()):
        yield (code,), count


def _lags(at: Observed) -> Iterator[Sample]:
    for consumer in at.followers:
        yield (consumer.name, consumer.kind), at.lag(consumer)


def _consumer_errors(at: Observed) -> Iterator[Sample]:
    for consumer in at.followers:
        yield (consumer.name, consumer.kind), consumer.errors


def _limits(at: Observed) -> Iterator[Sample]:
    yield from (((name,), value) for name, value in sorted(at.usage.limits().items()))


def _used(at: Observed) -> Iterator[Sample]:
    yield from (((name,), value) for name, value in sorted(at.usage.used().items()))


def _version(_: Observed) -> Iterator[Sample]:
    yield (VERSION,), 1


def _scrub(name: str, kind: Literal["counter", "gauge"], meaning: str, field: str) -> Metric:
    """Of the background check; no sample where there is none."""

    def samples(at: Observed) -> Iterator[Sample]:
        scrub = at.store.scrub
        if scrub is not None:
            yield (), getattr(scrub, field)

    return Metric(name, kind, meaning, (), samples)


METRICS = (
    Metric("build_info", "gauge", "1, with the version", ("version",), _version),
    _gauge("ready", "whether /ready says yes", lambda at: not unready(at.store)),
    _gauge(
        "writes_refused",
        "1 since a write or a sync failed, until a restart",
        lambda at: bool(at.store.committer.poison_reason),
    ),
    _gauge("replica", "1 while it follows a primary", lambda at: at.store.replica is not None),
    _counter("puts", "puts made durable", lambda at: at.store.committer.writes.puts),
    _counter("put_rows", "rows of these", lambda at: at.store.committer.writes.rows),
    _counter(
        "puts_repeated",
        "puts that came again and were not applied again",
        lambda at: at.store.committer.writes.repeated,
    ),
    _counter(
        "log_written_bytes", "written to the log", lambda at: at.store.committer.log.written_bytes
    ),
    _gauge("log_bytes", "size of the log", lambda at: at.store.committer.log.bytes()),
    _gauge("log_lsn", "the newest record", lambda at: at.store.state.last_lsn),
    _gauge(
        "log_flushed_lsn",
        "the record up to which all rows are in segments",
        lambda at: at.store.catalog.flushed_lsn,
    ),
    _gauge("log_tail_lsn", "the oldest record kept", lambda at: at.store.maintenance.log_tail_lsn),
    _gauge("series", "series stored", lambda at: at.segments.series),
    _gauge("segments", "segment files in use", lambda at: at.segments.files),
    _gauge("segment_bytes", "size of these", lambda at: at.segments.bytes),
    _upkeep("upkeep_runs", "flushes, and merges by compaction", "runs"),
    _upkeep("upkeep_files", "segment files they wrote", "files"),
    _upkeep("upkeep_bytes", "bytes of these", "bytes"),
    _upkeep("upkeep_seconds", "time they took", "seconds"),
    _traffic("calls", "calls that are over", "calls"),
    _traffic("call_seconds", "time these took", "seconds"),
    _traffic("sent_rows", "rows sent", "rows"),
    _traffic("sent_batches", "record batches sent", "batches"),
    _traffic("sent_bytes", "bytes of these, taking 8 for a value", "bytes"),
    Metric("errors", "counter", "calls that failed, by code", ("code",), _errors),
    Metric(
        "consumer_lag_records",
        "gauge",
        "records a follower of the log has not dealt with",
        ("consumer", "kind"),
        _lags,
    ),
    Metric(
        "consumer_errors",
        "counter",
        "how often something went wrong with it",
        ("consumer", "kind"),
        _consumer_errors,
    ),
    _gauge(
        "subscriber_lag_records_max",
        "records the slowest live stream is behind",
        Observed.slowest_subscriber,
    ),
    Metric("limit", "gauge", "limits, by their names in the configuration", ("name",), _limits),
    Metric("used", "gauge", "how much of what they limit is used", ("name",), _used),
    _gauge("disk_free_bytes", "left for the data directory", lambda at: at.disk[0]),
    _gauge("disk_bytes", "size of its file system", lambda at: at.disk[1]),
    _gauge("threads", "threads of the process", lambda _: thread_count()),
    _scrub("scrub_read_bytes", "counter", "read by the background check", "bytes"),
    _scrub("scrub_segments", "gauge", "segments of its round", "total"),
    _scrub("scrub_segments_done", "gauge", "those it has checked", "done"),
    _scrub(
        "scrub_finished_timestamp_seconds", "gauge", "end of its last round", "finished_seconds"
    ),
    _scrub("damaged_segments", "gauge", "segments it found damaged", "damaged"),
)
