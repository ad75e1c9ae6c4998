"""Series that the server computes from others: `flightstore rules`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flightstore.cli import options, output
from flightstore.cli.values import plain_fields
from flightstore_proto.errors import BadRequest

rules = typer.Typer(help="Keep bars that are computed from other bars, or from trades.")


@rules.command("add")
def add(
    on: Annotated[
        str,
        typer.Argument(metavar="ON", help="dataset/instruments/timeframe, as candles/*/1m."),
    ],
    to: Annotated[
        list[str] | None,
        typer.Option("--to", help="5m, 1h, 1M, 1000tick, 50volume; with commas, or repeated."),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", help="Days begin at midnight there; default UTC.")
    ] = None,
    offset: Annotated[
        str | None, typer.Option("--offset", help="How much later than midnight, such as 17h.")
    ] = None,
    into: Annotated[
        str | None, typer.Option("--into", help="Dataset of the derived series.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Default: made from the rest.")] = None,
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Have the server keep bars, of series that appear later too.

    Examples:
      flightstore rules add 'candles/*/1m' --to 5m,1h,1d
      flightstore rules add 'trades/binance:*' --to 1m --to 1000tick
      flightstore rules add 'candles/*/1m' --to 1d --timezone America/New_York --offset 17h
    """
    targets = [part.strip() for text in to or [] for part in text.split(",") if part.strip()]
    if not targets:
        raise BadRequest("Say what to keep, such as --to 5m,1h.")
    with options.connect(uri, token) as db:
        rule = db.rules.add(
            on, targets, timezone=timezone, offset=offset, into=into, name=name
        )  # fmt: skip
    _print(plain_fields(rule), as_json)


@rules.command("list")
def list_rules(
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """List the rules.

    Stale are derived series that have bars to be computed anew; a read does that first.

    Examples:
      flightstore rules list --json
    """
    with options.connect(uri, token) as db:
        rows = [plain_fields(rule) for rule in db.rules.list()]
    if as_json:
        output.print_json(rows)
    elif rows:
        shown = [{**row, "to": ",".join(row["to"])} for row in rows]
        output.print_table(list(shown[0]), [list(row.values()) for row in shown])
    else:
        output.remark("There are no rules.")


@rules.command("remove")
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The rule's name.")],
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Forget a rule and delete the series that it keeps.

    Examples:
      flightstore rules remove daily
    """
    with options.connect(uri, token) as db:
        rule = db.rules.remove(name)
    _print(plain_fields(rule), as_json)


def _print(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.print_json(facts)
    else:
        output.print_facts({**facts, "to": ",".join(facts["to"])})
