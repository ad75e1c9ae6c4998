"""The taker's side of trades in its many spellings, as int8: +1 bought, -1 sold, 0 unknown."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from flightstore_proto.errors import BadRequest, shown

_SIDES = {
    "buy": 1, "b": 1, "bought": 1, "buyer": 1, "1": 1, "+1": 1, "1.0": 1,
    "sell": -1, "s": -1, "sold": -1, "seller": -1, "-1": -1, "-1.0": -1,
    "": 0, "0": 0, "0.0": 0, "unknown": 0, "none": 0, "null": 0, "nan": 0, "n/a": 0,
}  # fmt: skip
# When the buyer was the maker, the taker sold.
_BUYER_WAS_MAKER = {"true": -1, "t": -1, "1": -1, "false": 1, "f": 1, "0": 1, "": 0}


def taker_side(column: pa.ChunkedArray, *, buyer_was_maker: bool) -> pa.ChunkedArray:
    """`column` as the taker's side. Raises BadRequest naming a value it does not know."""
    meaning = _BUYER_WAS_MAKER if buyer_was_maker else _SIDES
    # Each distinct spelling is looked up once, not each row.
    text = pc.fill_null(column.cast(pa.utf8()), "").combine_chunks()
    encoded = text.dictionary_encode()
    sides = [_side(spelling, meaning) for spelling in encoded.dictionary.to_pylist()]
    return pc.take(pa.array(sides, pa.int8()), encoded.indices)


def _side(spelling: str, meaning: dict[str, int]) -> int:
    side = meaning.get(spelling.strip().lower())
    if side is None:
        raise BadRequest(
            f"{shown(spelling)} is not a side: expected buy or sell, or name the column with "
            "--columns side=NAME."
        )
    return side
