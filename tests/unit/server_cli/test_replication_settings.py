"""Settings of replication: an address that can be followed, a token that is never repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from flightstore_proto.errors import ConfigError
from flightstore_server import config

_TOKEN_VARIABLE = "FLIGHTSTORE_REPLICATION_TOKEN"


def test_the_token_comes_from_the_environment_and_is_not_shown() -> None:
    settings = config.load(None, {_TOKEN_VARIABLE: "a-secret"}, {})
    assert settings.replication.token.get_secret_value() == "a-secret"
    assert "a-secret" not in repr(settings)


@pytest.mark.parametrize("token", ["a secret", "a-secret\n", "geheimniß"])
def test_a_token_that_does_not_fit_a_header_is_refused_without_being_repeated(token: str) -> None:
    with pytest.raises(ConfigError, match=r"replication\.token") as caught:
        config.load(None, {_TOKEN_VARIABLE: token}, {})
    assert token.strip() not in caught.value.message


def test_a_token_that_is_no_text_is_not_repeated_either(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_text("[replication]\ntoken = 123456\n")
    with pytest.raises(ConfigError, match=r"replication\.token") as caught:
        config.load(path, {}, {})
    assert "123456" not in caught.value.message


def test_the_flag_wins_over_the_environment() -> None:
    environment = {"FLIGHTSTORE_REPLICATION_FOLLOW": "grpc://other:1"}
    flags = {"replication.follow": "grpc://primary:8815", "port": 0}
    settings = config.load(None, environment, flags)
    assert settings.replication.follow == "grpc://primary:8815"
    assert settings.server.port == 0


@pytest.mark.parametrize("follow", ["primary", "primary:8815", "http://primary:8815", "grpc://a:b"])
def test_what_is_no_address_cannot_be_followed(follow: str) -> None:
    with pytest.raises(ConfigError, match=r"such as grpc://10\.0\.0\.1:8815"):
        config.load(None, {}, {"replication.follow": follow})
