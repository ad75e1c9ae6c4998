from __future__ import annotations

import json
import threading
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import ccxt
import pytest
from tests.support.ccxt_clients import run
from tests.unit.simulate.conftest import BTC, MINUTE, SECOND, START, binance, every_second, frozen

from flightstore_ingest.simulate import (
    EXCHANGES,
    Clock,
    Fault,
    Limit,
    Market,
    Request,
    RequestLog,
    SimulatedExchange,
    Tape,
    running,
    seeded,
)
from flightstore_ingest.simulate.recorded import bars_of_kraken_reply, trades_of_kraken_reply

KLINES = "/api/v3/klines?symbol=BTCUSDT&interval=1m"


def exchange(**options: object) -> SimulatedExchange:
    tape = Tape(BTC, every_second(600))
    clock = frozen(START + 5 * MINUTE)
    return SimulatedExchange("binance", [tape], clock=clock, **options)  # type: ignore[arg-type]


def get(url: str) -> object:
    with urlopen(HttpRequest(url), timeout=10) as answer:
        return json.load(answer)


def status_of(url: str) -> tuple[int, str | None]:
    try:
        with urlopen(HttpRequest(url), timeout=10) as answer:
            return answer.status, None
    except HTTPError as error:
        with error:
            return error.code, error.headers["Retry-After"]


def test_it_runs_beside_a_program_that_blocks() -> None:
    x = exchange()
    with running(x) as url:
        rows = get(url + KLINES)
        assert isinstance(rows, list)
        assert len(rows) == 6
    assert not any(thread.name == "simulated-binance" for thread in threading.enumerate())


def test_it_can_be_started_again_on_a_port_of_choice() -> None:
    x = exchange()
    with running(x) as url:
        port = int(url.rpartition(":")[2])
    with running(x, port=port) as again:
        assert again == url
        assert status_of(url + KLINES) == (200, None)


def test_a_taken_port_is_an_error_of_the_starter() -> None:
    with running(exchange()) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(OSError), running(exchange(), port=port):
            pass


def test_hanging_requests_do_not_keep_it_from_stopping() -> None:
    x = exchange()
    x.faults.add(Fault("hang"))
    with running(x) as url:
        client = threading.Thread(target=lambda: status_or_nothing(url + KLINES))
        client.start()
        while not len(x.log):
            client.join(0.005)
    client.join(10)
    assert not client.is_alive()


def status_or_nothing(url: str) -> None:
    try:
        status_of(url)
    except OSError:
        return


def test_every_exchange_of_the_list_can_be_made() -> None:
    for name in EXCHANGES:
        x = SimulatedExchange(name, [seeded(BTC, START, START + MINUTE)])
        assert (x.name, list(x.tapes)) == (name, ["BTC/USDT"])


def test_an_exchange_that_is_not_simulated_is_refused() -> None:
    with pytest.raises(ValueError, match="not simulated"):
        SimulatedExchange("nyse", [])
    with pytest.raises(ValueError, match="already"):
        SimulatedExchange("binance", [Tape(BTC), Tape(BTC)])


def test_a_path_that_does_not_exist_is_not_found_and_logged() -> None:
    x = exchange()
    with running(x) as url:
        assert status_of(url + "/api/v9/nothing")[0] == 404
    assert [(r.path, r.status) for r in x.log.all()] == [("/api/v9/nothing", 404)]


def test_the_log_knows_what_was_asked() -> None:
    x = exchange()
    with running(x) as url:
        get(url + KLINES + "&limit=3")
    [entry] = x.log.matching("/klines")
    assert (entry.method, entry.status, entry.rows, entry.fault) == ("GET", 200, 3, None)
    assert entry.query == {"symbol": "BTCUSDT", "interval": "1m", "limit": "3"}
    assert entry.exchange_ns == x.now()
    assert x.log.matching("/api/*/trades") == []


def test_the_rate_is_the_most_within_any_window() -> None:
    log = RequestLog()
    for at in (0.0, 0.9, 1.0, 1.1, 5.0):
        log.append(Request(at, 0, "GET", "/a"))
    log.append(Request(1.0, 0, "WS", "/ws"))
    assert (log.rate(1.0), log.rate(0.15), log.rate(10.0), log.rate(1.0, "/b")) == (3, 2, 5, 0)


def test_beyond_its_limit_an_exchange_refuses_and_then_bans() -> None:
    x = exchange(limit=Limit(4, seconds=60, ban_seconds=120))
    with running(x) as url:
        found = [status_of(url + KLINES) for _ in range(4)]
    assert [status for status, _ in found] == [200, 200, 429, 418]
    assert found[2][1] is not None
    assert 1 <= int(found[2][1]) <= 60
    assert found[3][1] == "120"


def test_who_asks_within_the_limit_is_told_how_much_of_it_is_used() -> None:
    async def test() -> None:
        x = exchange(limit=Limit(100))
        async with binance(x) as client:
            await client.load_markets()  # counts 20
            await client.fetch_ohlcv("BTC/USDT")  # counts 2
            assert client.last_response_headers["x-mbx-used-weight-1m"] == "22"

    run(test())


def test_a_ban_says_until_when() -> None:
    async def test() -> None:
        x = exchange(limit=Limit(2, ban_seconds=300))
        async with binance(x) as client:
            request = {"symbol": "BTCUSDT", "interval": "1m"}
            await client.public_get_klines(request)
            with pytest.raises(ccxt.DDoSProtection, match="429"):
                await client.public_get_klines(request)
            until = (x.now() + 300 * SECOND) // 1_000_000
            with pytest.raises(ccxt.DDoSProtection, match=f"418.*IP banned until {until}"):
                await client.public_get_klines(request)

    run(test())


def test_a_day_passes_quickly_by_a_fast_clock() -> None:
    tape = seeded(Market("ETH/USDT"), START, START + 60 * MINUTE, 60)
    x = SimulatedExchange("binance", [tape], clock=Clock(START, speed=100_000.0))
    url_path = "/api/v3/klines?symbol=ETHUSDT&interval=1m&startTime=0"
    with running(x) as url:
        rows: object = []
        while not isinstance(rows, list) or len(rows) < 20:
            rows = get(url + url_path)
    assert rows


@pytest.mark.data
def test_recorded_kraken_replies_become_tapes(market_data: Path) -> None:
    market = Market("BTC/USDT", price_step=0.1, amount_step=1e-8)
    trades = trades_of_kraken_reply(market_data / "wire/http_trades.json.xz", market)
    assert len(trades.trades) == 1_000
    last = trades.newest(1)[0]
    assert last.ts // 1_000 == 1_762_820_035_982_277_754 // 1_000, "the reply's cursor"
    bars = bars_of_kraken_reply(market_data / "wire/http_ohlc.json.xz", market)
    table = bars.bar_table("1m").to_pylist()
    assert (len(table), sum(bar["volume"] == 0 for bar in table)) == (721, 216)
