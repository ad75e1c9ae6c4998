"""rules add, list and remove."""

from __future__ import annotations

import json

import pytest

import flightstore as fs

RULE = fs.Rule("daily", "candles/*/1m", ["1h", "1d"], "Asia/Tokyo", "", "", False, 12, 1)


@pytest.mark.parametrize("to", [("--to", "1h, 1d"), ("--to", "1h", "--to", "1d")])
def test_targets_are_repeated_or_have_commas_between_them(cli, db, to):
    db.answers["rules.add"] = RULE
    out = cli("rules", "add", "candles/*/1m", *to, "--timezone", "Asia/Tokyo").out
    [(name, arguments, options)] = db.calls
    assert (name, arguments) == ("rules.add", ("candles/*/1m", ["1h", "1d"]))
    assert options == {"timezone": "Asia/Tokyo", "offset": None, "into": None, "name": None}
    assert "daily" in out and "1h,1d" in out


def test_a_rule_needs_a_target(cli, db):
    assert cli("rules", "add", "candles/*/1m").code == 2
    assert db.calls == []


def test_rules_are_a_table_or_json(cli, db):
    db.answers["rules.list"] = [RULE]
    out = cli("rules", "list").out
    assert "1h,1d" in out and "Asia/Tokyo" in out
    [rule] = json.loads(cli("rules", "list", "--json").out)
    assert (rule["to"], rule["series"], rule["configured"]) == (["1h", "1d"], 12, False)


def test_no_rules_are_said(cli, db):
    db.answers["rules.list"] = []
    assert cli("rules", "list").err == "There are no rules.\n"


def test_a_rule_is_removed_by_its_name(cli, db):
    db.answers["rules.remove"] = RULE
    assert json.loads(cli("rules", "remove", "daily", "--json").out)["name"] == "daily"
    assert db.calls == [("rules.remove", ("daily",), {})]
