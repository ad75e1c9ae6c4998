"""Rules that keep derived series."""

from __future__ import annotations

import pytest

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb

DAILY = pb.Rule(name="daily", on="candles/*/1m", to=["1d"], timezone="Asia/Tokyo", series=2)


def test_a_rule_is_added_with_all_that_was_said(server, db) -> None:
    server.script.actions["rule-add"] = lambda _: [DAILY]
    rule = db.rules.add("candles/*/1m", "1d", timezone="Asia/Tokyo", offset="17h", name="daily")
    assert (rule.name, rule.to, rule.series, rule.configured) == ("daily", ["1d"], 2, False)
    assert dict(rule)["timezone"] == "Asia/Tokyo"
    asked = pb.Rule.FromString(server.asked[-1][1])
    assert (asked.on, asked.to, asked.offset) == ("candles/*/1m", ["1d"], "17h")
    assert (asked.into, asked.name) == ("", "daily")


def test_rules_are_listed_and_removed(server, db) -> None:
    server.script.actions["rule-list"] = lambda _: [pb.Rules(rules=[DAILY])]
    server.script.actions["rule-remove"] = lambda _: [DAILY]
    assert [rule.name for rule in db.rules.list()] == ["daily"]
    assert db.rules.remove("daily").series == 2
    assert pb.RuleRequest.FromString(server.asked[-1][1]).name == "daily"


def test_a_conflict_is_an_error_of_its_own(server, db, fake) -> None:
    def refuse(_body):
        raise fake.refusal("rule_conflict", "Series a:X 1d was written to.")

    server.script.actions["rule-add"] = refuse
    with pytest.raises(fs.RuleConflict, match="a:X"):
        db.rules.add("candles/*/1m", ["1h", "1d"])
