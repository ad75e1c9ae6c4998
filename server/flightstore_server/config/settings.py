"""Everything the server can be told, and the same in the words of its parts."""

from __future__ import annotations

import re

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import ConfigError, FlightstoreError
from flightstore_server.config.sections import (
    FlushSection,
    LimitsSection,
    LogSection,
    MetricsSection,
    ReplicationSection,
    RetentionSection,
    RuleSection,
    ScrubSection,
    Section,
    SegmentsSection,
    ServerSection,
    SqlSection,
    TlsSection,
    TriggerSection,
)
from flightstore_server.engine.aggregates.rules import parse_on
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.retention import RetentionRule
from flightstore_server.flight.limits.edge import EdgeLimits
from flightstore_server.sql.limits import SqlLimits
from flightstore_server.triggers.spec import TriggerSpec

_CLASS_PATH = re.compile(r"[\w.]+:\w+")


class Config(Section):
    """Everything the server can be told."""

    server: ServerSection = ServerSection()
    limits: LimitsSection = LimitsSection()
    log: LogSection = LogSection()
    flush: FlushSection = FlushSection()
    segments: SegmentsSection = SegmentsSection()
    sql: SqlSection = SqlSection()
    tls: TlsSection = TlsSection()
    replication: ReplicationSection = ReplicationSection()
    metrics: MetricsSection = MetricsSection()
    scrub: ScrubSection = ScrubSection()
    retention: tuple[RetentionSection, ...] = ()
    rules: tuple[RuleSection, ...] = ()
    triggers: tuple[TriggerSection, ...] = ()

    def engine_limits(self) -> Limits:
        """The limits as the engine takes them."""
        return Limits(
            put_bytes_max=self.limits.put_bytes_max,
            put_wait_seconds=self.limits.put_wait_seconds,
            memtable_bytes_max=self.limits.memtable_bytes_max,
            segment_maps_max=self.limits.segment_maps_max,
            remembered_puts=self.limits.remembered_puts,
            series_max=self.limits.series_max,
            log_file_bytes=self.log.file_bytes,
            group_bytes_max=self.log.group_bytes_max,
            log_keep_bytes=self.log.keep_bytes,
            log_keep_seconds=self.log.keep_seconds,
            log_hold_bytes=self.log.hold_bytes,
            feed_bytes_max=self.log.feed_bytes_max,
            subscribers_max=self.limits.subscribers_max,
            coalesce_seconds=self.limits.coalesce_seconds,
            flush_bytes=self.flush.memory_bytes,
            flush_records=self.flush.records,
            flush_age_seconds=self.flush.age_seconds,
            bulk_put_bytes_min=self.segments.bulk_put_bytes_min,
            bulk_run_bytes_min=self.segments.bulk_run_bytes_min,
            segment_rows_max=self.segments.rows_max,
            compact_segments_min=self.segments.compact_segments_min,
            compact_small_rows=self.segments.compact_small_rows,
            cold_age_days=self.segments.cold_age_days,
        )

    def edge_limits(self) -> EdgeLimits:
        """The limits of what clients send and hold open, as the edge takes them."""
        return EdgeLimits(
            message_bytes_max=self.limits.message_bytes_max,
            request_bytes_max=self.limits.request_bytes_max,
            puts_max=self.limits.puts_max,
            gather_bytes_max=self.limits.gather_bytes_max,
            put_idle_seconds=self.limits.put_idle_seconds,
            streams_max=self.limits.streams_max,
            memory_bytes_max=self.limits.memory_bytes_max,
        )

    def sql_limits(self) -> SqlLimits:
        """The limits of SQL as its engine takes them."""
        return SqlLimits(**self.sql.model_dump())

    def retention_rules(self) -> list[RetentionRule]:
        """The retention rules as the engine takes them."""
        return [
            RetentionRule(r.dataset, r.age_days, r.instruments, r.timeframe) for r in self.retention
        ]

    def derivation_rules(self) -> list[pb.Rule]:
        """The rules for derived series as the engine takes them."""
        return [pb.Rule(**rule.model_dump()) for rule in self.rules]

    def trigger_specs(self) -> list[TriggerSpec]:
        """The triggers as their package takes them. Raises ConfigError naming the wrong one."""
        names = [trigger.name for trigger in self.triggers]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"Two triggers are called {name!r}; give each a name of its own.")
        return [_trigger_spec(trigger) for trigger in self.triggers]


def _trigger_spec(section: TriggerSection) -> TriggerSpec:
    try:
        dataset, instruments, timeframe = parse_on(section.on)
    except FlightstoreError as error:
        raise ConfigError(f"The trigger {section.name!r}: {error.message}") from None
    if not _CLASS_PATH.fullmatch(section.run):
        raise ConfigError(
            f"The trigger {section.name!r}: run = {section.run!r} does not name a class; write "
            "module:Class, such as mypackage.alerts:VolumeAlert."
        )
    return TriggerSpec(
        section.name,
        dataset,
        instruments,
        timeframe,
        section.run,
        section.options,
        section.closed,
        section.start,
        section.timeout_seconds,
    )
