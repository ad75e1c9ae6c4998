"""Backing up while writing, and restoring: over the wire and by the command, with a real server."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from tests.support.rows import MINUTE, candles
from tests.support.server_process import running
from tests.support.stores import BTC

import flightstore as fs
from flightstore.cli import main


def test_a_backup_made_while_writing_is_restored_as_it_was_at_one_moment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = threading.Event()
    acknowledged: list[int] = []

    def write(uri: str) -> None:
        with fs.connect(uri) as db:
            while not stop.is_set():
                rows = candles([len(acknowledged) * MINUTE])
                acknowledged.append(db.write(BTC, rows, timeframe="1m").lsn)

    with running(tmp_path / "data") as server, fs.connect(server.uri) as db:
        writer = threading.Thread(target=write, args=(server.uri,))
        writer.start()
        try:
            while len(acknowledged) < 20:
                stop.wait(0.001)
            before = len(acknowledged)
            made = db.backup(str(tmp_path / "backup"))
        finally:
            stop.set()
            writer.join()
    assert main(["restore", str(tmp_path / "backup"), "--data-dir", str(tmp_path / "new"),
                 "--json"]) == 0  # fmt: skip
    proof = json.loads(capsys.readouterr().out)
    assert (proof["lsn"], proof["series"]) == (made.lsn, 1)
    assert before <= proof["rows"] <= len(acknowledged)
    assert proof["content"].startswith("crc32c ")
    with running(tmp_path / "new") as server, fs.connect(server.uri) as db:
        frame = db.candles(BTC, "1m")
        minutes = frame["ts"].dt.epoch("s").to_list()
        assert minutes == [60 * number for number in range(proof["rows"])]
        # It goes on counting where the backup ends.
        assert db.write(BTC, candles([10**6 * MINUTE]), timeframe="1m").lsn == made.lsn + 1


def test_a_refusal_is_one_sentence_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["restore", str(tmp_path), "--data-dir", str(tmp_path / "new")]) == 1
    assert "is not a data directory of flightstore" in capsys.readouterr().err
