"""Sweeps and datasets on a Ray cluster of this machine.

Ray listens on every address of the machine, whatever it is told, so that the cluster, the store and
the tests of `ray_on_a_cluster.py` live in a network of their own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.private_network import NOT_ALLOWED

ROOT = Path(__file__).parents[2]
TESTS = Path(__file__).with_name("ray_on_a_cluster.py")
SECONDS = 240


def test_everything_holds_on_a_cluster() -> None:
    pytest.importorskip("ray", reason="RAY IS NOT INSTALLED: pip install 'flightstore[ray]'")
    inside = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "tests.support.private_network", *inside, str(TESTS)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode == NOT_ALLOWED:
        pytest.skip(f"NO NETWORK OF ITS OWN FOR RAY: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
