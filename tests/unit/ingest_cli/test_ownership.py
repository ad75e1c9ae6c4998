"""One process asks one exchange."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from flightstore_ingest.ownership import ExchangeTaken, owning

HOLDER = """
    import sys
    from flightstore_ingest.ownership import owning
    with owning("binance"):
        print("owned", flush=True)
        sys.stdin.read()
"""


def holder() -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    code = textwrap.dedent(HOLDER)
    child = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "owned\n"
    return child


def test_the_second_process_is_told_the_first_and_what_to_do():
    first = holder()
    try:
        with pytest.raises(ExchangeTaken) as refused, owning("binance"):
            pass
        assert f"by process {first.pid} " in refused.value.message
        assert "--share" in refused.value.message
    finally:
        first.kill()
        first.communicate()


def test_a_killed_process_owns_nothing():
    first = holder()
    first.kill()
    first.communicate()
    with owning("binance"):
        pass


def test_what_is_shared_on_purpose_is_not_refused():
    with owning("binance"), owning("binance", share=True):
        pass


def test_sharing_does_not_take_the_exchange_from_its_owner():
    with owning("binance"):
        with owning("binance", share=True):
            pass
        with pytest.raises(ExchangeTaken, match=f"process {os.getpid()} "), owning("binance"):
            pass


def test_other_exchanges_and_other_addresses_are_free():
    with (
        owning("binance"),
        owning("kraken"),
        owning("binance", "http://127.0.0.1:9000"),
        owning("binance", "http://127.0.0.1:9001"),
    ):
        pass


def test_it_ends_with_its_block():
    for _ in range(2):
        with owning("binance"):
            pass
