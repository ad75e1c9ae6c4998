"""Other addresses for an exchange: all of them, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from flightstore_ingest.ccxt_source.addresses import merged, swapped
from flightstore_ingest.ccxt_source.brake import Brake
from flightstore_ingest.ccxt_source.clock import ExchangeClock
from flightstore_ingest.ccxt_source.instance import Connecting, instance
from flightstore_ingest.ccxt_source.profiles import profile_of

EXCHANGES = ("binance", "kraken", "coinbase", "coinbaseexchange", "okx", "bitfinex", "bybit")


def made(name: str, connecting: Connecting) -> Any:
    return instance(name, connecting, ("spot",), profile_of(name), Brake(ExchangeClock()))


def leaves(addresses: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(addresses, Mapping):
        for name, value in addresses.items():
            yield from leaves(value, (*path, name))
    elif isinstance(addresses, str):
        yield path, addresses


@pytest.mark.parametrize("name", EXCHANGES)
def test_every_address_of_an_exchange_has_the_new_origin_and_its_own_path(name: str) -> None:
    before = dict(leaves(made(name, Connecting()).urls["api"]))
    after = dict(leaves(made(name, Connecting(url="http://127.0.0.1:9000")).urls["api"]))
    assert before.keys() == after.keys()
    for key, old in before.items():
        new, scheme = urlsplit(after[key]), "ws" if old.startswith("ws") else "http"
        assert (new.scheme, new.netloc) == (scheme, "127.0.0.1:9000"), (key, after[key])
        assert new.path.lstrip("/") == old.partition("://")[2].partition("/")[2], key


@pytest.mark.parametrize("name", EXCHANGES)
def test_nothing_but_the_addresses_of_the_exchange_is_changed(name: str) -> None:
    before, after = (made(name, c).urls for c in (Connecting(), Connecting(url="http://h:1")))
    assert {k: v for k, v in before.items() if k != "api"} == {
        k: v for k, v in after.items() if k != "api"
    }


def test_a_secure_origin_makes_secure_websockets() -> None:
    assert swapped("wss://stream.binance.com:9443/ws", "https://proxy.example/up/") == (
        "wss://proxy.example/up/ws"
    )
    assert swapped("wss://stream.binance.com:9443/ws", "http://proxy:80") == "ws://proxy:80/ws"


def test_single_addresses_are_overridden_where_they_lie() -> None:
    urls = {"api": {"public": "https://a", "ws": {"spot": "wss://b", "swap": "wss://c"}}}
    assert merged(urls, {"api": {"ws": {"spot": "ws://d"}}}) == {
        "api": {"public": "https://a", "ws": {"spot": "ws://d", "swap": "wss://c"}}
    }


@pytest.mark.parametrize("connecting", [Connecting(), Connecting(url="http://127.0.0.1:9000")])
def test_binances_spot_streams_are_known_as_such_at_any_address(connecting: Connecting) -> None:
    """ccxt goes by '/stream' in the address, and books spot trades as swaps without it."""
    api = made("binance", connecting)
    spot, linear = api.urls["api"]["ws"]["spot"], api.urls["api"]["ws"]["linear"]
    assert api.is_spot_url(SimpleNamespace(url=f"{spot}/0"))
    # ccxt inserts what linear markets are asked for.
    assert not api.is_spot_url(SimpleNamespace(url=linear.replace("/ws", "/market/ws") + "/0"))
