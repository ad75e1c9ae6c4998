"""What a caller may do: a role, and the series that it reaches."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from flightstore_proto import instrument as instruments
from flightstore_proto.errors import BadRequest, Unauthorized, shown

_DATASET_PATTERN = re.compile(r"[a-z0-9_*?]{1,64}")


class Role(IntEnum):
    """What may be done; each may do what those before it may."""

    NONE = 0  # nothing but follow as a replica: what the replication token stands for
    READ = 1
    WRITE = 2
    ADMIN = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Scope:
    """Series by patterns of their dataset and of their instrument; none of a kind reaches all."""

    datasets: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        return not (self.datasets or self.instruments)

    def has_dataset(self, name: str) -> bool:
        """Whether series of the dataset called `name` may be reached."""
        return not self.datasets or any(_pattern(p).fullmatch(name) for p in self.datasets)

    def has(self, dataset: str, instrument: str) -> bool:
        """Whether the series of `instrument`, an exact name, in `dataset` are reached."""
        if not self.has_dataset(dataset):
            return False
        wanted = self.instruments
        return not wanted or any(instruments.pattern(p).fullmatch(instrument) for p in wanted)

    def check(self, dataset: str, instrument: str) -> None:
        """Raises Unauthorized, which says the same whether or not there is such a series."""
        if not self.has(dataset, instrument):
            raise Unauthorized(
                f"This token does not reach {shown(dataset)} of {shown(instrument)}: it is limited "
                f"to {self}. Ask who made it for one that does."
            )

    def check_dataset(self, name: str) -> None:
        """Raises Unauthorized, which says the same whether or not there is such a dataset."""
        if not self.has_dataset(name):
            raise Unauthorized(
                f"This token does not reach the dataset {shown(name)}: it is limited to {self}. "
                "Ask who made it for one that does."
            )

    def __str__(self) -> str:
        datasets = f"datasets {','.join(self.datasets)}" if self.datasets else ""
        names = f"instruments {','.join(self.instruments)}" if self.instruments else ""
        return " and ".join(filter(None, [datasets, names])) or "everything"


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class Access:
    """What one caller may do. `token` is the id of what was shown, empty where none is needed."""

    role: Role
    scope: Scope = EVERYTHING
    token: str = ""
    replicates: bool = False

    def require(self, role: Role) -> None:
        """Raises Unauthorized for callers of a lesser role."""
        if self.role < role:
            raise Unauthorized(
                f"This call needs a token of the role {role}, and this one has the role "
                f"{self.role}; ask who made it for one that has."
            )

    def require_everything(self) -> None:
        """Raises Unauthorized for callers that do not reach all series."""
        if not self.scope.is_everything:
            raise Unauthorized(
                f"This call concerns all series, and this token is limited to {self.scope}; ask "
                "who made it for one without limits."
            )


def scope_of(datasets: Iterable[str], names: Iterable[str]) -> Scope:
    """The scope of these patterns. Raises BadRequest if one of them could match nothing."""
    scope = Scope(tuple(datasets), tuple(names))
    for dataset in scope.datasets:
        if not _DATASET_PATTERN.fullmatch(dataset):
            raise BadRequest(
                f"{shown(dataset)} is no pattern of datasets: write candles, trades, or a name "
                "with * and ? in it."
            )
    for name in scope.instruments:
        instruments.pattern(name)
    return scope


@lru_cache(maxsize=1024)
def _pattern(dataset: str) -> re.Pattern[str]:
    return re.compile(instruments.glob_expression(dataset))
