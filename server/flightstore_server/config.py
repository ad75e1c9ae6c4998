"""Configuration: one TOML file, read once into frozen values; environment and flags override it.

config/server.toml shows every key with its default and unit. An environment variable
FLIGHTSTORE_<SECTION>_<KEY> overrides a key, a command-line flag overrides both. An unknown key is
an error that shows the nearest known one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    ValidationError,
    field_validator,
)

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import ConfigError, FlightstoreError, did_you_mean, near
from flightstore_server.engine.aggregates.rules import parse_on
from flightstore_server.engine.limits import MIB, Limits
from flightstore_server.engine.retention import RetentionRule
from flightstore_server.sql.limits import SqlLimits
from flightstore_server.triggers.spec import TriggerSpec

ENV_PREFIX = "FLIGHTSTORE_"
_CLASS_PATH = re.compile(r"[\w.]+:\w+")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSection(_Section):
    """Where data lies and where the server listens."""

    data_dir: Path = Path("./data")
    host: str = "127.0.0.1"
    port: int = Field(default=8815, ge=0, le=65_535)
    insecure: bool = False
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    shutdown_seconds: float = Field(default=3.0, gt=0)


class LimitsSection(_Section):
    """What one client may cost."""

    put_bytes_max: int = Field(default=64 * MIB, ge=1024)
    put_wait_seconds: float = Field(default=60.0, gt=0)
    memtable_bytes_max: int = Field(default=256 * MIB, ge=1024)
    segment_maps_max: int = Field(default=32_768, ge=1)
    remembered_puts: int = Field(default=100_000, ge=0)
    subscribers_max: int = Field(default=256, ge=0)
    coalesce_seconds: float = Field(default=0.002, ge=0, le=1.0)


class LogSection(_Section):
    """The write-ahead log."""

    file_bytes: int = Field(default=64 * MIB, ge=1024)
    group_bytes_max: int = Field(default=16 * MIB, ge=1)
    keep_bytes: int = Field(default=256 * MIB, ge=0)
    keep_seconds: float = Field(default=86_400.0, ge=0)
    hold_bytes: int = Field(default=1024 * MIB, ge=0)
    feed_bytes_max: int = Field(default=32 * MIB, ge=0)


class FlushSection(_Section):
    """When rows move from memory into segments: at whichever comes first."""

    memory_bytes: int = Field(default=64 * MIB, ge=1)
    records: int = Field(default=250_000, ge=1)
    age_seconds: float = Field(default=21_600.0, gt=0)


class SegmentsSection(_Section):
    """How rows lie on disk."""

    bulk_put_bytes_min: int = Field(default=4 * MIB, ge=1)
    bulk_run_bytes_min: int = Field(default=256 * 1024, ge=1)
    rows_max: int = Field(default=1 << 20, ge=1)
    compact_segments_min: int = Field(default=8, ge=2)
    compact_small_rows: int = Field(default=65_536, ge=1)
    cold_age_days: float = Field(default=0.0, ge=0)


class SqlSection(_Section):
    """What SQL may cost."""

    memory_bytes_max: int = Field(default=1024 * MIB, ge=16 * MIB)
    spill_bytes_max: int = Field(default=8192 * MIB, ge=0)
    seconds_max: float = Field(default=120.0, gt=0)
    queries_max: int = Field(default=8, ge=1)
    threads: int = Field(default=0, ge=0)


class ReplicationSection(_Section):
    """Being followed, with a token, and following."""

    token: SecretStr = SecretStr("")
    follow: str = ""

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[!-~]*", token.get_secret_value()):
            raise ValueError("may only have visible ASCII characters and no spaces")
        return token

    @field_validator("follow")
    @classmethod
    def _is_an_address(cls, follow: str) -> str:
        if follow and not re.fullmatch(r"grpc://[^\s/]+:\d+", follow):
            raise ValueError("must be a primary's address, such as grpc://10.0.0.1:8815")
        return follow


class RetentionSection(_Section):
    """Delete rows older than an age."""

    dataset: str
    age_days: float = Field(gt=0)
    instruments: str = "*"
    timeframe: str = ""


class RuleSection(_Section):
    """Have series derived from others."""

    on: str
    to: tuple[str, ...]
    name: str = ""
    timezone: str = ""
    offset: str = ""
    into: str = "candles"


class TriggerSection(_Section):
    """Call a class of one's own with what is committed."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.\-]{1,64}$")
    on: str
    run: str
    options: dict[str, JsonValue] = {}
    closed: bool = False
    start: Literal["now", "log"] = "now"
    timeout_seconds: float = Field(default=60.0, gt=0)


class Config(_Section):
    """Everything the server can be told."""

    server: ServerSection = ServerSection()
    limits: LimitsSection = LimitsSection()
    log: LogSection = LogSection()
    flush: FlushSection = FlushSection()
    segments: SegmentsSection = SegmentsSection()
    sql: SqlSection = SqlSection()
    replication: ReplicationSection = ReplicationSection()
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


def load(path: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any]) -> Config:
    """The configuration in `path` (None: only defaults), overridden by environment and flags.

    `overrides` are the keys given on the command line, those of other sections than [server] as
    section.key; None values are not given.
    Raises ConfigError naming the file, the key and the nearest known key.
    """
    values = _read(path) if path else {}
    source = str(path) if path else "the environment"
    for section, key, text in _from_environment(environment):
        values.setdefault(section, {})[key] = text
    for name, value in overrides.items():
        section, _, key = name.rpartition(".")
        if value is not None:
            values.setdefault(section or "server", {})[key] = value
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, source)) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}.") from None


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(section, key, text) of every variable that names a section of the configuration.

    Raises ConfigError for a section of which there may be several.
    """
    found = []
    for name, text in environment.items():
        section, _, key = name.removeprefix(ENV_PREFIX).lower().partition("_")
        if not (name.startswith(ENV_PREFIX) and key and section in Config.model_fields):
            continue
        if section in _LISTED:
            raise ConfigError(
                f"{name} says not which of the [[{section}]] it means; write them in the file."
            )
        found.append((section, key, text))
    return found


def _explain(error: ValidationError, source: str) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        suggestions = near(str(first["loc"][-1]), _known_keys(first["loc"]))
        return f"{source}: there is no key {where!r}.{did_you_mean(suggestions)}"
    if first["loc"] == ("replication", "token"):  # secrets are not repeated
        return f"{source}: {where}: {first['msg']}."
    return f"{source}: {where}: {first['msg']} (got {first['input']!r})."


# Sections of which there may be any number.
_LISTED = {"retention": RetentionSection, "rules": RuleSection, "triggers": TriggerSection}


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys there are beside the one at `location`."""
    model: Any = Config
    for part in location[:-1]:
        if isinstance(part, str):
            kind = model.model_fields[part].annotation
            model = _LISTED.get(part, kind)
    return list(model.model_fields)
