"""Logs to stderr: lines for people, or one JSON object a line for machines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from flightstore_proto.errors import BadRequest, did_you_mean, near

LEVELS = ("debug", "info", "warning", "error", "critical")
FORMATS = ("text", "json")


def to_stderr(level: str, layout: str = "text") -> None:
    """Log from `level` on; of other libraries warnings only. Raises BadRequest for a wrong word."""
    _check("--log-level", level, LEVELS)
    _check("--log-format", layout, FORMATS)
    handler = _Stderr()
    handler.setFormatter(_Json() if layout == "json" else _Text())
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    for name in ("flightstore", "flightstore_ingest"):
        logging.getLogger(name).setLevel(level.upper())


def _check(option: str, word: str, known: tuple[str, ...]) -> None:
    if word not in known:
        hint = did_you_mean(near(word, known))
        raise BadRequest(f"{option} {word} is none of {', '.join(known)}.{hint}")


class _Stderr(logging.StreamHandler[TextIO]):
    """To what stderr is at the time: while bars are shown, it is what prints above them."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        pass


def _time(record: logging.LogRecord) -> str:
    return f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


class _Text(logging.Formatter):
    def formatTime(  # noqa: N802 (logging's own name)
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        return _time(record)

    def __init__(self) -> None:
        style: Literal["%"] = "%"
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", style=style)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)
