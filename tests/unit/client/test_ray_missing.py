"""flightstore.ray without Ray."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import flightstore as fs


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "flightstore.ray", raising=False)
    with pytest.raises(fs.MissingExtra, match=r"pip install 'flightstore\[ray\]'"):
        importlib.import_module("flightstore.ray")


def test_who_does_not_use_ray_does_not_load_it() -> None:
    code = "import sys, flightstore; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
