"""Hosts that vanish without a word, in a network of the tests' own.

What drops packets would drop everybody's, so `behind_a_black_hole.py` is run where nobody else is.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.abilities import need_program, need_root

ROOT = Path(__file__).parents[2]
TESTS = Path(__file__).with_name("behind_a_black_hole.py")
SECONDS = 240


def test_everything_holds_when_hosts_vanish() -> None:
    need_root()
    need_program("ip", "iproute2")
    need_program("iptables", "iptables")
    inside = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    done = subprocess.run(
        ["unshare", "--net", *inside, str(TESTS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
