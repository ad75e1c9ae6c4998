"""The tokens of a data directory, in one file that is replaced as a whole, readable by its owner.

    {"format": 1, "crc": "<CRC-32C of the tokens>", "tokens": [{"id", "name", "role", "datasets",
     "instruments", "digest", "created", "expires"}, ...]}

The sum is over the tokens as JSON with sorted keys and without spaces: a flipped bit must not make
a reader an administrator. Where there is no file, nobody needs a token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flightstore_proto.errors import Corrupt, DataDirError, FlightstoreError
from flightstore_server.access.grants import Role, scope_of
from flightstore_server.access.tokens import Token
from flightstore_server.storage import layout
from flightstore_server.storage.checksum import crc
from flightstore_server.storage.files import Files

_FORMAT = 1


def load(files: Files) -> list[Token] | None:
    """The tokens by their order of creation; None if there is no file.

    Raises Corrupt if it is damaged, DataDirError if a later version has written it.
    """
    try:
        data = files.read(layout.TOKENS)
    except FileNotFoundError:
        return None
    return _decoded(data)


def save(files: Files, tokens: Sequence[Token]) -> None:
    """Replace the file, durably: after a crash it holds what it did before, or these."""
    files.make_dir(layout.TMP_DIR)
    file = files.create_private(layout.TOKENS_UNFINISHED)
    try:
        file.write([_encoded(tokens)])
        file.sync()
    finally:
        file.close()
    files.publish(layout.TOKENS_UNFINISHED, layout.TOKENS)


def change(files: Files, changed: Callable[[list[Token]], list[Token]]) -> None:
    """Save what `changed` makes of the tokens, while no other process does the same."""
    with _alone(files):
        save(files, changed(load(files) or []))


@contextmanager
def _alone(files: Files) -> Iterator[None]:
    try:
        files.lock(layout.TOKENS_LOCK)
    except DataDirError:
        raise DataDirError(
            f"Another process is changing the tokens of {files.root} at this moment; try again."
        ) from None
    try:
        yield
    finally:
        files.unlock()


def _encoded(tokens: Sequence[Token]) -> bytes:
    rows = [_row(token) for token in tokens]
    document = {"format": _FORMAT, "crc": _sum(rows), "tokens": rows}
    return json.dumps(document, indent=1).encode() + b"\n"


def _row(token: Token) -> dict[str, object]:
    return {
        "id": token.id,
        "name": token.name,
        "role": str(token.role),
        "datasets": list(token.scope.datasets),
        "instruments": list(token.scope.instruments),
        "digest": token.digest,
        "created": token.created,
        "expires": token.expires,
    }


def _sum(rows: list[Any]) -> str:
    return f"{crc(json.dumps(rows, sort_keys=True, separators=(',', ':')).encode()):08x}"


def _decoded(data: bytes) -> list[Token]:
    try:
        said = json.loads(data)
        if said["format"] != _FORMAT:
            raise DataDirError(
                f"{layout.TOKENS} has the format {said['format']!r} of a later version of "
                f"flightstore, and this one knows {_FORMAT}; use that version."
            )
        if said["crc"] != _sum(said["tokens"]):
            raise ValueError("its checksum does not match")
        return [_token(row) for row in said["tokens"]]
    except (ValueError, KeyError, TypeError, FlightstoreError) as error:
        if isinstance(error, DataDirError):
            raise
        raise Corrupt(
            f"{layout.TOKENS} is damaged ({type(error).__name__}); restore it from a copy, or "
            "remove it and make new tokens with `flightstore token create`."
        ) from None


def _token(row: dict[str, Any]) -> Token:
    return Token(
        id=str(row["id"]),
        name=str(row["name"]),
        role=Role[str(row["role"]).upper()],
        scope=scope_of(row["datasets"], row["instruments"]),
        digest=str(row["digest"]),
        created=int(row["created"]),
        expires=None if row["expires"] is None else int(row["expires"]),
    )
