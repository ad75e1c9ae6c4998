"""The ceiling of Arrow's own memory: the command sees to it, and others are warned."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flightstore_server.cli import arrow_memory


def test_the_command_starts_itself_again_with_a_ceiling(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flightstore", "serve", "--port", "0"]
    command += ["--data-dir", str(tmp_path / "data")]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MIMALLOC_")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("listening on ")
        given = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
    assert {f"{k}={v}".encode() for k, v in arrow_memory.ENVIRONMENT.items()} <= set(given)
    assert "ceiling" not in said


def test_a_process_that_is_another_is_not_started_again_and_warns(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest", "serve"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "pytest"])
    monkeypatch.setattr(arrow_memory, "_is_limited", lambda: False)
    with caplog.at_level(logging.WARNING):
        arrow_memory.limit()
    assert "no ceiling" in caplog.text


def test_programs_that_the_server_starts_have_no_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_memory, "_is_limited", lambda: True)
    for name, value in arrow_memory.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    arrow_memory.limit()
    assert not set(arrow_memory.ENVIRONMENT) & set(os.environ)
