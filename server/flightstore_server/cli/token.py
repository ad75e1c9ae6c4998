"""flightstore token: who may ask a server what."""

from __future__ import annotations

import datetime as dt
import re
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flightstore.cli import options, output
from flightstore_proto.errors import BadRequest, did_you_mean, near, shown
from flightstore_server.access import tokens_file
from flightstore_server.access.grants import EVERYTHING, Role, scope_of
from flightstore_server.access.tokens import Token, issue
from flightstore_server.storage import layout
from flightstore_server.storage.files import Disk, existing_root, open_root

token = typer.Typer(help="Say who may ask a server what.")

_UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")
_NS = 1_000_000_000
# A year that every program can show.
_LATEST_NS = 4_102_444_800 * _NS

DataDir = Annotated[Path, typer.Option("--data-dir", help="Directory of the server's data.")]
_HERE = Path("./data")


class RoleName(StrEnum):
    """The roles a token can have."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@token.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it in lists.")],
    role: Annotated[RoleName, typer.Option("--role", help="What it allows.")],
    datasets: Annotated[
        str | None, typer.Option("--datasets", help="Only these: candles,trades or own_*.")
    ] = None,
    names: Annotated[
        str | None, typer.Option("--instruments", help="Only these: binance:*,kraken:BTC/*.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="Good for so long: 12h, 90d, 4w. [for ever]")
    ] = None,
    data_dir: DataDir = _HERE,
) -> None:
    """Make a token, and print it: it is shown this once.

    A running server takes it within a second. From the first one on, every call needs a token.

    Examples:
      flightstore token create alice --role admin
      flightstore token create bot --role write --instruments 'binance:*' --expires 90d
    """
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{shown(name)} cannot name a token: letters, digits, '_', '.' and '-', at most 64."
        )
    scope = scope_of(_patterns(datasets), _patterns(names))
    if role is RoleName.ADMIN and scope != EVERYTHING:
        raise BadRequest("An admin reaches everything: leave out --datasets and --instruments.")
    now = time.time_ns()
    made, text = issue(name, Role[role.name], scope, now_ns=now, expires=_expiry(expires, now))
    files = open_root(data_dir)
    tokens_file.change(files, lambda tokens: [*_without_name(tokens, name), made])
    print(text)
    output.remark(f"{name} ({made.id}) has the role {role.value} and reaches {scope}.")
    output.remark(
        "Keep the token now: it is stored nowhere. Clients take it from $FLIGHTSTORE_TOKEN."
    )


@token.command("list")
def list_tokens(data_dir: DataDir = _HERE, as_json: options.Json = False) -> None:
    """List the tokens, without their secrets.

    Examples:
      flightstore token list --json
    """
    tokens = tokens_file.load(_root(data_dir))
    now = time.time_ns()
    rows = [_row(each, now) for each in tokens or []]
    if as_json:
        output.print_json(rows)
    elif rows:
        output.print_table(list(rows[0]), [list(row.values()) for row in rows])
    elif tokens is None:
        output.remark("There are no tokens, and nobody needs one.")
    else:
        output.remark("There are no tokens, and every call needs one: nobody is let in.")


@token.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME|ID", help="Which one.")],
    data_dir: DataDir = _HERE,
) -> None:
    """Have a token be worth nothing from now on.

    A running server notices within a second, and ends live streams that were opened with it.

    Examples:
      flightstore token revoke bot
    """
    tokens_file.change(_root(data_dir), lambda tokens: _without(tokens, name))
    output.remark(f"The token {name} is revoked.")


def _root(data_dir: Path) -> Disk:
    """The directory at `data_dir`, which may hold tokens and nothing else yet."""
    return open_root(data_dir) if (data_dir / layout.TOKENS).exists() else existing_root(data_dir)


def _patterns(text: str | None) -> list[str]:
    return [] if text is None else [part.strip() for part in text.split(",")]


def _expiry(text: str | None, now_ns: int) -> int | None:
    """When what is good for `text` from now on ends, in nanoseconds since 1970."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if match is None or not int(match[1]):
        raise BadRequest(f"{shown(text)} is no time to be good for: write it like 12h, 90d or 4w.")
    return min(now_ns + int(match[1]) * _UNITS[match[2]] * _NS, _LATEST_NS)


def _without_name(tokens: list[Token], name: str) -> list[Token]:
    """`tokens`, of which none is called `name`. Raises BadRequest if one is."""
    if any(name in (each.name, each.id) for each in tokens):
        raise BadRequest(f"There is a token {shown(name)} already; revoke it first.")
    return tokens


def _without(tokens: list[Token], name: str) -> list[Token]:
    """`tokens` but for the one with that name or id. Raises BadRequest if there is none."""
    kept = [each for each in tokens if name not in (each.name, each.id)]
    if len(kept) == len(tokens):
        suggestions = near(name, [each.name for each in tokens])
        raise BadRequest(
            f"There is no token {shown(name)}.{did_you_mean(suggestions)}", suggestions=suggestions
        )
    return kept


def _row(each: Token, now_ns: int) -> dict[str, object]:
    return {
        "name": each.name,
        "id": each.id,
        "role": str(each.role),
        "datasets": ",".join(each.scope.datasets) or "*",
        "instruments": ",".join(each.scope.instruments) or "*",
        "created": _day(each.created),
        "expires": "never" if each.expires is None else _day(each.expires),
        "state": "expired" if each.is_expired(now_ns) else "valid",
    }


def _day(ns: int) -> str:
    return dt.datetime.fromtimestamp(ns // _NS, dt.UTC).isoformat()
