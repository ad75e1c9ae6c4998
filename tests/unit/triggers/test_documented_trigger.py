"""The trigger that docs/triggers.md shows, as it stands there: in a server, and its own test."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.server_process import running

import flightstore as fs

DOCUMENT = Path(__file__).parents[3] / "docs" / "triggers.md"
ADDRESS = "https://chat.example/hook"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.S)


class Chat(HTTPServer):
    """A chat that is down when it is first posted to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ChatHandler)
        self.asked = 0
        self.texts: list[str] = []


class ChatHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        chat = self.server
        assert isinstance(chat, Chat)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        chat.asked += 1
        if chat.asked > 1:
            chat.texts.append(json.loads(body)["text"])
        self.send_response(503 if chat.asked == 1 else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quietly."""


@pytest.fixture
def chat() -> Iterator[Chat]:
    with Chat() as chat:
        serving = Thread(target=chat.serve_forever, args=(0.01,))
        serving.start()
        yield chat
        chat.shutdown()
        serving.join()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The module `alerts` of the document, and its test."""
    code, test = _blocks("python")
    (tmp_path / "alerts.py").write_text(code)
    (tmp_path / "test_alerts.py").write_text(test)
    return tmp_path


def test_its_server_calls_it_and_tries_again(
    package: Path, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(package))
    [config] = _blocks("toml")
    assert ADDRESS in config
    config = config.replace(ADDRESS, f"http://127.0.0.1:{chat.server_port}")
    with running(package / "data", config) as server, fs.connect(server.uri) as db:
        for minute, close in enumerate([99_000.0, 101_000.0, 102_000.0]):
            rows = candles([NOON_2024 + minute * MINUTE], close)
            db.write("binance:BTC/USDT", rows, timeframe="1m")
        db.sync(timeout=60)
    assert chat.texts == ["binance:BTC/USDT is at 101000 (2024-01-01 12:01 UTC)"]
    assert chat.asked == 2


def test_its_own_test_passes(package: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_alerts.py"]
    done = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
