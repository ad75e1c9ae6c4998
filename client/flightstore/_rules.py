"""Rules: which series the server computes from others, and keeps up to date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flightstore._answers import Record
from flightstore._connection import Connection
from flightstore._requests import message
from flightstore_proto import flightstore_pb2 as pb


@dataclass(frozen=True)
class Rule(Record):
    """From every series that `on` names, one series for each of `to`.

    on          dataset/instruments/timeframe, or dataset/instruments for trades
    to          timeframes ("1h"), or bars by count of trades ("1000tick", "50volume",
                "1000000dollar")
    timezone    days, weeks and months begin at midnight there; empty: UTC
    offset      how much later than midnight, such as "17h"; empty: not
    into        dataset of the derived series; empty: candles
    configured  it stands in the server's configuration, which is where to change it
    series      how many derived series it keeps
    stale       how many of these have windows to be computed anew; a read does that first
    """

    name: str
    on: str
    to: list[str]
    timezone: str
    offset: str
    into: str
    configured: bool
    series: int
    stale: int


class Rules:
    """The server's rules, from `Client.rules`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(
        self,
        on: str,
        to: str | Sequence[str],
        *,
        timezone: str | None = None,
        offset: str | None = None,
        into: str | None = None,
        name: str | None = None,
    ) -> Rule:
        """Have the server keep derived series: from those that `on` names, one for each of `to`.

        on        "candles/*/1m" or "trades/binance:*"; also of series that appear later
        to        one or several of "5m" .. "1M", and from trades "1000tick", "50volume",
                  "1000000dollar"
        timezone  where days, weeks and months begin at midnight, such as "America/New_York"
        offset    how much later than midnight they begin, such as "17h"
        into      dataset of the derived series; default candles
        name      default: one made from the rest

        Raises RuleConflict where a derived series was written to, or another rule keeps it.
        """
        rule = message(
            pb.Rule,
            name=name or "",
            on=on,
            to=[to] if isinstance(to, str) else list(to),
            timezone=timezone or "",
            offset=offset or "",
            into=into or "",
        )
        return Rule.of(self._connection.action("rule-add", rule, pb.Rule))

    def list(self) -> list[Rule]:
        """All rules, with how many series each keeps."""
        found = self._connection.retrying(
            lambda: self._connection.action("rule-list", None, pb.Rules)
        )
        return [Rule.of(rule) for rule in found.rules]

    def remove(self, name: str) -> Rule:
        """Forget the rule `name` and delete its derived series. Raises UnknownRule."""
        request = message(pb.RuleRequest, name=name)
        return Rule.of(self._connection.action("rule-remove", request, pb.Rule))
