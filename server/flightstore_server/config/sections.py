"""The sections of the configuration. config/server.toml shows every key with its unit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    field_validator,
    model_validator,
)

from flightstore_server.access.certificates import CertificateFiles
from flightstore_server.engine.limits import MIB


class Section(BaseModel):
    """Frozen values; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSection(Section):
    """Where data lies and where the server listens."""

    data_dir: Path = Path("./data")
    host: str = "127.0.0.1"
    port: int = Field(default=8815, ge=0, le=65_535)
    insecure: bool = False
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    log_slow_seconds: float = Field(default=10.0, ge=0)
    shutdown_seconds: float = Field(default=3.0, gt=0)


class LimitsSection(Section):
    """What one client may cost."""

    put_bytes_max: int = Field(default=64 * MIB, ge=1024)
    put_wait_seconds: float = Field(default=60.0, gt=0)
    memtable_bytes_max: int = Field(default=256 * MIB, ge=1024)
    segment_maps_max: int = Field(default=32_768, ge=1)
    message_bytes_max: int = Field(default=256 * MIB, ge=MIB)
    request_bytes_max: int = Field(default=8 * MIB, ge=1024)
    puts_max: int = Field(default=256, ge=1)
    gather_bytes_max: int = Field(default=512 * MIB, ge=1024)
    put_idle_seconds: float = Field(default=300.0, gt=0)
    streams_max: int = Field(default=256, ge=1)
    series_max: int = Field(default=1_000_000, ge=1)
    memory_bytes_max: int = Field(default=0, ge=0)
    remembered_puts: int = Field(default=100_000, ge=0)
    subscribers_max: int = Field(default=256, ge=0)
    coalesce_seconds: float = Field(default=0.002, ge=0, le=1.0)


class LogSection(Section):
    """The write-ahead log."""

    file_bytes: int = Field(default=64 * MIB, ge=1024)
    group_bytes_max: int = Field(default=16 * MIB, ge=1)
    keep_bytes: int = Field(default=256 * MIB, ge=0)
    keep_seconds: float = Field(default=86_400.0, ge=0)
    hold_bytes: int = Field(default=1024 * MIB, ge=0)
    feed_bytes_max: int = Field(default=32 * MIB, ge=0)


class FlushSection(Section):
    """When rows move from memory into segments: at whichever comes first."""

    memory_bytes: int = Field(default=64 * MIB, ge=1)
    records: int = Field(default=250_000, ge=1)
    age_seconds: float = Field(default=21_600.0, gt=0)


class SegmentsSection(Section):
    """How rows lie on disk."""

    bulk_put_bytes_min: int = Field(default=4 * MIB, ge=1)
    bulk_run_bytes_min: int = Field(default=256 * 1024, ge=1)
    rows_max: int = Field(default=1 << 20, ge=1)
    compact_segments_min: int = Field(default=8, ge=2)
    compact_small_rows: int = Field(default=65_536, ge=1)
    cold_age_days: float = Field(default=0.0, ge=0)


class SqlSection(Section):
    """What SQL may cost."""

    memory_bytes_max: int = Field(default=1024 * MIB, ge=16 * MIB)
    spill_bytes_max: int = Field(default=8192 * MIB, ge=0)
    seconds_max: float = Field(default=120.0, gt=0)
    queries_max: int = Field(default=8, ge=1)
    result_bytes_max: int = Field(default=4096 * MIB, ge=1024)
    threads: int = Field(default=0, ge=0)


class TlsSection(Section):
    """Certificates; without them nothing is encrypted."""

    cert: str = ""
    key: str = ""
    client_ca: str = ""

    @model_validator(mode="after")
    def _belongs_together(self) -> TlsSection:
        if bool(self.cert) != bool(self.key) or (self.client_ca and not self.cert):
            raise ValueError("cert and key go together, and client_ca with both")
        return self

    def files(self) -> CertificateFiles | None:
        """Where the certificates are; None if there are none."""
        if not self.cert:
            return None
        client_ca = Path(self.client_ca) if self.client_ca else None
        return CertificateFiles(Path(self.cert), Path(self.key), client_ca)


class ReplicationSection(Section):
    """Being followed, with a token, and following."""

    token: SecretStr = SecretStr("")
    follow: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[!-~]*", token.get_secret_value()):
            raise ValueError("may only have visible ASCII characters and no spaces")
        return token

    @field_validator("follow")
    @classmethod
    def _is_an_address(cls, follow: str) -> str:
        if follow and not re.fullmatch(r"grpc(\+tls)?://[^\s/]+:\d+", follow):
            raise ValueError("must be a primary's address, such as grpc://10.0.0.1:8815")
        return follow


class MetricsSection(Section):
    """What is said to those who watch."""

    listen: str = Field(default="", pattern=r"^(\S+:\d+)?$")


class ScrubSection(Section):
    """Checking segments in the background."""

    bytes_per_second: int = Field(default=8 * MIB, ge=0)
    interval_days: float = Field(default=7.0, gt=0)


class RetentionSection(Section):
    """Delete rows older than an age."""

    dataset: str
    age_days: float = Field(gt=0)
    instruments: str = "*"
    timeframe: str = ""


class RuleSection(Section):
    """Have series derived from others."""

    on: str
    to: tuple[str, ...]
    name: str = ""
    timezone: str = ""
    offset: str = ""
    into: str = "candles"


class TriggerSection(Section):
    """Call a class of one's own with what is committed."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.\-]{1,64}$")
    on: str
    run: str
    options: dict[str, JsonValue] = {}
    closed: bool = False
    start: Literal["now", "log"] = "now"
    timeout_seconds: float = Field(default=60.0, gt=0)
