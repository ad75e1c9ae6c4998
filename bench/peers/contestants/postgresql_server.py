"""A PostgreSQL server of one's own: made, started, stopped and killed.

Set up as the manual of PostgreSQL 15 says: a cluster by initdb (18.2), no server as root (18.1), a
quarter of the memory as shared buffers, room for sorts and hash tables of large questions (20.4.1:
the default is so small that they go through files), and otherwise the defaults, so that a commit
is on the disk before it is acknowledged (20.5.1: fsync and synchronous_commit are on). It listens
on a socket in its folder only, to the user who runs the contest (21.9, peer authentication).
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psycopg

from bench.peers import costs
from bench.peers.contestant import Missing

_BUFFERS_SHARE, _BUFFERS_MAX = 4, 2 << 30
_WORK_MEMORY = "256MB"
_START_SECONDS = 120.0  # after a kill the log is read first
_STOP_SECONDS = 100.0
_POLL_SECONDS = 0.005
_PR_SET_PDEATHSIG = 1  # prctl(2)
_OWNER = "postgres"  # whom root runs it as


class Server:
    """One cluster in `folder`. Raises Missing where PostgreSQL is not installed."""

    def __init__(self, folder: Path) -> None:
        self._programs = _programs()
        self._owner = _owner()
        self._data, self._sockets = folder / "data", folder
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._make()

    @property
    def address(self) -> str:
        """Where it is, as libpq is told."""
        return f"postgresql:///postgres?host={self._sockets}&user={_myself()}"

    @property
    def pid(self) -> int | None:
        """Of its first process, whose children are the others; None while it is down."""
        return self._process.pid if self._process else None

    def _make(self) -> None:
        self._data.mkdir(mode=0o700)
        if self._owner is not None:
            for path in (self._data, self._sockets):
                os.chown(path, self._owner.pw_uid, self._owner.pw_gid)
        options = ["--no-locale", "--encoding=UTF8", "--auth=peer", "-U", _myself()]
        with self._log.open("ab") as log:
            made = self._popen(["initdb", "-D", str(self._data), *options], log.fileno())
            if made.wait(_START_SECONDS):
                raise RuntimeError(f"initdb failed: {self._log.read_text()[-500:]}")

    def start(self) -> None:
        """Start it; until it answers a question."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "shared_buffers": f"{_shared_buffers() >> 20}MB",
            "work_mem": _WORK_MEMORY,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        with self._log.open("ab") as log:
            self._process = self._popen(["postgres", "-D", str(self._data), *options], log.fileno())
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            try:
                with psycopg.connect(self.address) as connection:
                    connection.execute("select 1")
                    return
            except psycopg.OperationalError:
                if self._process is None or self._process.poll() is not None:
                    break
                time.sleep(_POLL_SECONDS)
        raise RuntimeError(f"PostgreSQL did not start: {self._log.read_text()[-500:]}")

    def stop(self) -> None:
        """A fast shutdown (18.5): open transactions are ended, a checkpoint is written."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_SECONDS)
            self._process = None
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End all its processes at once, as a lack of memory would."""
        if self._process is None:
            return
        everything = list(costs.tree(self._process.pid))
        for pid in everything:
            _kill(pid)
        self._process.wait()
        self._process = None
        _until_gone(everything)

    def _popen(self, command: list[str], log: int) -> subprocess.Popen[bytes]:
        program = str(self._programs / command[0])
        owner = self._owner
        return subprocess.Popen(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self._data,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
            # An immediate shutdown once the contestant's process is gone, however it went.
            preexec_fn=_die_with_parent,
        )


def _programs() -> Path:
    """The folder of initdb and postgres; Debian keeps those of each version apart."""
    found = shutil.which("postgres")
    folders = [Path(found).resolve().parent] if found else []
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(debian, key=lambda folder: float(folder.parent.name), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise Missing("PostgreSQL's server is not installed: apt-get install postgresql")


def _myself() -> str:
    """The user whom peer authentication sees, whatever the environment says."""
    return pwd.getpwuid(os.geteuid()).pw_name


def _owner() -> pwd.struct_passwd | None:
    """Whom to run the server as; None: as oneself. PostgreSQL refuses to be run by root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(_OWNER)
    except KeyError:
        raise Missing(f"there is no user {_OWNER!r}, and root must not run PostgreSQL") from None


def _shared_buffers() -> int:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(memory // _BUFFERS_SHARE, _BUFFERS_MAX)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _until_gone(pids: list[int]) -> None:
    """Orphans are someone else's to wait for; a start must not find them attached."""
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline and any(map(_lives, pids)):
        time.sleep(_POLL_SECONDS)


def _lives(pid: int) -> bool:
    """Whether a process is there and no zombie: such a one has let go of its memory (proc(5))."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
