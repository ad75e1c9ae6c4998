"""What every measurement is given: a folder on the real disk, and how thorough to be."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Session:
    """One run of one measurement.

    watched_only   leave out what takes time and yields no figure that is watched
    """

    folder: Path
    quick: bool
    watched_only: bool = False

    def pick(self, full: int, quick: int) -> int:
        """`full`, or `quick` in a quick run."""
        return quick if self.quick else full

    def fresh(self, name: str) -> Path:
        """An empty folder of that name; what an earlier measurement left there is removed."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path
