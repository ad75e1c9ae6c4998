"""A process that has imported what a program needs, and becomes that program in its children.

Importing is most of a start: a child that is forked when all modules are there begins at once with
what is the program's own. The parent itself runs no second thread of Python's, makes no call of
gRPC and opens no DuckDB, since a child has no threads but its own.

`python -m tests.support.warm_parent FD MODULE...` is started by `tests/support/launcher.py`, which
speaks to it through the socket FD: a `Program` as JSON, with the descriptors of a child, asks for
one; the answer is its process id, with a pidfd. The last of the descriptors gets how it ended.
"""

from __future__ import annotations

import atexit
import ctypes
import faulthandler
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import time
import types
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

MESSAGE_BYTES = 1 << 18
# stdin, stdout and stderr of the child, and the pipe that gets its exit code.
DESCRIPTORS = 4
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Program:
    """What a child is to be: `python -X faulthandler -c CODE ARGUMENTS...`.

    sabotage  a planted defect of `tests/sabotage/defects.py`; empty: none
    """

    code: str
    arguments: Sequence[str]
    environment: dict[str, str]
    folder: str
    sabotage: str = ""

    def packed(self) -> bytes:
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True)
class _Child:
    pid: int
    pidfd: int
    ended: int  # the pipe that gets its exit code


def main(arguments: Sequence[str]) -> None:
    connection = socket.socket(fileno=int(arguments[0]))
    for module in arguments[1:]:
        importlib.import_module(module)
    # Ctrl-C is meant for the tests, which close the connection when they end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # what no collection looks at stays shared with the children
    atexit.register(gc.unfreeze)  # at their end it is taken apart like everything else
    program = _Parent(connection).serve()
    if program is not None:
        _run(program)


class _Parent:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._children: dict[int, _Child] = {}
        self._ready = selectors.DefaultSelector()
        self._ready.register(connection, selectors.EVENT_READ)

    def serve(self) -> Program | None:
        """Fork what is asked for. Returns in each child with its program, and here at the end."""
        while True:
            for key, _ in self._ready.select():
                if key.fd in self._children:
                    self._reap(self._children.pop(key.fd))
                    continue
                message, descriptors, *_ = socket.recv_fds(
                    self._connection, MESSAGE_BYTES, DESCRIPTORS
                )
                if not message:
                    return self._end()
                program = self._fork(Program(**json.loads(message)), descriptors)
                if program is not None:
                    return program

    def _fork(self, program: Program, descriptors: list[int]) -> Program | None:
        """The program in the child, None in the parent."""
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._leave()
            _begin(program, descriptors, parent)
            return program
        *standard, ended = descriptors
        for fd in standard:
            os.close(fd)
        child = _Child(pid, os.pidfd_open(pid), ended)
        self._children[child.pidfd] = child
        self._ready.register(child.pidfd, selectors.EVENT_READ)
        socket.send_fds(self._connection, [str(pid).encode()], [child.pidfd])
        return None

    def _leave(self) -> None:
        """A child closes what only its parent has to do with."""
        self._ready.close()
        self._connection.close()
        for child in self._children.values():
            os.close(child.pidfd)
            os.close(child.ended)

    def _reap(self, child: _Child) -> None:
        code = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
        self._ready.unregister(child.pidfd)
        with suppress(BrokenPipeError):  # nobody waits for it any more
            os.write(child.ended, str(code).encode())
        os.close(child.pidfd)
        os.close(child.ended)

    def _end(self) -> None:
        """The tests are over, or were killed: no child outlives them."""
        for child in self._children.values():
            signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)


def _begin(program: Program, descriptors: Sequence[int], parent: int) -> None:
    """Make this child what a fresh process of that program is."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    for standard, fd in enumerate(descriptors[:3]):
        os.dup2(fd, standard)
    for fd in descriptors:
        os.close(fd)
    os.chdir(program.folder)
    os.environ.clear()
    os.environ.update(program.environment)
    time.tzset()
    tempfile.tempdir = None  # $TMPDIR is looked at again
    signal.signal(signal.SIGINT, signal.default_int_handler)
    faulthandler.enable()


def _run(program: Program) -> None:
    if program.sabotage:
        importlib.import_module("tests.sabotage.defects").plant(program.sabotage)
    sys.argv = ["-c", *program.arguments]
    sys.path[0] = ""
    sys.modules["__main__"] = module = types.ModuleType("__main__")
    exec(compile(program.code, "<string>", "exec"), module.__dict__)


if __name__ == "__main__":
    main(sys.argv[1:])
