"""W10: memory while 5 M trades are put and while 4 GB are read, size on disk, start-up time.

Each contestant is alone, and its server is killed right after it has acknowledged the last trade.
What it then answers is compared with what it was given. Memory is that of client and server at
their peak; `server` is the part of the store's own processes, of those that have some. The client
of everyone holds the batches of rows that it puts, from before the first put.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.peers import inputs
from bench.peers.answers import judge
from bench.peers.contest import Contest, Cost, Driver, Failed
from bench.peers.inputs import KEY
from bench.peers.results import Result, measured
from bench.peers.standing import (
    MEMORY_READING,
    MEMORY_WRITING,
    ON_DISK,
    START_KILLED,
    START_STOPPED,
)

Work = Callable[[Contest, Driver], Result | None]


def run(contest: Contest) -> Iterator[Result]:
    contest.inputs.make("main", "late", "history", "big")
    found = [result for name in contest.names for result in _of(contest, name)]
    for words in (MEMORY_WRITING, START_KILLED, START_STOPPED, ON_DISK, MEMORY_READING):
        yield from (result for result in found if result.question == words)


def _of(contest: Contest, name: str) -> Iterator[Result]:
    """Trades, one restart after another with these inside, and bars; then, anew, the 4 GB."""
    with contest.driver(name) as driver:
        if driver.missing is not None:
            return
        if driver.ways("write_main") and driver.ways("start"):
            yield from _found(MEMORY_WRITING, contest, driver, _writing)
            yield from _found(START_KILLED, contest, driver, _killed)
            yield from _found(START_STOPPED, contest, driver, _stopped)
            yield from _found(ON_DISK, contest, driver, _disk)
        reads = driver.ways("load_big") and driver.ways("read_big")
    if reads:
        with contest.driver(name) as driver:
            yield from _found(MEMORY_READING, contest, driver, _reading)


def _found(words: str, contest: Contest, driver: Driver, work: Work) -> Iterator[Result]:
    """What was found, unless it is not offered; or why it could not be."""
    try:
        result = work(contest, driver)
    except Failed as error:
        yield Result("W10", words, driver.name, failed=str(error))
    else:
        if result is not None:
            yield result


def _writing(contest: Contest, driver: Driver) -> Result:
    driver.ask("read_trades")
    driver.ask("new_trades")
    result = _with_peak(MEMORY_WRITING, driver, "write_main", contest.inputs.rows("main"))
    driver.ask("write_late")
    return result


def _killed(contest: Contest, driver: Driver) -> Result | None:
    return _starts(contest, driver, START_KILLED, "kill")


def _stopped(contest: Contest, driver: Driver) -> Result | None:
    driver.settle()
    return _starts(contest, driver, START_STOPPED, "stop")


def _starts(contest: Contest, driver: Driver, words: str, end: str) -> Result | None:
    if not (driver.ways(end) and driver.ways("start")):
        return None
    cost = Cost()
    for _ in range(contest.pick(5, 2)):
        driver.ask(end)
        cost.add(driver.ask("start"))
    expected = contest.inputs.frame("main", "late")
    verdict = str(judge(driver.answer("trades"), expected, KEY))
    return measured("W10", words, driver.name, cost, verdict=verdict)


def _disk(contest: Contest, driver: Driver) -> Result:
    """All that is below its folder: logs that it keeps for a while are part of it."""
    trades = driver.disk()
    values = {
        "trades, MB": trades / 1e6,
        "bytes a trade": trades / contest.inputs.rows("main", "late"),
    }
    if driver.ways("load_history"):
        driver.ask("load_history")
        driver.settle()
        values["with the bars, MB"] = driver.disk() / 1e6
    return Result("W10", ON_DISK, driver.name, values=values)


def _reading(contest: Contest, driver: Driver) -> Result:
    driver.ask("load_big")
    driver.settle()
    rows = contest.inputs.rows("big") * len(inputs.BIG)
    return _with_peak(MEMORY_READING, driver, "read_big", rows)


def _with_peak(words: str, driver: Driver, method: str, rows: int) -> Result:
    cost = Cost()
    with driver.peak() as together, driver.peak(client=False) as server:
        answer = driver.ask(method)
    cost.add(answer)
    cost.memory = together.bytes
    number = answer["number"]
    verdict = "" if number is None else "right" if number == rows else f"{number:,} rows"
    result = measured("W10", words, driver.name, cost, verdict=verdict, rows=rows)
    if server.bytes:
        result.values["server, MiB"] = server.bytes / 2**20
    return result
