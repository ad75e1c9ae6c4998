"""What a segment file says of itself: found whole, or not at all."""

from __future__ import annotations

import pyarrow as pa

from flightstore_server.storage.segment.trailer import (
    SeriesIdentity,
    Trailer,
    custom_metadata,
    find,
)

TRAILER = Trailer(
    id=7,
    identity=SeriesIdentity(3, 1, "candles", False, "binance:BTC/USDT", "1m", False),
    max_lsn=12,
    codec="",
    head_crc=5,
    index=bytes(range(48)),
)
[TEXT] = custom_metadata(TRAILER).values()


def _found(text: str | bytes) -> Trailer | None:
    data = text.encode() if isinstance(text, str) else text
    return find(pa.py_buffer(b"rows" * 100 + data + b"ARROW1"))


def test_it_is_found_wherever_it_stands() -> None:
    assert _found(TEXT) == TRAILER


def test_a_file_without_one_has_none() -> None:
    assert _found("") is None


def test_each_changed_byte_of_it_leaves_none() -> None:
    """Repair rebuilds the catalog of it: of a wrong one it would make a wrong series."""
    whole = TEXT.encode()
    for at in range(len(whole)):
        for bit in range(8):
            changed = whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
            assert _found(changed) in (None, TRAILER), changed


def test_one_that_was_cut_is_none() -> None:
    for size in range(len(TEXT)):
        assert find(pa.py_buffer(TEXT[:size].encode())) is None
