"""A real server with tokens: it takes them as they come, and no secret of it gets out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.replicating import until
from tests.support.rows import minutes
from tests.support.server_process import ServerProcess, toml

import flightstore as fs
from flightstore.cli import main
from flightstore_ingest.config import StoreSection
from flightstore_proto.errors import FlightstoreError
from flightstore_server.access import tokens_file
from flightstore_server.storage.files import open_root

BTC = "binance:BTC/USDT"
REPLICATION = "the-replication-secret-of-a-test"


def test_nothing_that_a_server_says_holds_a_secret(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good, gone = (_created(tmp_path / "data", name, capfd) for name in ("good", "gone"))
    wrong = good[:-8] + "01234567"
    server = ServerProcess(
        tmp_path / "data",
        toml({"replication": {"token": REPLICATION}}),
        flags=["--log-level", "debug"],
    )
    said: list[str] = []
    try:
        server.start()
        assert main(["token", "revoke", "gone", "--data-dir", str(tmp_path / "data")]) == 0
        for token in (good, gone, wrong, REPLICATION, f"{good} {good}", "ünïcode"):
            said += _errors_of(server.uri, token)
        with fs.connect(server.uri, token=good) as db:
            said += [repr(db), repr(db.status()), repr(db.plan(BTC, "1m"))]
        said.append(Path(f"/proc/{server.pid}/cmdline").read_text())
    finally:
        server.terminate()
    said += [server.log(), *capfd.readouterr()]
    tokens = tokens_file.load(open_root(tmp_path / "data")) or []
    secrets = [token.rpartition("_")[2] for token in (good, gone, wrong)]
    secrets += [REPLICATION, *(token.digest for token in tokens)]
    assert not [secret for secret in secrets if any(secret in text for text in said)]


def test_a_process_takes_its_first_token_without_a_restart(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server = ServerProcess(tmp_path / "data")
    try:
        server.start()
        with fs.connect(server.uri) as db:
            db.write(BTC, minutes([0]), timeframe="1m")
            token = _created(tmp_path / "data", "first", capfd)
            until(lambda: _is_refused(db))
        with fs.connect(server.uri, token=token, check=False) as db:
            until(lambda: not _is_refused(db))
            assert db.candles(BTC, "1m").height == 1
        assert server.terminate() == 0
    finally:
        server.kill()


def _is_refused(db: fs.Client) -> bool:
    try:
        db.status()
    except fs.Unauthorized:
        return True
    return False


def _created(root: Path, name: str, capfd: pytest.CaptureFixture[str]) -> str:
    assert main(["token", "create", name, "--role", "admin", "--data-dir", str(root)]) == 0
    return capfd.readouterr().out.strip()


def _errors_of(uri: str, token: str) -> list[str]:
    """What is said to somebody who shows `token` and does this and that with it."""
    said: list[str] = []
    with fs.connect(uri, token=token, check=False) as db:
        calls: list[Callable[[], object]] = [
            lambda: db.write(BTC, minutes([0]), timeframe="1m"),
            lambda: db.candles("none:THERE", "1m"),
            lambda: db.sql("select nonsense from candles"),
            lambda: db.backup("relative"),
        ]
        for call in calls:
            try:
                call()
            except FlightstoreError as error:
                said += [error.message, repr(error)]
    return said


def test_a_configuration_does_not_show_its_token() -> None:
    assert "a-secret" not in repr(StoreSection(token="a-secret"))
