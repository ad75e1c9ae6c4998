"""The group of commands: what it lists, and what it does not load for that."""

from __future__ import annotations

import subprocess
import sys

import pytest

COMMANDS = ("backfill", "repair", "run", "live", "status", "simulate")
PROBE = """
import sys
from flightstore.cli import main
main({arguments!r})
print(sorted({{"ccxt", "aiohttp"}} & sys.modules.keys()), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["ingest", "--help"]])
def test_help_loads_no_exchange(arguments):
    code = PROBE.format(arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert "Fill the store from exchanges" in done.stdout
    assert done.stderr == "[]\n"


def test_help_lists_the_commands(cli):
    result = cli("--help")
    assert result.code == 0
    assert all(f"\n  {name} " in result.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_in_its_help(cli, name):
    result = cli(name, "--help")
    assert result.code == 0
    assert f"Examples:\n    flightstore ingest {name}" in result.out


def test_a_wrong_command_is_answered_with_near_names(cli):
    result = cli("backfil")
    assert result.code == 2
    assert "'backfill'" in result.err
