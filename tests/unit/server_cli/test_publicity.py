"""Whom a server may be reached by: this machine, or everybody with TLS and tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from flightstore.cli import main
from flightstore_proto.errors import ConfigError
from flightstore_server import config
from flightstore_server.cli.publicity import refuse_public

TLS = {"tls.cert": "server.pem", "tls.key": "server.key"}


def _settings(tmp_path: Path, **flags: object) -> config.Config:
    return config.load(None, {}, {"host": "0.0.0.0", "data_dir": tmp_path, **flags})


def _with_tokens(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").touch()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.9.9.9"])
def test_this_machine_needs_neither(tmp_path: Path, host: str) -> None:
    refuse_public(_settings(tmp_path, host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_a_public_address_without_both_is_refused_with_what_mends_it(
    tmp_path: Path, host: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_public(_settings(tmp_path, host=host))
    said = caught.value.message
    assert "no TLS (give [tls] cert and key)" in said
    assert f"`flightstore token create NAME --role admin --data-dir {tmp_path}`" in said
    assert "--insecure" in said


def test_the_command_refuses_before_it_opens_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    assert main(["serve", "--host", "0.0.0.0", "--data-dir", str(root), "--port", "0"]) == 1
    assert "can be reached from other machines" in capsys.readouterr().err
    assert not root.exists()


def test_what_is_there_is_not_missed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no tokens") as caught:
        refuse_public(_settings(tmp_path, **TLS))
    assert "no TLS" not in caught.value.message
    _with_tokens(tmp_path)
    with pytest.raises(ConfigError, match="no TLS") as caught:
        refuse_public(_settings(tmp_path))
    assert "no tokens" not in caught.value.message


def test_with_both_everybody_may_come(tmp_path: Path) -> None:
    _with_tokens(tmp_path)
    refuse_public(_settings(tmp_path, **TLS))


def test_who_says_so_may_do_without(tmp_path: Path) -> None:
    refuse_public(_settings(tmp_path, insecure=True))


@pytest.mark.parametrize("flags", [{"tls.cert": "a"}, {"tls.key": "a"}, {"tls.client_ca": "a"}])
def test_half_of_what_tls_takes_is_an_error(tmp_path: Path, flags: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="cert and key go together"):
        _settings(tmp_path, **flags)
