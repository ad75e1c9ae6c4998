"""The files in config/ that others read: systemd, container tools, Prometheus."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from flightstore_server import config

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "config" / "flightstore.service"
CONTAINER = ROOT / "config" / "Containerfile"
INSTRUCTIONS = {
    *("FROM", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE"),
    *("STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"),
}


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("NO SYSTEMD-ANALYZE: apt-get install systemd")
    # Where it would be installed there is nothing on this machine.
    program = tmp_path / "flightstore"
    program.touch(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/flightstore/bin/flightstore", str(program)))
    done = subprocess.run(
        [analyze, "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_waits_for_the_server_to_say_that_it_is_ready() -> None:
    assert "Type=notify" in UNIT.read_text().splitlines()


def instructions() -> list[tuple[str, str]]:
    """The Containerfile as (instruction, arguments), with continued lines joined."""
    text = re.sub(r"^#.*\n", "", CONTAINER.read_text(), flags=re.M).replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in lines]


def test_the_container_file_has_only_instructions_that_there_are() -> None:
    assert {name for name, _ in instructions()} <= INSTRUCTIONS
    assert instructions()[0][0] == "FROM"


def test_the_container_is_not_run_by_root_and_keeps_its_data_on_a_volume() -> None:
    found = dict(instructions())
    assert found["USER"] not in ("root", "0")
    assert found["VOLUME"] == "/data"
    assert "flightstore" in found["HEALTHCHECK"]
    assert "health" in found["HEALTHCHECK"]


def test_the_container_copies_what_is_there() -> None:
    copied = [
        source
        for name, text in instructions()
        if name == "COPY" and "--from" not in text
        for source in text.split()[:-1]
    ]
    assert copied
    assert not [source for source in copied if not (ROOT / source).exists()]


def test_the_containers_environment_is_a_configuration() -> None:
    [text] = [text for name, text in instructions() if name == "ENV"]
    environment = dict(item.split("=", 1) for item in text.split())
    settings = config.load(None, environment, {})
    assert str(settings.server.data_dir) == "/data"
    assert settings.server.log_format == "json"
