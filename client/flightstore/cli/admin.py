"""Changing what is stored: `flightstore delete`, `snapshot`, `backup` and `compact`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from flightstore.cli import options, output
from flightstore.cli.values import plain_fields
from flightstore_proto.errors import BadRequest
from flightstore_proto.timerange import format_ns, time_range

Name = Annotated[str, typer.Argument(metavar="NAME", help="The snapshot's name.")]

snapshot = typer.Typer(help="Pin a version of the data under a name.")


def delete(
    instrument: options.Instrument,
    timeframe: options.Timeframe = "",
    start: options.Start = None,
    end: options.End = None,
    whole: Annotated[bool, typer.Option("--all", help="The whole series.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dataset: options.Dataset = "candles",
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Delete a range of a series, or all of it.

    Snapshots keep what they have pinned.

    Examples:
      flightstore delete mylab:BTC/USDT --timeframe 1m --start 2024-01-03 --end 2024-01-04
      flightstore delete mylab:BTC/USDT --dataset trades --all --yes
    """
    options.need_timeframe(dataset, timeframe)
    if whole == (start is not None or end is not None):
        raise BadRequest("Say what to delete: --start and --end for a range, or --all.")
    # Once: -30d must mean the same in the question and in the deed.
    window = time_range(start, end)
    what = f"{dataset} {timeframe} of {instrument} in {window}"
    if not yes:
        _confirm(f"Delete {what}?")
    with options.connect(uri, token) as db:
        ack = db.delete(
            instrument,
            dataset=dataset,
            timeframe=timeframe,
            start=None if window.start is None else format_ns(window.start),
            end=None if window.end is None else format_ns(window.end),
        )
    if as_json:
        output.print_json({"rows": ack.rows, "lsn": ack.lsn})
    else:
        print(f"Deleted {ack.rows:,} rows.")


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise BadRequest("Nobody is here to confirm a delete: give --yes.")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)


@snapshot.command("create")
def create(
    name: Name,
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Pin the present data under a name.

    Examples:
      flightstore snapshot create paper-2026
    """
    with options.connect(uri, token) as db:
        facts = plain_fields(db.snapshot(name))
    _print(facts, as_json)


@snapshot.command("list")
def list_snapshots(
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """List the snapshots.

    Examples:
      flightstore snapshot list --json
    """
    with options.connect(uri, token) as db:
        rows = [plain_fields(found) for found in db.snapshots()]
    if as_json:
        output.print_json(rows)
    elif rows:
        output.print_table(list(rows[0]), [list(row.values()) for row in rows])
    else:
        output.remark("There are no snapshots.")


@snapshot.command("drop")
def drop(
    name: Name,
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Forget a snapshot, so that what only it pinned can be deleted.

    Examples:
      flightstore snapshot drop paper-2026
    """
    with options.connect(uri, token) as db:
        db.drop_snapshot(name)
    _print({"dropped": name}, as_json)


def backup(
    destination: Annotated[
        str,
        typer.Argument(metavar="DESTINATION", help="A new directory on the server's machine."),
    ],
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Copy a consistent state of the data.

    The server goes on serving meanwhile.

    Examples:
      flightstore backup /backups/2026-02-01
    """
    with options.connect(uri, token) as db:
        facts = plain_fields(db.backup(destination))
    _print(facts, as_json)


def compact(
    full: Annotated[
        bool, typer.Option("--full", help="Merge down to as few files as possible.")
    ] = False,
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Merge small files of the store into larger ones.

    Examples:
      flightstore compact --full
    """
    with options.connect(uri, token) as db:
        facts = plain_fields(db.compact(full=full))
    _print(facts, as_json)


def _print(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.print_json(facts)
    else:
        output.print_facts(facts)
