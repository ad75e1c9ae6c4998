"""A server that cannot start says why, and what to do, in one sentence."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.serving import Serving
from tests.support.stores import put, stepped

import flightstore as fs
from flightstore_server import config
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.store import open_store
from flightstore_server.flight.lifecycle import bind

BTC = "binance:BTC/USDT"


def _fails(path: Path, kind: type, said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        open_store(path, Limits()).close()
    assert "\n" not in caught.value.message


def test_a_second_server_on_one_directory_is_refused_and_names_the_first(serving: Serving) -> None:
    _fails(serving.root, fs.DataDirError, rf"in use .*\(process {os.getpid()}\)")
    assert serving.db.health().ready


def test_a_directory_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    _fails(tmp_path / "file" / "data", fs.DataDirError, f"{tmp_path}/file/data cannot be used")


def test_a_file_where_the_directory_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    _fails(tmp_path / "data", fs.DataDirError, "cannot be used: File exists")


def test_a_directory_that_cannot_be_written_is_named() -> None:
    # Not even the superuser may write there.
    _fails(Path("/proc/self/task"), fs.DataDirError, "/proc/self/task cannot be used")


def test_an_unknown_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_text("[limits]\nput_byte_max = 5\n")
    with pytest.raises(fs.ConfigError, match=r"'limits.put_byte_max'. Did you mean put_bytes_max"):
        config.load(path, {}, {})


def test_an_unknown_section_is_named_with_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_text("[limit]\nput_bytes_max = 5\n")
    with pytest.raises(fs.ConfigError, match=r"'limit'\. Did you mean limits"):
        config.load(path, {}, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nport = 99999", "server.port: .* 65535 .*got 99999"),
        ("[server]\nport = 'x'", "server.port: .*got 'x'"),
        ("[server\n", "is not TOML"),
        ("[[retention]]\ndataset = 'trades'", "age_days"),
    ],
)
def test_a_bad_value_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "server.toml"
    path.write_text(text)
    with pytest.raises(fs.ConfigError, match=f"{path}.*{said}") as caught:
        config.load(path, {}, {})
    assert "pydantic" not in caught.value.message


@pytest.mark.parametrize("section", ["retention", "rules", "triggers"])
def test_a_variable_for_one_of_several_sections_is_named(section: str) -> None:
    name = f"FLIGHTSTORE_{section.upper()}_NAME"
    with pytest.raises(fs.ConfigError, match=rf"{name}.*\[\[{section}\]\]"):
        config.load(None, {name: "x"}, {})


def test_a_rule_that_cannot_be_says_so_at_start(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_text('[[rules]]\non = "candles/*/5m"\nto = ["1m"]\n')
    settings = config.load(path, {}, {})
    store = open_store(tmp_path / "data", Limits())
    with pytest.raises(fs.BadRequest, match="1m cannot be made of bars of 5m"):
        store.rules.configure(settings.derivation_rules())
    store.close()


def test_a_missing_configuration_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(fs.ConfigError, match=f"{tmp_path}/nothing cannot be read"):
        config.load(tmp_path / "nothing", {}, {})


def test_a_port_that_is_taken_is_named(serving: Serving) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(fs.ConfigError, match=f"127.0.0.1:{port}: the port is in use"):
            bind(serving.store, "127.0.0.1", port)


def test_an_address_of_another_machine_is_named(serving: Serving) -> None:
    with pytest.raises(fs.ConfigError, match=r"192.0.2.1:\d+: .* not this machine's"):
        bind(serving.store, "192.0.2.1", 0)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A closed data directory with rows in the log and in a segment."""
    root = tmp_path / "data"
    store = stepped(root, Limits())
    put(store, candles([NOON_2024 + minute * MINUTE for minute in range(700)]))
    store.flush()
    for minute in range(720, 723):
        put(store, candles([NOON_2024 + minute * MINUTE]))
    store.close()
    return root


def test_a_damaged_log_is_named_with_its_offset(kept: Path) -> None:
    [path] = (kept / "log").iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    _fails(kept, fs.Corrupt, rf"log/{path.name} is damaged at offset \d+")


def test_a_missing_log_is_named(kept: Path) -> None:
    [path] = (kept / "log").iterdir()
    path.rename(path.with_name(f"{9:020}.log"))
    _fails(kept, fs.Corrupt, r"The log begins at record 9 .*offset 0")


def test_a_damaged_catalog_is_named(kept: Path) -> None:
    for path in kept.glob("catalog.sqlite*"):
        path.write_bytes(b"x" * path.stat().st_size)
    _fails(kept, fs.DataDirError, f"The catalog {kept}/catalog.sqlite is damaged")


def test_a_directory_of_another_format_is_refused(kept: Path) -> None:
    [path] = (kept / "log").iterdir()
    path.write_bytes(path.read_bytes().replace(b"FSLOG001", b"FSLOG999", 1))
    _fails(kept, fs.Corrupt, r"offset 0 that it has format 999")


def test_a_damaged_segment_is_an_error_for_its_readers_and_nobody_else(kept: Path) -> None:
    [path] = (kept / "segments").rglob("*.arrow")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.unlink()
    path.write_bytes(data)
    served = Serving(kept)
    served.db.write("x:OTHER", candles([NOON_2024]), timeframe="1m")
    with pytest.raises(fs.Corrupt, match=r"damaged between offset \d+ and \d+"):
        served.db.candles(BTC, "1m")
    with pytest.warns(fs.PartialReadWarning, match="damaged"):
        rows = served.db.candles("*", "1m")
    assert rows["exchange"].unique().to_list() == ["x"]
    served.close()


def test_a_missing_segment_is_named(kept: Path) -> None:
    [path] = (kept / "segments").rglob("*.arrow")
    path.unlink()
    served = Serving(kept)
    with pytest.raises(fs.Corrupt, match=f"{path.name} cannot be opened at offset 0"):
        served.db.candles(BTC, "1m")
    assert served.db.candles(BTC, "1m", "2024-01-02").height == 3
    served.close()
