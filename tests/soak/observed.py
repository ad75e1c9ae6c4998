"""What a process uses over time: sampled, summed up by the minute, and whether it grows."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import psutil

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """Of one process at one moment; `seconds` since the beginning, memory without mapped files."""

    seconds: float
    memory_mib: float
    descriptors: int
    threads: int
    log_mib: float


@dataclass(slots=True)
class Observed:
    """The samples of a server, which may be another process after each restart."""

    data_dir: Path
    samples: list[Sample] = field(default_factory=list)

    def look(self, pid: int, seconds: float) -> None:
        """Take one sample; a process that has just ended gives none."""
        try:
            process = psutil.Process(pid)
            memory = process.memory_info()
            sample = Sample(
                seconds,
                (memory.rss - memory.shared) / MIB,
                process.num_fds(),
                process.num_threads(),
                self._log_mib(),
            )
        except psutil.NoSuchProcess:
            return
        self.samples.append(sample)

    def _log_mib(self) -> float:
        sizes = []
        for path in (self.data_dir / "log").glob("*.log"):
            try:
                sizes.append(path.stat().st_size)
            except FileNotFoundError:  # trimmed a moment ago
                continue
        return sum(sizes) / MIB

    def within(self, begin: float, end: float) -> list[Sample]:
        return [sample for sample in self.samples if begin <= sample.seconds < end]

    def memory_slope(self, begin: float, end: float) -> float:
        """MiB an hour: the median slope between the medians of all minutes, so peaks count little.

        With less than two minutes there is nothing to say: 0.
        """
        minutes: dict[int, list[float]] = {}
        for sample in self.within(begin, end):
            minutes.setdefault(int(sample.seconds // 60), []).append(sample.memory_mib)
        medians = sorted((minute, statistics.median(found)) for minute, found in minutes.items())
        slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(medians, 2)]
        return 60 * statistics.median(slopes) if slopes else 0.0
