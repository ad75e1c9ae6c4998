"""Lines of the log: for people, and as JSON for machines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from flightstore_server.cli import logs

log = logging.getLogger("flightstore_server.test")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging as it was, since all tests of a process share it."""
    root, ours = logging.getLogger(), logging.getLogger("flightstore_server")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    root.handlers = []  # pytest's own, which to_stderr() would close
    yield
    root.handlers = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def test_json_has_one_object_a_line_with_the_fields_of_the_record(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.to_stderr("debug", "json")
    log.debug("read of %s", "x\ny", extra={"fields": {"rows": 3, "peer": "ipv4:1.2.3.4:5"}})
    log.info("ready")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "debug",
        "logger": "flightstore_server.test",
        "message": "read of x\ny",
        "rows": 3,
        "peer": "ipv4:1.2.3.4:5",
    }
    assert second["message"] == "ready"


def test_json_has_a_defect_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logs.to_stderr("info", "json")
    try:
        raise ValueError("odd")
    except ValueError:
        log.exception("a handler failed")
    [line] = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert said["level"] == "error"
    assert "ValueError: odd" in said["exception"]


def test_text_has_time_level_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    logs.to_stderr("info", "text")
    log.warning("slow")
    [line] = capsys.readouterr().err.splitlines()
    assert line.split("Z ", 1)[1] == "WARNING flightstore_server.test slow"


def test_of_libraries_only_warnings_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.to_stderr("debug", "text")
    logging.getLogger("somebody.else").info("chatter")
    logging.getLogger("somebody.else").warning("trouble")
    said = capsys.readouterr().err
    assert "chatter" not in said
    assert "trouble" in said
