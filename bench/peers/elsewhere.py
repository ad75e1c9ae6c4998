"""MarketStore, which has no package: its figures were found with a build from source (HEAD of its
repository in November 2022) on a machine of the same kind, on another day, beside PostgreSQL 15.

Only how it compares with PostgreSQL can be carried over to another run. What follows from that is
an estimate, and is called one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.peers.results import Result
from bench.peers.standing import CANDLES, HISTORY_PANDAS, OURS, PUT, TAIL, WIDE_FRAME
from bench.peers.tables import Row, markdown, number


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What it took there, beside what `peer` took there: the fastest and the slowest found.

    unit  of both: "s", "ms a symbol"
    note  in what the work was another one
    """

    workload: str
    question: str
    peer: str
    taken: tuple[float, float]
    peer_took: tuple[float, float]
    unit: str
    note: str = ""

    @property
    def speed(self) -> tuple[float, float]:
        """How many times as fast as the peer it was, at least and at most."""
        return self.peer_took[0] / self.taken[1], self.peer_took[1] / self.taken[0]


MARKETSTORE = (
    Elsewhere("W1", HISTORY_PANDAS, "PostgreSQL (ADBC)", (0.28, 0.28), (0.59, 0.59), "s"),
    Elsewhere(
        "W2",
        WIDE_FRAME,
        "PostgreSQL (ADBC)",
        (1_600 / 1_000, 1_600 / 1_000),
        (4_600 / 7_700, 4_600 / 7_700),
        "ms a symbol",
        "of 1,000 symbols, not 7,700",
    ),
    Elsewhere(
        "W3",
        PUT,
        "PostgreSQL",
        (1 / 0.70, 1 / 0.43),
        (1 / 0.24, 1 / 0.24),
        "µs a row",
        "keeps duplicates, and lost acknowledged rows when it was killed",
    ),
    Elsewhere(
        "W4",
        CANDLES,
        "PostgreSQL",
        (0.24 / 1.3, 0.24 / 1.3),
        (3.1 / 5, 3.4 / 5),
        "µs a row",
        "of 1.3 M bars, not 5 M trades, in 32 bits",
    ),
    Elsewhere("W5", TAIL, "PostgreSQL (prepared)", (1.8, 1.8), (0.66, 0.66), "ms"),
)


def table(results: Iterable[Result]) -> str:
    """MarketStore's rows, and the estimates that follow from results found here."""
    known = {(r.workload, r.question, r.who): r.median for r in results if r.seconds}
    head = ("", "work", "there", "PostgreSQL there", "of its speed", f"{OURS} ahead", "but")
    return markdown([head, *_rows(known)])


def _rows(known: dict[tuple[str, str, str], float]) -> Iterator[Row]:
    for it in MARKETSTORE:
        ours = known.get((it.workload, it.question, OURS))
        peer = known.get((it.workload, it.question, it.peer))
        low, high = it.speed
        # Ahead of it by how far we are ahead of the peer, divided by how far it was.
        ahead = _range(peer / ours / high, peer / ours / low, "x") if ours and peer else ""
        taken, peer_took = _range(*it.taken, f" {it.unit}"), _range(*it.peer_took, f" {it.unit}")
        speed = _range(low, high, "x")
        estimate = f"about {ahead}" if ahead else "-"
        yield (it.workload, it.question, taken, peer_took, speed, estimate, it.note)


def _range(low: float, high: float, unit: str) -> str:
    same = number(low) == number(high)
    return f"{number(low)}{unit}" if same else f"{number(low)} to {number(high)}{unit}"
