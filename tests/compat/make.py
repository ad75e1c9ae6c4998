"""Makes the data directories that later versions must be able to open, and says what they hold.

    python -m tests.compat.make catalog-3 rules

packs a directory of the kind `rules` as golden/catalog-3.tar.gz, with its contents beside it. It is
run once by the version that introduces a format, from its own source tree, and never again.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from tests.support.rows import MINUTE, NOON_2024, candles, own, trades
from tests.support.stores import BTC, SMALL, crash, put, read, stepped

from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.engine.store import Store

GOLDEN = Path(__file__).parent / "golden"
ETH = "kraken:ETH/EUR"
TIMES = [NOON_2024 + minute * MINUTE for minute in range(120)]
KEPT = replace(SMALL, log_keep_bytes=1 << 30)


def plain(root: Path) -> Path:
    """Segments, some merged and some hidden in part; coverage, metadata; an unflushed log."""
    store = stepped(root / "made", KEPT)
    _write(store)
    return crash(store, root / "crashed")


def rules(root: Path) -> Path:
    """The same, derived series, a trigger's position, and a rule that was removed."""
    store = stepped(root / "made", KEPT)
    store.rules.add(pb.Rule(name="fives", on="candles/*/1m", to=["5m", "1h"]))
    store.rules.add(pb.Rule(name="ticks", on="trades/*", to=["7tick"]))
    store.positions.set("alerts", 3)
    _write(store)
    store.rules.remove("ticks")
    return crash(store, root / "crashed")


def replica(root: Path) -> Path:
    """A replica's copy of such a directory, and what it has followed since."""
    from tests.support.replicating import LocalPrimary, catch_up, copied  # not in every version

    store = stepped(root / "primary", KEPT)
    store.rules.add(pb.Rule(name="fives", on="candles/*/1m", to=["5m"]))
    _write(store)
    primary = LocalPrimary(store)
    copy = copied(root / "made", primary, KEPT)
    put(store, candles(TIMES[50:60], 7.0), instrument=ETH)
    catch_up(copy, primary, store)
    store.close()
    return crash(copy, root / "crashed")


KINDS: dict[str, Callable[[Path], Path]] = {"plain": plain, "rules": rules, "replica": replica}


def _write(store: Store) -> None:
    ticks = {"dataset": "trades", "timeframe": ""}
    user = {"dataset": "features", "timeframe": "1h"}
    put(store, candles(TIMES), covers=[(TIMES[0] - MINUTE, TIMES[-1] + MINUTE)])
    put(store, candles(TIMES[::2], 2.0), instrument=ETH)
    put(store, trades([(ts, str(n), 1.5 + n) for n, ts in enumerate(TIMES)]), **ticks)
    put(store, own(TIMES[::60], x=[1.0, 2.0]), **user)
    store.describe("candles", BTC, "1m", {"source": "compat"})
    store.flush()
    store.snapshot("paper")
    put(store, candles(TIMES[10:20], 3.0))
    store.delete("candles", BTC, "1m", TIMES[30], TIMES[40])
    put(store, own(TIMES[60::60], x=[5.0], y=["wide"]), **user)
    store.flush()
    store.compact(full=True)
    put(store, candles(TIMES[:5], 4.0))
    store.delete("candles", ETH, "1m", TIMES[0], TIMES[10])
    put(store, trades([(TIMES[3], "100", 9.0)]), **ticks, covers=[(TIMES[0], TIMES[9])])


def listing(store: Store) -> dict[str, Any]:
    """All that can be read of a store, now and in its snapshot, as JSON has it."""
    found = {
        f"{snapshot or 'now'}: {series}": _series(store, series, snapshot)
        for snapshot in ("", "paper")
        for series in list(store.reader.names(snapshot).by_id.values())
    }
    found["snapshots"] = [row.name for row in store.snapshots.list()]
    made: dict[str, Any] = json.loads(json.dumps(found))
    return made


def _series(store: Store, series: Any, snapshot: str) -> dict[str, Any]:
    words = (series.dataset.name, str(series.instrument), series.timeframe_text)
    named = dict(zip(("dataset", "instrument", "timeframe"), words, strict=True))
    rows = [row for batch in read(store, **named, snapshot=snapshot) for row in _rows(batch)]
    view = store.reader.view(*words, snapshot)
    return {"rows": rows, "covered": view.coverage, "metadata": dict(series.metadata)}


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = batch.set_column(0, "ts", batch[0].cast(pa.int64())).to_pylist()
    return rows


def pack(directory: Path, archive: Path) -> None:
    """`directory` as a compressed archive, the same bytes for the same files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in sorted(directory.rglob("*")):
            member = tar.gettarinfo(path, str(path.relative_to(directory)))
            member.mtime = member.uid = member.gid = 0
            member.uname = member.gname = ""
            with path.open("rb") if path.is_file() else io.BytesIO() as file:
                tar.addfile(member, file if path.is_file() else None)
    archive.write_bytes(gzip.compress(packed.getvalue(), mtime=0))


def main(name: str, kind: str) -> None:
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        directory = KINDS[kind](Path(folder))
        pack(directory, GOLDEN / f"{name}.tar.gz")  # before it is opened, which may change it
        store = stepped(directory, KEPT)
        said = json.dumps(listing(store), separators=(",", ":"))
        store.close()
    (GOLDEN / f"{name}.json.gz").write_bytes(gzip.compress(said.encode(), mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
