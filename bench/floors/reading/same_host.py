"""Reading on the server's own machine: 1.27 M minute bars out of its files, and not over loopback.

Against the same client with everything sent; against one Arrow file of the same rows whose name is
known, mapped by pyarrow; and against ArcticDB reading the same rows in its own process into pandas,
which is its fastest. It is measured if this Python has it, or the one that $ARCTICDB_PYTHON names.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow as pa

import flightstore as fs
from bench import inputs
from bench.figures import Figure, compared, in_ms
from bench.measure import Seconds, interleaved, inverse, ratio, timed
from bench.processes import flightstore
from bench.session import Session

_NAME = "bench:BTC/USD"
_MANY = 400
_MANY_ROWS = 8_000  # 384 KB each, in files of their own
_PYTHON = "ARCTICDB_PYTHON"


def run(session: Session) -> Iterator[Figure]:
    folder = session.fresh("same_host")
    file = folder / "known.arrow"
    _write(file, inputs.history())
    with (
        flightstore(folder / "store") as server,
        server.client() as sending,
        fs.connect(server.uri, same_host=True) as mapping,
    ):
        sending.write(_NAME, inputs.history(), timeframe="1m")
        yield from _one_series(session, mapping, sending, file)
        if not session.watched_only:
            yield from _summed(session, mapping, sending, file)
        yield from _many_series(session, mapping, sending)
        if mapping.status().same_host != "mapped":
            raise SystemExit(f"Nothing was mapped: {mapping.status().same_host!r}.")
    if not session.watched_only:
        yield from _arctic(session, folder, file)


def _write(file: Path, table: pa.Table) -> None:
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _known(file: Path) -> pl.DataFrame:
    frame = pl.from_arrow(pa.ipc.open_file(pa.memory_map(str(file))).read_all())
    assert isinstance(frame, pl.DataFrame)
    return frame


def _several(read: Callable[[], object]) -> Callable[[], None]:
    """A turn of five reads: the first one finds the processor's caches full of what was sent."""

    def turn() -> None:
        for _ in range(5):
            read()

    return turn


def _one_series(
    session: Session, mapping: fs.Client, sending: fs.Client, file: Path
) -> Iterator[Figure]:
    taken = interleaved(
        session.pick(21, 9),
        {
            "mapped": _several(lambda: mapping.candles(_NAME, "1m")),
            "sent": _several(lambda: sending.candles(_NAME, "1m")),
            "known": _several(lambda: _known(file)),
        },
        warmups=2,
    )
    yield compared(
        "1.27 M bars as polars five times, speed of the stream's",
        inverse(ratio(taken["mapped"], taken["sent"])),
        at_least=15,
        note=in_ms(mapped=taken["mapped"], sent=taken["sent"]),
        watched="more",
    )
    yield compared(
        "1.27 M bars as polars five times, time of one known file's",
        ratio(taken["mapped"], taken["known"]),
        at_most=3,
        note=in_ms(mapped=taken["mapped"], known=taken["known"]),
        watched="less",
    )


def _summed(
    session: Session, mapping: fs.Client, sending: fs.Client, file: Path
) -> Iterator[Figure]:
    """By itself: what a sum leaves in the processor's caches is not what the next read finds."""
    summed = interleaved(
        session.pick(21, 9),
        {
            "mapped": lambda: mapping.candles(_NAME, "1m").sum(),
            "sent": lambda: sending.candles(_NAME, "1m").sum(),
            "known": lambda: _known(file).sum(),
        },
        warmups=2,
    )
    for other, what in (("sent", "the stream's"), ("known", "one known file's")):
        yield compared(
            f"1.27 M bars as polars and every column summed, time of {what}",
            ratio(summed["mapped"], summed[other]),
            note=in_ms(mapped=summed["mapped"], other=summed[other]),
        )


def _many_series(session: Session, mapping: fs.Client, sending: fs.Client) -> Iterator[Figure]:
    bars = inputs.bars(_MANY_ROWS, inputs.MINUTE_NS)
    for first in range(0, _MANY, 100):
        names = [f"many:S{number:03}/USD" for number in range(first, first + 100)]
        sending.write_many(dict.fromkeys(names, bars), timeframe="1m")
    sending.flush()
    taken = interleaved(
        session.pick(15, 5),
        {
            "mapped": lambda: mapping.candles("many:*", "1m"),
            "sent": lambda: sending.candles("many:*", "1m"),
        },
        warmups=2,
    )
    yield compared(
        f"{_MANY} series of {_MANY_ROWS:,} bars as polars, speed of the stream's",
        inverse(ratio(taken["mapped"], taken["sent"])),
        note=in_ms(**taken),
        watched="more",
    )


def _arctic(session: Session, folder: Path, file: Path) -> Iterator[Figure]:
    script = str(Path(__file__).with_name("arctic.py"))
    command = [os.environ.get(_PYTHON, sys.executable), script, str(folder), str(file)]
    with _reader(command) as read:
        if read is None:
            why = f"not measured: ${_PYTHON} names no Python that has it"
            yield Figure("1.27 M bars, speed of ArcticDB's in process", 0.0, note=why)
            return
        taken: dict[str, Seconds] = {"mapped": [], "ArcticDB": []}
        with (
            flightstore(folder / "store") as server,
            fs.connect(server.uri, same_host=True) as mapping,
        ):
            for _ in range(session.pick(31, 9)):
                taken["ArcticDB"].append(read())
                taken["mapped"].append(timed(lambda: mapping.candles(_NAME, "1m")))
    yield compared(
        "1.27 M bars as polars, speed of ArcticDB's in process, as pandas",
        inverse(ratio(taken["mapped"], taken["ArcticDB"])),
        at_least=1,
        note=in_ms(**taken),
    )


@contextmanager
def _reader(command: list[str]) -> Iterator[Callable[[], float] | None]:
    """What has ArcticDB read once and says how many seconds it took; None if it is not there."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        asked, answers = process.stdin, process.stdout
        assert asked is not None
        assert answers is not None

        def read() -> float:
            asked.write("\n")
            asked.flush()
            return float(answers.readline())

        yield read if answers.readline() == "ready\n" else None
        asked.close()
