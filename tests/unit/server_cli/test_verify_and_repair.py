"""`flightstore verify` and `flightstore repair`: what they print, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.rows import MINUTE, candles
from tests.support.stores import put, stepped, view

from flightstore.cli import commands as installed
from flightstore.cli import main
from flightstore_server.cli.repair import repair
from flightstore_server.cli.verify import verify


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A directory with one damaged segment."""
    store = stepped(tmp_path)
    put(store, candles([i * MINUTE for i in range(10)]), covers=[(0, 10 * MINUTE)])
    store.flush()
    [segment] = view(store).segments
    store.close()
    path = tmp_path / segment.file
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(data)
    return tmp_path


@pytest.fixture(autouse=True)
def _commands(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        def __init__(self, name: str, function: object) -> None:
            self.name, self.load = name, lambda: function

    points = {"verify": Point("verify", verify), "repair": Point("repair", repair)}
    monkeypatch.setattr(installed, "installed", lambda: points)
    monkeypatch.setattr(installed, "load", lambda point: point.load())


def test_verify_names_the_damage_and_exits_with_1(
    damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--data-dir", str(damaged)]) == 1
    said = capsys.readouterr()
    assert "is damaged between offset" in said.out
    assert ".arrow" in said.out
    assert "findings in 3 files" in said.err


def test_verify_as_json_is_for_machines(damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--data-dir", str(damaged), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == 3
    assert len(told["damage"]) == 1


def test_repair_does_not_go_ahead_unasked(
    damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["repair", "--data-dir", str(damaged)]) == 2
    assert "--yes" in capsys.readouterr().err
    assert not (damaged / "damaged").exists()


def test_after_a_repair_verify_finds_nothing(
    damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["repair", "--data-dir", str(damaged), "--yes"]) == 0
    assert "Lost: 10 rows of candles binance:BTC/USDT 1m" in capsys.readouterr().out
    assert main(["verify", "--data-dir", str(damaged)]) == 0
    assert "no damage" in capsys.readouterr().err
    assert main(["repair", "--data-dir", str(damaged), "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"done": []}


@pytest.mark.parametrize("command", ["verify", "repair"])
def test_a_folder_that_is_no_data_directory_is_one_line_and_code_1(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [command, "--data-dir", str(tmp_path / "nothing"), *(["--yes"] * (command == "repair"))]
        )
        == 1
    )
    assert "is not a data directory" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()
