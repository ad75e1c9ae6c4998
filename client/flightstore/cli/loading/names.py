"""Which column of a file is which of ours.

Names are compared without case, spaces and punctuation: `Volume (BTC)` is `volumebtc`. For each of
our columns there are tiers of names, the clearest first; two names of one tier in one file are
ambiguous, and the user is asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from flightstore_proto.errors import BadRequest, did_you_mean, near
from flightstore_proto.instrument import parse

Tiers = tuple[tuple[str, ...], ...]

# A number of the epoch is preferred to text, which may be local time.
_TS: Tiers = (
    ("ts", "opentime", "opentimestamp", "mts", "unix", "unixtime", "unixtimestamp", "epoch"),
    ("timestamp", "datetime"),
    ("time", "date", "tradetime", "transacttime", "starttime"),
    ("t", "indexlevel0"),  # the second: an index without a name, as pandas saves it
)
_CANDLES: dict[str, Tiers] = {
    "ts": _TS,
    "open": (("open",), ("openprice", "o", "first")),
    "high": (("high",), ("highprice", "h", "max")),
    "low": (("low",), ("lowprice", "l", "min")),
    "close": (("close",), ("closeprice", "c", "last")),
    # {base} is BTC in BTC/USDT: files often hold the volume in both currencies.
    "volume": (("volume{base}",), ("volume", "basevolume", "volumefrom"), ("vol", "v")),
}
_TRADES: dict[str, Tiers] = {
    "ts": (*_TS[:3], ("indexlevel0",)),
    "id": (("id", "tradeid"), ("tid", "aggtradeid", "trdmatchid", "aggid")),
    "price": (("price",), ("px", "p", "rate")),
    "amount": (("amount", "qty", "quantity", "size"), ("volume", "vol", "baseqty", "q", "sz")),
    "side": (("side", "takerside"), ("isbuyermaker", "buyermaker", "m")),
}
_OTHER: dict[str, Tiers] = {"ts": (*_TS[:3], ("indexlevel0",))}
_KNOWN = {"candles": _CANDLES, "trades": _TRADES}
# Columns whose absence leaves rows that are still true.
_OPTIONAL = {"side"}
MAKER_NAMES = frozenset({"isbuyermaker", "buyermaker", "m"})
SYMBOL_NAMES = frozenset({"symbol", "ticker", "pair", "instrument", "market"})


def folded(name: str) -> str:
    """`name` without case, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", name.casefold())


def parse_columns(text: str | None) -> dict[str, str]:
    """`ts=mts,open=o` as a dictionary from our names to the file's."""
    return parse_pairs("--columns", text)


def parse_pairs(option: str, text: str | None) -> dict[str, str]:
    """`a=b,c=d` as a dictionary; raises BadRequest naming the option."""
    pairs = [part.partition("=") for part in text.split(",")] if text else []
    for name, equals, value in pairs:
        if not (name.strip() and equals and value.strip()):
            raise BadRequest(f"{option} {text!r} is not NAME=VALUE,NAME=VALUE.")
    return {name.strip(): value.strip() for name, _, value in pairs}


def assign(
    found: Sequence[str],
    dataset: str,
    instrument: str,
    said: Mapping[str, str],
    *,
    optional: frozenset[str] = frozenset(),
) -> dict[str, str]:
    """From our column names to those of the file. Raises BadRequest where it is not clear.

    `said` is what the user has settled. `optional` columns may be absent, as `side` may.
    """
    wanted = _KNOWN.get(dataset, _OTHER)
    for ours in said if dataset in _KNOWN else ():
        if ours not in wanted:
            raise BadRequest(
                f"--columns names {ours!r}, which {dataset} do not have: use {', '.join(wanted)}."
            )
    chosen = {ours: _exactly(theirs, found) for ours, theirs in said.items()}
    base = folded(re.split(r"[/:]", parse(instrument).symbol)[0])
    left = [name for name in found if name not in chosen.values()]
    for ours, tiers in wanted.items():
        if ours not in chosen and (theirs := _guess(ours, tiers, left, base)) is not None:
            chosen[ours] = theirs
    missing = [ours for ours in wanted if ours not in chosen and ours not in _OPTIONAL | optional]
    if missing:
        raise BadRequest(_not_there(missing, found))
    return chosen


def _guess(ours: str, tiers: Tiers, left: Sequence[str], base: str) -> str | None:
    for tier in tiers:
        names = {name.format(base=base) for name in tier}
        matches = [name for name in left if folded(name) in names]
        if len(matches) > 1:
            raise BadRequest(
                f"{' and '.join(map(repr, matches))} could each be {ours!r}: "
                f"say which with --columns {ours}={_quoted(matches[0])}."
            )
        if matches:
            return matches[0]
    return None


def _exactly(name: str, found: Sequence[str]) -> str:
    if name in found:
        return name
    alike = [candidate for candidate in found if folded(candidate) == folded(name)]
    if len(alike) == 1:
        return alike[0]
    raise BadRequest(
        f"--columns names {name!r}, which the file does not have: it has {_listed(found)}."
        f"{did_you_mean(near(name, found))}"
    )


def _not_there(missing: Sequence[str], found: Sequence[str]) -> str:
    option = ",".join(f"{ours}=NAME" for ours in missing)
    more = " (or --number-ids, if the file has none)" if "id" in missing else ""
    return (
        f"No column is clearly {' or '.join(map(repr, missing))}; the file has {_listed(found)}. "
        f"Say which with --columns {option}{more}."
    )


def _listed(found: Sequence[str]) -> str:
    return ", ".join(map(repr, found[:40])) + (", …" if len(found) > 40 else "")


def _quoted(name: str) -> str:
    return f"'{name}'" if re.search(r"[^\w.-]", name) else name
