"""The process of one trigger: `python -m flightstore_server.triggers.host`, started by the server.

It makes the trigger, calls it with one batch after another and answers. Whatever the trigger prints
or logs goes to stderr, which the server copies into its log.
"""

from __future__ import annotations

import faulthandler
import importlib
import logging
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

from flightstore_proto.errors import ConfigError, FlightstoreError
from flightstore_server.triggers import wire
from flightstore_server.triggers.interface import Trigger
from flightstore_server.triggers.wire import Message

log = logging.getLogger(__name__)
# What a batch under way gets once the server is gone, or wants this process to be.
_GRACE_SECONDS = 5.0
_FRAMES_MAX = 8
_SENTENCE_CHARACTERS_MAX = 500
T = TypeVar("T")


def main() -> None:
    connection = _take_connection()
    messages: SimpleQueue[Message | None] = SimpleQueue()
    listener = threading.Thread(target=_listen, args=(connection, messages), daemon=True)
    listener.start()
    serve(connection, messages)


def _take_connection() -> socket.socket:
    """The connection to the server, which is this process's stdin. From now on that is empty."""
    connection = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return connection


def _listen(connection: socket.socket, messages: SimpleQueue[Message | None]) -> None:
    """Notice that the server is gone even while the trigger is busy, or loops for ever."""
    while (message := wire.receive(connection)) is not None:
        messages.put(message)
    messages.put(None)
    time.sleep(_GRACE_SECONDS)
    os._exit(1)


def serve(connection: socket.socket, messages: SimpleQueue[Message | None]) -> None:
    """Make the trigger that the first message describes, then hand it the others."""
    first = messages.get()
    if first is None:
        return
    logging.basicConfig(
        stream=sys.stderr, level=first[0]["log_level"], format="%(levelname)s %(message)s"
    )
    trigger = _answered(connection, first, lambda: _make(first[0]["run"], first[0]["options"]))
    if trigger is None:
        return
    while (message := messages.get()) is not None:
        _answered(connection, message, partial(trigger.on_batch, wire.unpack(message)))
    try:
        trigger.close()
    except Exception:
        log.exception("close() failed")


def _answered(connection: socket.socket, message: Message, work: Callable[[], T]) -> T | None:
    """Do `work` and tell the server how it went; None if it failed."""
    result = None
    answer: dict[str, object] = {}
    # What takes too long is ended by the server; before that, its log gets to know where it is.
    faulthandler.dump_traceback_later(message[0]["timeout_seconds"])
    try:
        result = work()
    except Exception as error:  # noqa: BLE001  (whatever it is, the server is told)
        answer = {"error": _sentence(error), "traceback": _traceback(error)}
    finally:
        faulthandler.cancel_dump_traceback_later()
    try:
        wire.send(connection, answer)
    except ConnectionError:
        log.warning("the server is gone")
    return result


def _make(run: str, options: dict[str, object]) -> Trigger:
    """A trigger of the class `run`, `module:Class`. Raises ConfigError, or what the class does."""
    module, _, name = run.partition(":")
    try:
        kind = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise ConfigError(
            f"{run} cannot be imported ({error}); install its package where the server is "
            f"installed ({sys.prefix}), or add its folder to PYTHONPATH."
        ) from error
    except AttributeError as error:
        raise ConfigError(f"{run} cannot be imported ({error}); correct `run`.") from error
    if not (isinstance(kind, type) and issubclass(kind, Trigger)):
        raise ConfigError(f"{run} is not a class derived from flightstore_server.triggers.Trigger.")
    return kind(options)


def _sentence(error: Exception) -> str:
    if isinstance(error, FlightstoreError):
        return error.message
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text[:_SENTENCE_CHARACTERS_MAX]


def _traceback(error: Exception) -> str:
    """The innermost calls: those of the trigger, without the ones in here."""
    return "".join(traceback.format_exception(error, limit=-_FRAMES_MAX))


if __name__ == "__main__":
    main()
