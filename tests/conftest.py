"""What all tests share: how much of them to run, the seed, and the recorded market data.

--profile=ci|nightly|release   how long randomised tests go on; `nightly` tests run from nightly on
--no-skips                     a skipped test is a failure: for machines that must have it all
FLIGHTSTORE_SEED               the seed of a run; printed in its header, so that it can be had again
FLIGHTSTORE_TEST_DATA          where the recorded market data lies
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import hypothesis
import pytest
from tests.support.seeds import VARIABLE

ROOT = Path(__file__).parents[1]
DATA_VARIABLE = "FLIGHTSTORE_TEST_DATA"
# Examples that hypothesis tries per test, where a test does not say otherwise.
EXAMPLES = {"ci": 100, "nightly": 2_000, "release": 10_000}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("flightstore")
    group.addoption("--profile", choices=list(EXAMPLES), default="ci", help="how much to test")
    group.addoption("--no-skips", action="store_true", help="a skipped test is a failure")


def pytest_configure(config: pytest.Config) -> None:
    given = os.environ.get(VARIABLE)
    if given:
        # Not for a seed of our own: with one, hypothesis forgets the failures it knows from before.
        config.option.hypothesis_seed = config.option.hypothesis_seed or given
    os.environ[VARIABLE] = given or str(random.SystemRandom().randrange(2**32))
    for name, examples in EXAMPLES.items():
        # No deadline per example: a busy machine is not a defect.
        hypothesis.settings.register_profile(
            name, max_examples=examples, deadline=None, print_blob=True
        )
    hypothesis.settings.load_profile(config.getoption("--profile"))


def pytest_report_header(config: pytest.Config) -> list[str]:
    return [f"{VARIABLE}={os.environ[VARIABLE]}, profile {config.getoption('--profile')}"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    if config.getoption("--profile") != "ci":
        return
    nightly = [item for item in items if item.get_closest_marker("nightly")]
    if nightly:  # left out, and not skipped: what is skipped should have run
        config.hook.pytest_deselected(items=nightly)
        items[:] = [item for item in items if item not in nightly]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not session.config.getoption("--no-skips") or reporter is None:
        return
    skipped = len(reporter.stats.get("skipped", []))
    if skipped:
        reporter.write_line(f"\n{skipped} tests were skipped, and --no-skips allows none", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def market_data() -> Path:
    """The folder with recorded market data, or a skip that says what is missing."""
    folder = Path(os.environ.get(DATA_VARIABLE) or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(
            f"NO RECORDED MARKET DATA: {folder} is not there; point {DATA_VARIABLE} at a copy"
        )
    return folder
