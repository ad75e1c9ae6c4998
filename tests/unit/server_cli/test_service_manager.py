"""systemd is told when the server is ready and when it stops, over the socket that it names."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.server_process import running

from flightstore_server.cli.service_manager import READY, STOPPING, tell


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def test_a_state_arrives_as_text(manager: socket.socket) -> None:
    tell(READY)
    assert manager.recv(100) == b"READY=1"


def test_a_name_that_begins_with_an_at_sign_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("")  # the kernel chooses a name of that kind
        listening.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + listening.getsockname()[1:].decode())
        tell(STOPPING)
        assert listening.recv(100) == b"STOPPING=1"


def test_without_a_socket_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    tell(READY)


def test_a_manager_that_is_gone_keeps_nobody_from_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    tell(READY)
    assert "cannot be told READY=1" in caplog.text


def test_a_server_says_when_it_listens_and_when_it_stops(
    manager: socket.socket, tmp_path: Path
) -> None:
    with running(tmp_path / "data") as server:
        assert manager.recv(100) == b"READY=1"
        assert server.terminate() == 0
        assert manager.recv(100) == b"STOPPING=1"
