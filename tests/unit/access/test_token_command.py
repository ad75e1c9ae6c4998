"""flightstore token: a secret is shown once, and lists tell of what it is good for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flightstore.cli import main
from flightstore_server.access.tokens import parts_of

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`flightstore token` with these arguments: exit code, stdout, stderr."""

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(["token", *arguments, "--data-dir", str(tmp_path / "data")])
        return (code, *capsys.readouterr())

    return command


def test_stdout_is_the_token_and_nothing_else(run: Run) -> None:
    code, out, err = run("create", "bot", "--role", "write", "--instruments", "binance:*")
    assert code == 0
    assert parts_of(out.removesuffix("\n")) is not None
    assert "binance:*" in err
    assert out.strip() not in err


def test_a_list_tells_everything_but_the_secret(run: Run) -> None:
    _, out, _ = run("create", "bot", "--role", "read", "--datasets", "candles, own_*")
    run("create", "later", "--role", "admin", "--expires", "90d")
    code, listed, _ = run("list", "--json")
    assert code == 0
    rows = json.loads(listed)
    assert [(r["name"], r["role"], r["datasets"], r["state"]) for r in rows] == [
        ("bot", "read", "candles,own_*", "valid"),
        ("later", "admin", "*", "valid"),
    ]
    assert rows[0]["expires"] == "never"
    assert rows[1]["expires"] > rows[1]["created"]
    assert out.strip().rpartition("_")[2] not in listed


def test_a_token_is_revoked_by_its_name_or_its_id(run: Run) -> None:
    _, first, _ = run("create", "first", "--role", "read")
    run("create", "second", "--role", "read")
    assert run("revoke", first.split("_")[1])[0] == 0
    assert run("revoke", "second")[0] == 0
    _, out, err = run("list")
    assert not out
    assert "nobody is let in" in err


def test_without_tokens_a_list_says_that_nobody_needs_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data" / "log").mkdir(parents=True)
    assert "nobody needs one" in run("list")[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "a b", "--role", "read"], "cannot name a token"),
        (["create", "x", "--role", "read", "--expires", "soon"], "write it like 12h"),
        (["create", "x", "--role", "read", "--expires", "0d"], "write it like 12h"),
        (["create", "x", "--role", "read", "--instruments", "BTC"], "not an instrument"),
        (["create", "x", "--role", "read", "--datasets", "a/b"], "no pattern of datasets"),
        (["create", "x", "--role", "admin", "--datasets", "candles"], "An admin reaches"),
        (["create", "x", "--role", "owner"], "'owner' is not one of"),
        (["create", "there", "--role", "read"], "There is a token 'there' already"),
        (["revoke", "ther"], "Did you mean there?"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(run: Run, arguments: list[str], said: str) -> None:
    run("create", "there", "--role", "read")
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_a_directory_that_is_none_has_no_tokens_to_revoke(run: Run, tmp_path: Path) -> None:
    code, _, err = run("revoke", "x")
    assert code == 1
    assert "not a data directory" in err
    assert not (tmp_path / "data").exists()
