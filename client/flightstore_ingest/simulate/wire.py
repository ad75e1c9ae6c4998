"""How one exchange speaks: the interface between its formats and the simulation.

A wire holds formats and nothing that changes. REST handlers take what was asked and give a Reply;
on a websocket it answers the client's messages, noting subscriptions in the session, and says how
trades and candles look. Everything else (clock, log, limits, faults, sending) is done for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from flightstore_ingest.simulate.clock import MILLISECOND_NS, Clock
from flightstore_ingest.simulate.columns import Bar, Trade
from flightstore_ingest.simulate.tape import Market, Tape


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `parts` are the named parts of the route's path; header names are lower-case."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def integer(self, name: str) -> int | None:
        """A query value as a whole number, None if it is absent or no number."""
        try:
            return int(float(self.query[name]))
        except (KeyError, ValueError):
            return None

    def nanoseconds(self, name: str, unit: int = MILLISECOND_NS) -> int | None:
        """A query value that counts `unit` since the epoch, in ns."""
        count = self.integer(name)
        return None if count is None else count * unit


@dataclass(slots=True)
class Reply:
    """An answer. A `body` that is text is sent as it is, anything else as JSON.

    `rows` is the number of trades or candles in it, for the log.
    """

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the rows of a page are and what they mean, for faults that spoil a row.

    Keys are those of a row: positions in a list or names in an object.
    """

    rows: Callable[[Any], list[Any]]  # the list of rows within the parsed body
    time: int | str
    written: Callable[[int], Any]  # ns since the epoch, as this format writes times
    read: Callable[[Any], int]  # and back
    prices: Sequence[int | str]  # of a candle: open, high, low, close; of a trade: its price
    amount: int | str


def counted_in(unit: int, kind: Callable[[int], Any] = int) -> dict[str, Callable[..., Any]]:
    """`written` and `read` of a Layout whose times count `unit` ns, written as int or str."""
    return {
        "written": lambda ns: kind(ns // unit),
        "read": lambda value: int(float(value) * unit),
    }


class Exchange(Protocol):
    """What a wire may ask the exchange for which it speaks."""

    @property
    def clock(self) -> Clock: ...

    @property
    def tapes(self) -> Mapping[str, Tape]:
        """By symbol."""

    def now(self) -> int:
        """The time by which trades have happened, ns."""

    def told(self) -> int:
        """The time that the exchange tells, ns."""

    def tape(self, market_id: str | None) -> Tape | None:
        """The tape of the market with the exchange's own name `market_id`, once it is listed."""

    def markets(self) -> Sequence[tuple[str, Market]]:
        """Own names and markets that are listed by now."""

    def page(self, asked: int | None, default: int, most: int) -> int:
        """How many rows a page gets, where the client asked for that many (None: did not say)."""


@dataclass(frozen=True, slots=True)
class Route:
    """A REST endpoint. `path` is aiohttp's: /v2/trades/{symbol}/hist."""

    path: str
    handler: Callable[[Asked, Exchange], Reply]
    weight: int = 1  # what a request counts towards the limit


@dataclass(slots=True, eq=False)
class Subscription:
    """What a connection wants to hear, under the wire's own `key`.

    `position` is the number of the tape's trades (of its aggregates, for the channel
    "aggregates") that need not be sent any more. `closed_until` and `bar` are the same for
    candles: the open time of the first bar that is not closed, and its last state sent.
    """

    key: str
    channel: str  # "trades", "aggregates" or "candles"; nothing is sent for any other
    tape: Tape
    timeframe: str = ""
    note: Any = None  # the wire's own, such as a channel number
    position: int = 0
    closed_until: int = 0
    bar: Bar | None = None


class Session(Protocol):
    """One websocket connection."""

    @property
    def path(self) -> str: ...

    @property
    def query(self) -> Mapping[str, str]:
        """Of the URL at which it was opened."""

    @property
    def exchange(self) -> Exchange: ...

    @property
    def subscriptions(self) -> Mapping[str, Subscription]:
        """By key."""

    def subscribe(
        self, key: str, channel: str, tape: Tape, timeframe: str = "", note: Any = None
    ) -> Subscription:
        """From now on send what is new; `position` tells where that begins on the tape."""

    def unsubscribe(self, key: str) -> Subscription | None:
        """No longer send for `key`. None if nothing was."""

    def number(self) -> int:
        """A number that no one else on this connection has, such as for a channel."""


class Wire(Protocol):
    """The formats of one exchange."""

    @property
    def name(self) -> str:
        """ccxt's id."""

    @property
    def quiet(self) -> str:
        """The rule for bars without trades: see Tape."""

    @property
    def ws_paths(self) -> Sequence[str]:
        """aiohttp's patterns of the paths at which websockets are answered."""

    @property
    def heartbeat_seconds(self) -> float:
        """Between two calls of `heartbeat_frames`; 0 for never."""

    def market_id(self, market: Market) -> str:
        """The exchange's own name for `market`, such as BTCUSDT."""

    def routes(self) -> Sequence[Route]: ...

    def on_connect(self, session: Session) -> Iterable[str]:
        """What is said when a websocket is opened, before anything is asked."""

    def on_message(self, text: str, session: Session) -> Iterable[str]:
        """Answers to a message, snapshots included; what is subscribed to follows them."""

    def trade_frames(
        self, trades: Sequence[Trade], subscription: Subscription, exchange: Exchange
    ) -> Iterable[str]:
        """Messages for trades of the channel "trades", in order."""

    def aggregate_frames(
        self, aggregates: Sequence[Any], subscription: Subscription, exchange: Exchange
    ) -> Iterable[str]:
        """The same for the channel "aggregates"."""

    def candle_frames(
        self, bar: Bar, final: bool, subscription: Subscription, exchange: Exchange
    ) -> Iterable[str]:
        """Messages for the state of a bar; `final` when it is closed."""

    def heartbeat_frames(self, session: Session) -> Iterable[str]: ...

    def layout(self, path: str) -> Layout | None:
        """Where the rows are in answers of `path`; None if it has none."""

    def empty(self, asked: Asked) -> Reply:
        """What the exchange says where there is nothing to say."""

    def maintenance(self) -> Reply: ...

    def bad_symbol(self) -> Reply: ...

    def limited(self, retry_after: float, banned_until_ns: int | None) -> Reply:
        """Too many requests; `banned_until_ns` if they went on after that had been said."""

    def failed(self, status: int) -> Reply:
        """What the exchange says with an HTTP `status` other than 200."""

    def limit_headers(self, used: int) -> Mapping[str, str]:
        """Headers on all answers that tell how much of the limit is used (within a minute)."""


class Silent:
    """What most exchanges do not do: inherit what does not apply."""

    heartbeat_seconds = 0.0

    def on_connect(self, session: Session) -> Iterable[str]:
        return ()

    def aggregate_frames(
        self, aggregates: Sequence[Any], subscription: Subscription, exchange: Exchange
    ) -> Iterable[str]:
        return ()

    def heartbeat_frames(self, session: Session) -> Iterable[str]:
        return ()

    def limit_headers(self, used: int) -> Mapping[str, str]:
        return {}
