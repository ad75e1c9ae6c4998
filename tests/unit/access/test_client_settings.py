"""Certificates by environment and by the ingestion's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

import flightstore as fs
from flightstore_ingest.config import StoreSection
from flightstore_proto.errors import ConfigError
from flightstore_server import config


def test_the_environment_names_certificates() -> None:
    given = {"FLIGHTSTORE_CA": "ca", "FLIGHTSTORE_CERT": "cert", "FLIGHTSTORE_KEY": "key"}
    assert fs.Tls.of(given) == fs.Tls("ca", "cert", "key")
    assert fs.Tls.of({"FLIGHTSTORE_CA": "ca"}) == fs.Tls("ca")
    assert fs.Tls.of({"FLIGHTSTORE_CA": ""}) is None


def test_an_address_without_tls_ignores_certificates_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLIGHTSTORE_CA", "/nowhere/ca.pem")
    fs.connect("grpc://127.0.0.1:1", check=False).close()
    with pytest.raises(ConfigError, match=r"/nowhere/ca\.pem"):
        fs.connect("grpc+tls://127.0.0.1:1", check=False)


def test_the_ingestion_is_told_certificates() -> None:
    assert StoreSection().tls() is None
    assert StoreSection(ca="ca").tls() == fs.Tls("ca")
    assert StoreSection(ca="ca", cert="c", key="k").tls() == fs.Tls("ca", "c", "k")


def test_a_replica_may_follow_an_encrypted_address(tmp_path: Path) -> None:
    flags = {"replication.follow": "grpc+tls://primary:8815"}
    assert config.load(None, {}, flags).replication.follow == "grpc+tls://primary:8815"


def test_certificates_of_the_server_come_from_the_environment() -> None:
    given = {"FLIGHTSTORE_TLS_CERT": "a.pem", "FLIGHTSTORE_TLS_KEY": "a.key"}
    files = config.load(None, given, {}).tls.files()
    assert files is not None
    assert (files.chain, files.key, files.client_ca) == (Path("a.pem"), Path("a.key"), None)
