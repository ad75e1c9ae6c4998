"""Contestants in their processes, asked in turn."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from bench.peers.contestants import CONTESTANTS
from bench.peers.costs import PeakMemory, disk
from bench.peers.inputs import Inputs

_STOP_SECONDS = 120.0


class Failed(Exception):
    """A contestant could not do what it was asked; the message is its own."""


@dataclass
class Cost:
    """What a contestant took for one question, round by round.

    seconds  until the answer was in the client's hands
    cpu      processor seconds, of client and servers
    memory   bytes, of client and servers at their peak; mapped files are the page cache's
    """

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: int = 0

    def add(self, answer: dict[str, Any]) -> None:
        self.seconds += answer["seconds"]
        self.cpu += answer["cpu"]


class Driver:
    """A contestant's process, seen from here."""

    def __init__(self, name: str, folder: Path, inputs: Path) -> None:
        self.name, self.folder = name, folder
        command = [sys.executable, "-m", "bench.peers.driver", name, str(folder), str(inputs)]
        folder.mkdir(parents=True, exist_ok=True)
        # Its warnings go beside its data; they are shown only if it fails.
        self._log = folder.with_suffix(".log")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log.open("a"),
            text=True,
        )
        told = self._read()
        self.missing: str | None = told.get("missing")
        self.title: str = told.get("title") or name
        self.durable: str = told.get("durable", "")
        self._offers: dict[str, dict[str, str]] = told.get("offers", {})
        self._servers: list[int] = told.get("processes", [])

    def ways(self, question: str) -> dict[str, str]:
        """The methods that answer a question, by what they are called in a table."""
        found = self._offers.get(question, {})
        return {f"{self.name} ({way})" if way else self.name: m for way, m in found.items()}

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
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        if "error" in answer:
            raise Failed(f"{self.name}, {asked['method']}: {answer['error']} (see {self._log})")
        self._servers = answer["processes"]
        return answer

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"{self.name} ended: {self._log.read_text()[-2000:]}")
        found: dict[str, Any] = json.loads(line)
        return found

    def peak(self) -> PeakMemory:
        """The memory of client and servers within a `with` block."""
        return PeakMemory([self._process.pid, *self._servers])

    def disk(self) -> int:
        """Bytes of the disk that its data take."""
        return disk(self.folder)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


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

    @contextmanager
    def drivers(self, *questions: str, only: Iterable[str] = CONTESTANTS) -> Iterator[list[Driver]]:
        """Those that answer all of `questions`, each with an empty folder, until the block ends."""
        with ExitStack() as stack:
            found = []
            for name in self.names:
                if name in only and name not in self.missing:
                    driver = stack.enter_context(self.driver(name))
                    if driver.missing is None and all(map(driver.ways, questions)):
                        found.append(driver)
            yield found

    @contextmanager
    def driver(self, name: str) -> Iterator[Driver]:
        """One of them, with an empty folder."""
        folder = self.folder / name.replace(" ", "_")
        shutil.rmtree(folder, ignore_errors=True)
        driver = Driver(name, folder, self.inputs.folder)
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

        Who has taken `seconds_max` in all, and three rounds, is not asked again.
        """
        players = {label: (d, m) for d in drivers for label, m in d.ways(question).items()}
        costs = {label: Cost() for label in players}
        for driver, method in players.values():
            driver.ask(method)  # warm: caches, plans, lazy imports
        draw = random.Random(0)
        for _ in range(rounds):
            order = list(players)
            draw.shuffle(order)
            for label in order:
                driver, method = players[label]
                spent = costs[label].seconds
                if sum(spent) < seconds_max or len(spent) < 3 * times:
                    costs[label].add(driver.ask(method, times=times))
        for label, (driver, method) in players.items():
            with driver.peak() as peak:
                driver.ask(method)
            costs[label].memory = peak.bytes
        return costs
