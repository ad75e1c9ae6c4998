"""Those who follow the log: `flightstore sync` and `promote`, and their part of `status`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from flightstore.cli import options, output
from flightstore.cli.values import plain_fields


def sync(
    lsn: Annotated[
        int | None, typer.Argument(metavar="[LSN]", help="Default: the newest.", min=0)
    ] = None,
    consumer: Annotated[
        list[str] | None,
        typer.Option("--consumer", help="Its name in `status`; default: aggregates and triggers."),
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=0, help="Seconds to wait.")] = 10.0,
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Wait until what was written has been dealt with.

    Fails, naming who is behind, when the time is up.

    Examples:
      flightstore sync
      flightstore sync 4711 --consumer replica:backup --timeout 60
    """
    with options.connect(uri, token) as db:
        done = db.sync(lsn, consumer or None, timeout)
    if as_json:
        output.print_json(plain_fields(done))
    else:
        print(f"All have reached LSN {done.lsn}.")


def promote(
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Have a replica take writes from now on.

    It follows its primary no longer.

    Examples:
      flightstore promote --uri grpc://standby:8815
    """
    with options.connect(uri, token) as db:
        health = db.promote()
    if as_json:
        output.print_json(plain_fields(health))
    else:
        output.print_facts(plain_fields(health))


def print_consumers(consumers: Sequence[dict[str, Any]], last_lsn: int) -> None:
    """A line for each, with how many records it is behind."""
    if not consumers:
        return
    headers = ("consumer", "kind", "state", "lsn", "behind", "errors", "error")
    output.print_table(headers, [
        [c["name"], c["kind"], c["state"], c["lsn"], max(last_lsn - c["lsn"], 0), c["errors"],
         c["error"] or None]
        for c in consumers
    ])  # fmt: skip
