"""What there is to say about a series at work: how fast, how far, how long, and why it waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

from flightstore_ingest.cli.session import Session
from flightstore_ingest.keeper import Keeper
from flightstore_ingest.service import Feed


@dataclass(slots=True)
class Measure:
    """One series, as it is seen from outside. Times are seconds."""

    feed: Feed
    keeper: Keeper
    live: bool  # followed for ever

    @property
    def name(self) -> str:
        return str(self.keeper.series)

    @property
    def over(self) -> bool:
        """Whether nothing more will come in this run."""
        progress = self.keeper.progress
        return bool(progress.ended) or (progress.doing == "complete" and not self.live)

    @property
    def busy(self) -> bool:
        progress = self.keeper.progress
        return not self.over and (progress.rows > 0 or progress.pages > 0 or progress.failures > 0)

    @property
    def rows(self) -> int:
        return self.keeper.progress.rows

    @property
    def share(self) -> float:
        """How much of what was missing is there, 0 to 1."""
        progress = self.keeper.progress
        return 0.0 if progress.doing == "waiting" else progress.share

    def waits_for(self, store_trouble: str) -> str:
        """Why nothing comes at present; empty while something does."""
        progress = self.keeper.progress
        if progress.ended:
            return f"stopped: {progress.ended}"
        if store_trouble:
            return f"waits for the store: {store_trouble}"
        if reason := self.feed.source.waiting():
            return f"waits {reason}"
        if progress.doing == "waiting":
            return "waits for its turn"
        return f"waits{progress.doing[7:]}" if progress.doing.startswith("waiting ") else ""


@dataclass(frozen=True, slots=True)
class Total:
    """All series together."""

    rows: int
    share: float
    over: int
    series: int


class Measures:
    """All series of a session, also those that are found while it runs."""

    def __init__(self, session: Session, *, live: bool = False) -> None:
        self._session, self._live = session, live
        self._began = monotonic()
        self._found: dict[int, Measure] = {}

    @property
    def seconds(self) -> float:
        return monotonic() - self._began

    @property
    def store_trouble(self) -> str:
        return self._session.sink.trouble

    def look(self) -> list[Measure]:
        for feed in self._session.feeds:
            for keeper in feed.keepers:
                if id(keeper) not in self._found:
                    self._found[id(keeper)] = Measure(feed, keeper, self._live)
        return list(self._found.values())

    def unopened(self) -> dict[str, str]:
        """Exchanges that are not open yet, and why where it is known."""
        return {f.name: f.refused.get(f.name, "") for f in self._session.feeds if not f.keepers}


def total(measures: Iterable[Measure]) -> Total:
    """What `measures` come to."""
    every = list(measures)
    share = sum(1.0 if m.over else m.share for m in every) / max(len(every), 1)
    return Total(sum(m.rows for m in every), share, sum(m.over for m in every), len(every))


def seconds_left(share: float, seconds: float) -> float | None:
    """How long it will take if it goes on as it has; None if nobody can tell."""
    return seconds * (1 - share) / share if share > 0.005 else None


def duration(seconds: float | None) -> str:
    """1:02:03, or how many days."""
    if seconds is None:
        return "-:--"
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:.1f} d"
    hours, rest = divmod(round(seconds), 3600)
    minutes = f"{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
    return f"{hours}:{minutes}" if hours else minutes
