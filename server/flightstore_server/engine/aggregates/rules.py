"""Rules: from which series which others are derived.

on = "candles/*/1m"       every series of minute bars
on = "trades/binance:*"   all trades of an exchange
to = ["5m", "1h", "1d"]   timeframes, or of trades bars by count: 1000tick, 50volume, 100000dollar
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto import instrument as instruments
from flightstore_proto import timeframe as timeframes
from flightstore_proto.errors import BadRequest, FlightstoreError, shown
from flightstore_proto.timeframe import Timeframe
from flightstore_server.engine.aggregates import fitting
from flightstore_server.engine.aggregates.fitting import UTC, Calendar
from flightstore_server.engine.aggregates.windows import Windows

_NAME_CHARACTERS_MAX = 256


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as the engine uses it. `timeframe` is empty where `on` names trades."""

    name: str
    dataset: str
    instruments: str
    timeframe: str
    to: tuple[str, ...]
    zone: str
    offset: str
    into: str
    configured: bool

    @property
    def on(self) -> str:
        return "/".join(filter(None, [self.dataset, self.instruments, self.timeframe]))

    @property
    def offset_ns(self) -> int:
        return fitting.offset_ns(self.offset)

    @property
    def calendar(self) -> Calendar:
        """What two rules must share for their windows to have the same borders."""
        return self.zone, self.offset_ns

    def covers(self, dataset: str, instrument: str, timeframe: str) -> bool:
        """Whether the series of that name is one that this rule derives others from."""
        words = dataset == self.dataset and timeframe == self.timeframe
        return words and instruments.pattern(self.instruments).fullmatch(instrument) is not None

    def keeps(self, dataset: str, instrument: str, timeframe: str) -> bool:
        """Whether the series of that name would be kept by this rule, if it had a base."""
        words = dataset == self.into and timeframe in self.to
        return words and instruments.pattern(self.instruments).fullmatch(instrument) is not None

    def windows(self, target: Timeframe) -> Windows:
        """The stretches of time that are computed as one: bars, or days of bars by count."""
        return fitting.windows(target, self.calendar)

    def message(self) -> pb.Rule:
        return pb.Rule(
            name=self.name,
            on=self.on,
            to=self.to,
            timezone="" if self.zone == UTC else self.zone,
            offset=self.offset,
            into=self.into,
            configured=self.configured,
        )


def parse(message: pb.Rule) -> Rule:
    """The rule that `message` describes. Raises a BadRequest that says what is wrong with it."""
    dataset, pattern, timeframe = parse_on(message.on)
    into = instruments.check_dataset(message.into or "candles")
    zone = message.timezone or UTC
    rule = Rule(
        name=message.name or _default_name(message, into),
        dataset=dataset,
        instruments=pattern,
        timeframe=timeframe,
        to=tuple(dict.fromkeys(timeframes.parse(text).text for text in message.to)),
        zone=zone,
        offset=message.offset,
        into=into,
        configured=message.configured,
    )
    _check(rule)
    return rule


def parse_on(on: str) -> tuple[str, str, str]:
    """`dataset/instruments/timeframe` as its parts; the last is empty for datasets without bars."""
    dataset, slash, rest = on.partition("/")
    if not slash or not rest:
        raise BadRequest(
            f"{shown(on)} does not name series: write dataset/instruments/timeframe, such as "
            "candles/*/1m, or trades/binance:*."
        )
    instruments.check_dataset(dataset)
    timeframe = ""
    if dataset != "trades":
        head, slash, last = rest.rpartition("/")
        if slash and _is_timeframe(last):
            rest, timeframe = head, last
    instruments.pattern(rest)
    if dataset == "candles" and not timeframe:
        raise BadRequest(f"{shown(on)} names no timeframe of candles; write candles/*/1m.")
    return dataset, rest, timeframe


def _is_timeframe(text: str) -> bool:
    try:
        timeframes.parse(text)
    except FlightstoreError:
        return False
    return True


def _default_name(message: pb.Rule, into: str) -> str:
    parts = [message.on]
    parts += [f"in {message.timezone}"] if message.timezone not in ("", UTC) else []
    parts += [f"from {message.offset}"] if message.offset else []
    parts += [f"into {into}"] if into != "candles" else []
    return " ".join(parts)


def _check(rule: Rule) -> None:
    if len(rule.name) > _NAME_CHARACTERS_MAX or not rule.name.isprintable():
        raise BadRequest("A rule's name has at most 256 printable characters.")
    if not rule.to:
        raise BadRequest(f"The rule {shown(rule.name)} says nothing in `to`: name timeframes.")
    if rule.into == "trades":
        raise BadRequest("Bars cannot be kept in the dataset 'trades'; name another in `into`.")
    for text in rule.to:
        target = timeframes.parse(text)
        rule.windows(target)  # raises what is wrong with the zone
        if rule.timeframe:
            fitting.check(timeframes.parse(rule.timeframe), target, rule.zone, rule.offset)


def feeds(maker: Rule, user: Rule) -> bool:
    """Whether `user` might make bars of what `maker` keeps."""
    words = maker.into == user.dataset and user.timeframe in maker.to
    return words and _may_meet(maker, user)


def overlapping(rule: Rule, others: Sequence[Rule]) -> Rule | None:
    """One of `others` that might keep the same series as `rule`."""
    for other in others:
        if other.into == rule.into and set(other.to) & set(rule.to) and _may_meet(rule, other):
            return other
    return None


def _may_meet(one: Rule, other: Rule) -> bool:
    """Whether some instrument may fit both patterns; says yes where that is hard to tell."""
    first, second = one.instruments, other.instruments
    if not instruments.is_pattern(first):
        return instruments.pattern(second).fullmatch(first) is not None
    if not instruments.is_pattern(second):
        return instruments.pattern(first).fullmatch(second) is not None
    (head, tail), (other_head, other_tail) = _ends(first), _ends(second)
    return _one_begins(head, other_head) and _one_begins(tail[::-1], other_tail[::-1])


def _ends(pattern: str) -> tuple[str, str]:
    """What stands before the first wildcard of `pattern`, and what after the last."""
    pieces = re.split(r"[*?]", pattern)
    return pieces[0], pieces[-1]


def _one_begins(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
