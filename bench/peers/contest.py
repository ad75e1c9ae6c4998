"""Contestants in their processes, asked in turn."""

from __future__ import annotations

import copy
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from bench.peers.contestants import CONTESTANTS
from bench.peers.costs import PeakMemory, disk
from bench.peers.inputs import Inputs

_STOP_SECONDS = 120.0
_ANSWER_SECONDS = 1_800.0
_SLOW_SECONDS = 10.0  # a call that takes so long owes nothing to a warm cache, and is counted


class Failed(Exception):
    """A contestant could not do what it was asked; the message is its own."""


@dataclass
class Cost:
    """What a contestant took for one question, round by round.

    seconds  until the answer was in the client's hands
    cpu      processor seconds, of client and servers
    memory   bytes, of client and servers at their peak; mapped files are the page cache's
    failed   why it could not answer, in its own words
    """

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: int = 0
    failed: str = ""

    def add(self, answer: dict[str, Any]) -> None:
        self.seconds += answer["seconds"]
        self.cpu += answer["cpu"]


class Driver:
    """A contestant's process, seen from here."""

    def __init__(self, name: str, folder: Path, inputs: Path, called: str = "") -> None:
        self.name, self.folder = called or name, folder
        command = [sys.executable, "-m", "bench.peers.driver", name, str(folder), str(inputs)]
        folder.mkdir(parents=True, exist_ok=True)
        # Its warnings go beside its data; they are shown only if it fails.
        self._log = folder.with_suffix(".log")
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # so that nothing of it outlives it: see close
            )
        try:
            told = self._read()
        except Failed as error:
            told = {"missing": f"did not start: {error}"}
        self.missing: str | None = told.get("missing")
        self.title: str = told.get("title") or name
        self.durable: str = told.get("durable", "")
        self._offers: dict[str, dict[str, str]] = told.get("offers", {})
        self._servers: list[int] = told.get("processes", [])

    def ways(self, question: str) -> dict[str, str]:
        """The methods that answer a question, by what they are called in a table."""
        found = self._offers.get(question, {})
        return {f"{self.name} ({way})" if way else self.name: m for way, m in found.items()}

    def method(self, question: str, label: str) -> str:
        """What answers `question` in the way that is called `label`, or else in the plain way."""
        found = self.ways(question)
        return found.get(label) or found.get(self.name) or question

    def settle(self) -> None:
        """Have an operator's work done after a bulk load, if there is any."""
        for method in self.ways("settle").values():
            self.ask(method)

    def ask(self, method: str, *arguments: Any, times: int = 1) -> dict[str, Any]:
        """Have a method called and timed. Raises Failed."""
        return self._told({"method": method, "arguments": list(arguments), "times": times})

    def answer(self, method: str, *arguments: Any) -> pl.DataFrame:
        """What a method returns. Raises Failed."""
        path = self.folder.with_suffix(".answer")
        self._told({"method": method, "arguments": list(arguments), "save": str(path)})
        frame = pl.read_ipc(path)
        path.unlink()
        return frame

    def _told(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise Failed(f"{self.name} is gone, as said before ({error})") from error
        answer = self._read()
        if "error" in answer:
            raise Failed(f"{self.name}, {asked['method']}: {answer['error']} (see {self._log})")
        self._servers = answer["processes"]
        return answer

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        # It says one line for each that it is told, so none waits in the buffer.
        if not select.select([self._process.stdout], [], [], _ANSWER_SECONDS)[0]:
            self._process.kill()
            raise Failed(f"{self.name} did not answer for {_ANSWER_SECONDS:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"{self.name} ended: {self._log.read_text()[-2000:]}")
        found: dict[str, Any] = json.loads(line)
        return found

    def peak(self, *, client: bool = True) -> PeakMemory:
        """The memory of client and servers, or of the servers alone, within a `with` block."""
        return PeakMemory([*([self._process.pid] if client else []), *self._servers])

    def disk(self) -> int:
        """Bytes of the disk that its data take."""
        return disk(self.folder)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # servers that outlived a crash, too
        self._process.wait()
        self._process.stdout.close()


class Contest:
    """Who takes part, where the data lie, and how thorough to be."""

    def __init__(self, folder: Path, names: Iterable[str], *, quick: bool = False) -> None:
        self.folder, self.quick = folder, quick
        self.names = list(names)
        self.inputs = Inputs(folder / "inputs", share=10 if quick else 1)
        self.missing: dict[str, str] = {}
        self.titles: dict[str, str] = {}
        self.durable: dict[str, str] = {}

    def pick(self, full: int, quick: int) -> int:
        """`full`, or `quick` in a quick run."""
        return quick if self.quick else full

    def smaller(self, times: int) -> Contest:
        """The same one, whose rows are a `times`th."""
        found = copy.copy(self)
        found.inputs = Inputs(self.folder / f"inputs-{times}", self.inputs.share * times)
        return found

    @contextmanager
    def drivers(
        self, *questions: str, one_of: Iterable[str] = (), only: Iterable[str] = CONTESTANTS
    ) -> Iterator[list[Driver]]:
        """Those that answer all of `questions`, each with an empty folder, until the block ends.

        Of `one_of` they answer at least one, if it is given.
        """
        with ExitStack() as stack:
            found = []
            for name in self.names:
                if name not in only or name in self.missing:
                    continue
                held = ExitStack()
                driver = held.enter_context(self.driver(name))
                able = all(map(driver.ways, questions))
                if able and (not one_of or any(map(driver.ways, one_of))):
                    stack.push(held)
                    found.append(driver)
                else:
                    held.close()
            yield found

    @contextmanager
    def driver(self, name: str, called: str = "") -> Iterator[Driver]:
        """One of them, with an empty folder; `called`: where one takes part several times."""
        folder = self.folder / (called or name).replace(" ", "_")
        shutil.rmtree(folder, ignore_errors=True)
        driver = Driver(name, folder, self.inputs.folder, called)
        if driver.missing is not None:
            self.missing[name] = driver.missing
        self.titles[name], self.durable[name] = driver.title, driver.durable
        try:
            yield driver
        finally:
            driver.close()
            shutil.rmtree(folder, ignore_errors=True)

    def turns(
        self,
        question: str,
        drivers: list[Driver],
        *,
        rounds: int,
        times: int = 1,
        seconds_max: float = 60.0,
    ) -> dict[str, Cost]:
        """Have everyone answer `question`, in an order that is drawn anew for each round.

        Who has taken `seconds_max` in all, and three rounds, is not asked again; nor is who fails.
        With `times`, a round is a block of so many calls, each timed, after one that is not.
        """
        players = {label: (d, m) for d in drivers for label, m in d.ways(question).items()}
        costs = {label: Cost() for label in players}

        def warmed(label: str) -> None:
            driver, method = players[label]
            with driver.peak() as peak:
                first = driver.ask(method)  # caches, plans, lazy imports
            costs[label].memory = peak.bytes
            if sum(first["seconds"]) > _SLOW_SECONDS:
                costs[label].add(first)

        def asked(label: str) -> None:
            driver, method = players[label]
            spent = costs[label].seconds
            if sum(spent) < seconds_max or len(spent) < 3 * times:
                if times > 1:
                    driver.ask(method)  # what another left cold is not this one's cost
                costs[label].add(driver.ask(method, times=times))

        draw = random.Random(0)
        for turn in range(rounds + 1):
            order = list(players)
            draw.shuffle(order)
            for label in order:
                if costs[label].failed:
                    continue
                try:
                    (asked if turn else warmed)(label)
                except Failed as error:
                    costs[label].failed = str(error)
        return costs
