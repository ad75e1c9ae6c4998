"""Tokens on the disk: digests only, for their owner only, replaced whole, and checked whole."""

from __future__ import annotations

import json
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.crash_files import CrashFiles

from flightstore_proto.errors import Corrupt, DataDirError
from flightstore_server.access import tokens_file
from flightstore_server.access.grants import EVERYTHING, Role, Scope
from flightstore_server.access.tokens import Token, issue, parts_of
from flightstore_server.storage import layout
from flightstore_server.storage.files import Disk, open_root

LIMITED = Scope(("candles",), ("binance:*",))


def _issued(name: str = "one", scope: Scope = LIMITED, role: Role = Role.READ) -> tuple[Token, str]:
    return issue(name, role, scope, now_ns=5, expires=7)


@pytest.fixture
def files(tmp_path: Path) -> Disk:
    return open_root(tmp_path / "data")


def test_a_secret_proves_its_own_token_and_no_other() -> None:
    (one, text), (other, _) = _issued(), _issued("other")
    parts = parts_of(text)
    assert parts is not None
    assert parts[0] == one.id
    assert one.is_proved_by(parts[1])
    assert not other.is_proved_by(parts[1])
    assert len(bytes.fromhex(parts[1])) * 8 == 256


@pytest.mark.parametrize("text", ["", "fs_", "fs_12345678_", "fs_12345678_" + "0" * 63, "x" * 9999])
def test_what_is_no_token_has_no_parts(text: str) -> None:
    assert parts_of(text) is None


def test_what_is_saved_is_loaded(files: Disk) -> None:
    tokens = [_issued()[0], _issued("two", EVERYTHING, Role.ADMIN)[0]]
    tokens_file.save(files, tokens)
    assert tokens_file.load(files) == tokens


def test_there_may_be_no_file_and_there_may_be_no_tokens_in_it(files: Disk) -> None:
    assert tokens_file.load(files) is None
    tokens_file.save(files, [])
    assert tokens_file.load(files) == []


def test_no_secret_is_kept_or_shown(files: Disk) -> None:
    token, text = _issued()
    secret = text.rpartition("_")[2]
    tokens_file.save(files, [token])
    assert secret not in files.read(layout.TOKENS).decode()
    assert secret not in repr(token)
    assert token.digest not in repr(token)


def test_only_the_owner_may_read_the_file(files: Disk) -> None:
    tokens_file.save(files, [])
    assert stat.S_IMODE((files.root / layout.TOKENS).stat().st_mode) == 0o600


def test_no_flipped_byte_changes_what_a_token_may_do(files: Disk) -> None:
    token, _ = _issued()
    tokens_file.save(files, [token])
    whole = files.read(layout.TOKENS)
    path = files.root / layout.TOKENS
    for at in range(len(whole)):
        for flip in (0x01, 0x20, 0x80):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
            with suppress(Corrupt, DataDirError):
                assert tokens_file.load(files) == [token]


def test_no_cut_file_is_believed(files: Disk) -> None:
    tokens_file.save(files, [_issued()[0]])
    whole = files.read(layout.TOKENS).rstrip()
    for length in range(len(whole)):
        (files.root / layout.TOKENS).write_bytes(whole[:length])
        with pytest.raises(Corrupt, match=r"tokens\.json is damaged"):
            tokens_file.load(files)


def test_a_file_of_a_later_version_is_refused_as_such(files: Disk) -> None:
    tokens_file.save(files, [])
    said = json.loads(files.read(layout.TOKENS))
    (files.root / layout.TOKENS).write_text(json.dumps({**said, "format": 2}))
    with pytest.raises(DataDirError, match="later version"):
        tokens_file.load(files)


def test_a_crash_leaves_the_tokens_of_before_or_those_of_after() -> None:
    """A rename that overtakes the bytes it names would leave nobody, or an empty file."""
    disk = CrashFiles()
    before, after = _issued("before")[0], _issued("after")[0]
    tokens_file.save(disk, [before])
    disk.moments.clear()
    tokens_file.save(disk, [before, after])
    seen = set()
    for _, moment in disk.moments:
        for cut in moment.cuts():
            found = tokens_file.load(CrashFiles(cut))
            assert found in ([before], [before, after])
            seen.add(len(found or []))
    assert seen == {1, 2}


def test_two_processes_that_change_tokens_at_once_lose_neither(files: Disk) -> None:
    """Each reads, adds and replaces; without a lock the later one would undo the other."""
    inside, go_on = threading.Event(), threading.Event()

    def slowly(tokens: list[Token]) -> list[Token]:
        inside.set()
        go_on.wait(30)
        return [*tokens, _issued("slow")[0]]

    slow = threading.Thread(target=tokens_file.change, args=(open_root(files.root), slowly))
    slow.start()
    inside.wait(30)
    with pytest.raises(DataDirError, match="Another process is changing the tokens"):
        tokens_file.change(open_root(files.root), lambda tokens: tokens)
    go_on.set()
    slow.join()
    tokens_file.change(open_root(files.root), lambda tokens: [*tokens, _issued("quick")[0]])
    assert [token.name for token in tokens_file.load(files) or []] == ["slow", "quick"]
