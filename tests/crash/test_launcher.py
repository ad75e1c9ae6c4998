"""Processes that are forked from a warm parent are what tests take them for: fresh ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from tests.support.launcher import SABOTAGE, Launched, Launcher
from tests.support.replicating import until

WARM = Launcher("json")
_TELL = """
import json, os, signal, sys
print(json.dumps({
    "arguments": sys.argv,
    "environment": dict(os.environ),
    "folder": os.getcwd(),
    "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "files": [os.readlink(f"/proc/self/fd/{fd}") for fd in (0, 2)],
    "descriptors": len(os.listdir("/proc/self/fd")),
    "main": __name__,
}))
print("an error", file=sys.stderr)
sys.exit(3)
"""
_WAIT = "import time; print('here', flush=True); time.sleep(600)"


def _waiting() -> Launched:
    child = WARM.start(_WAIT, [], environment={})
    assert child.stdout is not None
    assert child.stdout.readline() == "here\n"
    return child


def test_a_child_is_told_what_it_was_started_with_and_says_how_it_ended() -> None:
    child = WARM.start(_TELL, ["--some", "words"], environment={"ONE": "1"})
    out, err = child.communicate(60)
    said = json.loads(out)
    assert said["arguments"] == ["-c", "--some", "words"]
    assert {"ONE": "1"}.items() <= said["environment"].items()
    assert "HOME" not in said["environment"]
    assert said["folder"] == str(Path.cwd())
    assert said["interrupt"]
    assert said["main"] == "__main__"
    assert (child.returncode, err) == (3, "an error\n")
    child.close()


def test_a_child_has_none_of_its_parents_descriptors() -> None:
    others = [_waiting() for _ in range(3)]
    child = WARM.start(_TELL, [], environment={})
    # The three of every process, and the one that lists them.
    assert '"descriptors": 4' in child.communicate(60)[0]
    for each in (*others, child):
        each.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_that_ends_a_child_is_its_exit_code(number: signal.Signals) -> None:
    child = _waiting()
    assert child.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.01)
    child.send_signal(number)
    assert child.wait(60) == -number
    child.send_signal(number)  # harmless once it has ended
    child.close()


def test_children_draw_different_numbers() -> None:
    drawn = "import random; print(random.random())"
    children = [WARM.start(drawn, [], environment={}) for _ in range(2)]
    first, second = (child.communicate(60)[0] for child in children)
    assert first != second
    for child in children:
        child.close()


def test_children_end_with_the_process_that_started_them() -> None:
    """A test run that is killed must not leave servers behind."""
    code = f"""
import sys, time
from tests.support.launcher import Launcher
child = Launcher("json").start({_WAIT!r}, [], environment={{}})
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""
    starter = WARM.start(code, [], environment={"PATH": os.environ["PATH"]})
    assert starter.stdout is not None
    child = psutil.Process(int(starter.stdout.readline()))
    starter.close()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_planted_defect_is_planted_in_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SABOTAGE, "no defect of that name")
    child = WARM.start("print('unharmed')", [], environment={})
    out, err = child.communicate(60)
    assert (out, child.returncode) == ("", 1)
    assert "no defect of that name" in err
    child.close()
