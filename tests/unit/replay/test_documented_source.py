"""The source that docs/sources.md shows, installed as a plug-in and run as it stands there."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.serving import Serving
from tests.unit.replay.feeding import covered, feeding
from tests.unit.replay.stock_vendor import DAY_MS, FIRST, KEY, LAST, Tickhouse, bar, serving

from flightstore_ingest.errors import Blocked
from flightstore_ingest.service import Feed
from flightstore_proto.timerange import to_ns

DOCUMENT = Path(__file__).parents[3] / "docs" / "sources.md"


@pytest.fixture(autouse=True)
def tickhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package `tickhouse` of the document, with its entry point."""
    text = DOCUMENT.read_text()
    [code] = re.findall(r"```python\n(.*?)```", text, re.S)
    entry = re.search(r"^\[project\.entry-points\.\"(.*)\"\]\n(\w+) = \"(.*)\"$", text, re.M)
    assert entry is not None
    group, name, target = entry.groups()
    module = target.partition(":")[0]
    info = tmp_path / f"{module}-1.0.dist-info"
    info.mkdir()
    (tmp_path / f"{module}.py").write_text(code)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {target}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, module, raising=False)


def backfilled(
    store: Serving, vendor: Tickhouse, *symbols: str, key: str = KEY, attempts: int | None = None
) -> Feed:
    async def work() -> Feed:
        async with serving(vendor) as url:
            section: dict[str, Any] = {
                "source": "tickhouse",
                "settings": {"key": key, "url": url},
                "keep": [{"symbols": list(symbols), "candles": ["1d"], "since": "2023"}],
            }
            async with feeding(store, "nasdaq", section, attempts) as feed:
                await feed.backfill()
                return feed

    return asyncio.run(work())


def assert_every_bar(store: Serving) -> None:
    kept = store.db.candles("nasdaq:AAPL", "1d")
    wanted = [bar(t) for t in range(FIRST, LAST + 1, DAY_MS)]
    assert kept.get_column("ts").dt.epoch("ms").to_list() == [each["t"] for each in wanted]
    for name in ("open", "high", "low", "close", "volume"):
        assert kept.get_column(name).to_list() == [each[name[0]] for each in wanted]


def test_every_bar_is_stored_and_known_to_be_complete(store: Serving) -> None:
    vendor = Tickhouse([])
    backfilled(store, vendor, "AAPL")
    assert_every_bar(store)
    [(start, end)] = covered(store, "nasdaq:AAPL", "1d")
    assert to_ns(start) == to_ns("2023")
    assert to_ns(end) > LAST * 1_000_000
    assert vendor.asked == 4


@pytest.mark.parametrize("mishap", ["down", "busy", "proxy", "inverted", "shapeless"])
def test_a_page_is_asked_for_again_after(mishap: str, store: Serving) -> None:
    vendor = Tickhouse(["", mishap])
    backfilled(store, vendor, "AAPL")
    assert_every_bar(store)
    assert vendor.asked == 5


def test_a_delisted_symbol_ends_and_the_others_go_on(store: Serving) -> None:
    feed = backfilled(store, Tickhouse([]), "*")
    assert_every_bar(store)
    assert {str(series) for series in feed.gone} == {"nasdaq:GONE 1d"}


def test_a_symbol_that_never_was_is_refused(store: Serving) -> None:
    feed = backfilled(store, Tickhouse([]), "AAPL", "APPL")
    assert_every_bar(store)
    [why] = feed.refused.values()
    assert why == "Tickhouse has no symbol like APPL."


def test_a_wrong_key_is_blocked(store: Serving) -> None:
    with pytest.raises(Blocked, match="401 Unauthorized"):
        backfilled(store, Tickhouse([]), "AAPL", key="another", attempts=1)
