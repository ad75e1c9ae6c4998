"""What a role may do, and which series a scope reaches."""

from __future__ import annotations

import pytest

from flightstore_proto.errors import BadRequest, Unauthorized
from flightstore_server.access.grants import EVERYTHING, Access, Role, Scope, scope_of

BTC = "binance:BTC/USDT"


@pytest.mark.parametrize(
    ("datasets", "names", "dataset", "instrument", "reached"),
    [
        ([], [], "notes", "kraken:X", True),
        (["candles"], [], "candles", BTC, True),
        (["candles"], [], "trades", BTC, False),
        (["own_*", "trad?s"], [], "own_notes", BTC, True),
        (["own_*", "trad?s"], [], "trades", BTC, True),
        (["own_*"], [], "my_own_notes", BTC, False),
        (["c*"], [], "candles", BTC, True),
        ([], ["binance:*"], "candles", BTC, True),
        ([], ["binance:*"], "candles", "binanceus:BTC/USDT", False),
        ([], ["binance:*/USDT", "kraken:BTC/*"], "trades", "kraken:BTC/USD", True),
        ([], [BTC], "candles", BTC + ":USDT", False),
        ([], ["*"], "candles", "any:THING", True),
        (["candles"], ["kraken:*"], "candles", BTC, False),
        (["trades"], ["binance:*"], "candles", BTC, False),
    ],
)
def test_a_scope_reaches_what_one_of_its_patterns_of_each_kind_matches(
    datasets: list[str], names: list[str], dataset: str, instrument: str, reached: bool
) -> None:
    assert scope_of(datasets, names).has(dataset, instrument) is reached


@pytest.mark.parametrize("wrong", ["", "Candles", "candles/1m", "can dles", "a[bc]", "*" * 65])
def test_what_could_be_no_dataset_is_refused(wrong: str) -> None:
    with pytest.raises(BadRequest, match="no pattern of datasets"):
        scope_of([wrong], [])


@pytest.mark.parametrize("wrong", ["", "BTC/USDT", "binance:", ":X"])
def test_what_could_be_no_instrument_is_refused(wrong: str) -> None:
    with pytest.raises(BadRequest, match="not an instrument or a pattern"):
        scope_of([], [wrong])


def test_many_stars_cost_no_more_than_one() -> None:
    scope = Scope(("*" * 30 + "x",), ("*" * 20 + ":" + "*" * 20 + "x",))
    assert not scope.has("a" * 60, "a" * 60 + ":" + "b" * 120)


def test_only_the_empty_scope_is_everything() -> None:
    assert EVERYTHING.is_everything
    assert not Scope(("*",)).is_everything
    assert not Scope((), ("*",)).is_everything


@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_what_lesser_ones_may_and_no_more(role: Role) -> None:
    access = Access(role)
    for needed in Role:
        if needed <= role:
            access.require(needed)
        else:
            with pytest.raises(Unauthorized, match=f"role {needed}, and this one has the role"):
                access.require(needed)


def test_what_concerns_all_series_is_not_for_who_is_limited() -> None:
    Access(Role.READ).require_everything()
    with pytest.raises(Unauthorized, match=r"limited to datasets candles and instruments b:\*"):
        Access(Role.ADMIN, Scope(("candles",), ("b:*",))).require_everything()
