"""Is the server well: `flightstore health`."""

from __future__ import annotations

from typing import Annotated

import typer

from flightstore.cli import options, output
from flightstore.cli.values import plain_fields


def health(
    writable: Annotated[
        bool, typer.Option("--writable", help="Fail also if it takes no writes, as replicas do.")
    ] = False,
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Ask whether the server answers, and whether it takes writes.

    Fails if it does not answer; with --writable also if it takes no writes: `reason` says why.

    Examples:
      flightstore health --uri grpc://10.0.0.1:8815
      flightstore health --writable --json
    """
    with options.connect(uri, token) as db:
        found = db.health()
    facts = plain_fields(found)
    if as_json:
        output.print_json(facts)
    else:
        output.print_facts(facts)
    if not found.ready or (writable and found.read_only):
        raise typer.Exit(1)
