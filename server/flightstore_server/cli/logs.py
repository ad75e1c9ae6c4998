"""Logs to stderr: lines for people, or one JSON object a line for machines.

What a record has in `extra={"fields": {...}}` becomes fields of its object; in a line for people,
its message says the same.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

_OURS = "flightstore_server"


def to_stderr(level: str, layout: str) -> None:
    """Log from `level` on, as text or json; of libraries warnings and worse only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if layout == "json" else _Text())
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    logging.getLogger(_OURS).setLevel(level.upper())


def _time(record: logging.LogRecord) -> str:
    return f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatTime(  # noqa: N802 (logging's own name)
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        return _time(record)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)
