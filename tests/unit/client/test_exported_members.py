"""The public face of the package."""

from __future__ import annotations

import subprocess
import sys

import flightstore as fs
from flightstore_proto.errors import BY_CODE


def test_every_public_name_is_exported_and_says_it_is_flightstores() -> None:
    public = {name for name in vars(fs) if not name.startswith("_") and not name.islower()} | {
        "connect",
        "sweep",
        "aio",
    }
    assert set(fs.__all__) == public
    for name in set(fs.__all__) - {"aio"}:
        assert getattr(fs, name).__module__ == "flightstore", name
        assert getattr(fs, name).__doc__ or issubclass(getattr(fs, name), Exception), name


def test_every_error_of_the_contract_is_exported() -> None:
    assert {cls.__name__ for cls in BY_CODE.values()} <= set(fs.__all__)


def test_the_client_is_thin_when_it_is_imported() -> None:
    heavy = ("pandas", "pydantic", "ccxt", "typer", "rich", "flightstore_server", "asyncio.runners")
    code = f"import sys, flightstore; print([m for m in {heavy[:-1]!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
