"""Programs in processes of their own that need not import anything: forked from warm parents.

    SERVER     `SERVE`: flightstore serve
    COMMANDS   `FLIGHTSTORE`: any other command, such as the ingestion

Each is a process that this one starts when it first needs it, and that ends with it, with all of
its children. A child is like a process that was just started (signals, environment, folder,
descriptors), but for the seed of its hashes and the modules that are there already.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO

from tests.support.warm_parent import DESCRIPTORS, MESSAGE_BYTES, Program

from flightstore_server.cli import arrow_memory

ROOT = Path(__file__).parents[2]
SABOTAGE = "FLIGHTSTORE_TEST_SABOTAGE"
# The server without the client, which it does not need.
SERVE = "import typer; from flightstore_server.cli.serve import serve; typer.run(serve)"
FLIGHTSTORE = "import sys; from flightstore.cli import main; sys.exit(main())"
# The parent's imports take a second or two, ten times that on a busy machine.
ANSWER_SECONDS = 60


class Launched:
    """A child, with the parts of `subprocess.Popen` that tests use."""

    def __init__(
        self, pid: int, pidfd: int, ended: int, stdout: IO[str] | None, stderr: IO[str] | None
    ) -> None:
        self.pid = pid
        self.stdout, self.stderr = stdout, stderr
        self.returncode: int | None = None
        self._pidfd, self._ended = pidfd, ended
        self._watch = select.poll()
        self._watch.register(ended, select.POLLIN)
        self._lock = threading.Lock()  # a watch may kill it while somebody waits for it

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None: it runs."""
        return self._wait(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        code = self._wait(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return code

    def _wait(self, timeout: float | None) -> int | None:
        if self.returncode is None and self._watch.poll(timeout and 1_000 * timeout):
            with self._lock:
                if self.returncode is None:  # somebody else may have waited as well
                    self._note(os.read(self._ended, 16))
        return self.returncode

    def _note(self, code: bytes) -> None:
        assert code, f"the parent of process {self.pid} is gone"
        self.returncode = int(code)
        os.close(self._ended)
        os.close(self._pidfd)

    def send_signal(self, number: int) -> None:
        with self._lock:
            if self.returncode is None:
                with suppress(ProcessLookupError):  # it has ended, and nobody asked yet
                    signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it writes on stdout and stderr until it ends; killed if that takes too long."""
        with ThreadPoolExecutor(2) as pool:
            texts = [pool.submit(_rest, stream) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return texts[0].result(), texts[1].result()

    def close(self) -> None:
        """Kill it, if it still runs, and let go of its pipes."""
        self.kill()
        self.wait()
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()


def _rest(stream: IO[str] | None) -> str:
    return "" if stream is None else stream.read()


class Launcher:
    """Starts children of one warm parent, which has imported `modules`."""

    def __init__(self, *modules: str, environment: Mapping[str, str] | None = None) -> None:
        """`environment` is what modules look at when they are loaded; children do not have it."""
        self._modules = modules
        self._environment = environment or {}
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None

    def start(
        self,
        code: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        stdout: int | IO[str] | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[str] | IO[bytes] = subprocess.PIPE,
    ) -> Launched:
        """`python -c CODE ARGUMENTS...` in the present folder, without input."""
        sabotage = os.environ.get(SABOTAGE, "")
        program = Program(code, arguments, dict(environment), str(Path.cwd()), sabotage)
        out, err = _Output(stdout), _Output(stderr)
        ended, ending = os.pipe()
        with Path(os.devnull).open() as nothing:
            descriptors = [nothing.fileno(), out.fd, err.fd, ending]
            try:
                pid, pidfd = self._ask(program, descriptors)
            finally:
                for fd in (*out.ours, *err.ours, ending):
                    os.close(fd)
        return Launched(pid, pidfd, ended, out.pipe, err.pipe)

    def _ask(self, program: Program, descriptors: Sequence[int]) -> tuple[int, int]:
        with self._lock:
            if self._connection is None:
                self._connection = self._warm_up()
            try:
                socket.send_fds(self._connection, [program.packed()], descriptors)
                answer, fds, *_ = socket.recv_fds(self._connection, MESSAGE_BYTES, DESCRIPTORS)
            except ConnectionError:
                answer = b""
        assert answer, f"the warm parent of {self._modules} has ended; its stderr says why"
        return int(answer), fds[0]

    def _warm_up(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(ANSWER_SECONDS)
        command = [sys.executable, "-m", "tests.support.warm_parent", str(theirs.fileno())]
        with theirs:
            parent = subprocess.Popen(
                [*command, *self._modules],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **self._environment},
                pass_fds=[theirs.fileno()],
            )
        atexit.register(parent.wait)  # the last registered is called first
        atexit.register(ours.close)
        return ours


class _Output:
    """Where a child writes to: a file of the caller's, or a new pipe (subprocess.PIPE)."""

    def __init__(self, wanted: int | IO[str] | IO[bytes]) -> None:
        self.pipe: IO[str] | None = None
        self.ours: list[int] = []
        if wanted != subprocess.PIPE:
            self.fd = wanted if isinstance(wanted, int) else wanted.fileno()
            return
        end, self.fd = os.pipe()
        self.pipe, self.ours = os.fdopen(end, encoding="utf-8"), [self.fd]


# pandas is what pyarrow imports with the first array that is made of one of numpy's.
SERVER = Launcher(
    "pandas",
    "duckdb",
    "flightstore_server.cli.serve",
    "flightstore_server.sql.database",
    environment=arrow_memory.ENVIRONMENT,
)
COMMANDS = Launcher("pandas", "ccxt.pro", "flightstore.cli.program", "flightstore_ingest.cli")
