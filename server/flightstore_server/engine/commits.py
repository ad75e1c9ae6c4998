"""The committer: makes changes durable and then true, in log order.

Writers hand in prepared records and wait. Everything that has gathered becomes one group: one
write, one sync, and only then is each record applied and its writer told. One thread at a time
leads: the committer's own, or, where the disk syncs faster than a thread wakes up, the writer that
finds nobody leading. A failed write or sync poisons the store: nothing more is logged, reads go
on, and a restart recovers what was acknowledged.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import (
    DeadlineExceeded,
    FlightstoreError,
    InternalError,
    Poisoned,
    ReadOnly,
)
from flightstore_server.engine.counters import Writes
from flightstore_server.engine.feed import Change, Feed
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.state import Ack, State
from flightstore_server.storage.log.group import Record, StoredRecord
from flightstore_server.storage.log.writer import LogWriter

log = logging.getLogger(__name__)

# A writer leads its own commit if that is small and the disk syncs faster than a thread wakes up.
# With a slower disk it had better receive the next put meanwhile, to share the next sync.
_LED_BYTES_MAX = 64 * 1024
_LED_SECONDS_MAX = 0.000_2
_NOT_APPLIED = "a logged record could not be applied"


class Pending:
    """A change on its way to the disk. One thread may wait for it.

    `renew` prepares a put again if a series it names was deleted meanwhile. A change with a `check`
    is logged alone, right after its check has passed.
    """

    __slots__ = ("_done", "_error", "ack", "body", "check", "message", "renew", "rows")

    def __init__(
        self,
        message: pb.LogRecord,
        rows: pa.RecordBatch | None = None,
        body: bytes = b"",
        renew: Callable[[], Pending] | None = None,
        check: Callable[[], object] | None = None,
    ) -> None:
        self.message = message
        self.rows = rows
        self.body = body
        self.renew = renew
        self.check = check
        self.ack: Ack | None = None
        self._error: FlightstoreError | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def wait(self, seconds: float) -> bool:
        """Wait for at most `seconds`; whether result() would answer at once now."""
        if not self._done.acquire(timeout=seconds):
            return False
        self._done.release()
        return True

    def finish(self, ack: Ack) -> None:
        self.ack = ack
        self._done.release()

    def fail(self, error: FlightstoreError) -> None:
        self._error = error
        self._done.release()

    def result(self, timeout: float = -1) -> Ack:
        """Wait until the change is durable and visible. Raises what went wrong with it."""
        if not self._done.acquire(timeout=timeout):
            raise DeadlineExceeded("The write is not durable yet; it may or may not become so.")
        self._done.release()
        if self._error is not None:
            raise self._error
        if self.ack is None:
            raise InternalError("a change finished without an acknowledgement")
        return self.ack


class Committer:
    """Owns the end of the log."""

    def __init__(self, log_writer: LogWriter, state: State, feed: Feed, limits: Limits) -> None:
        self.log = log_writer
        self.writes = Writes()
        self._state = state
        self._feed = feed
        self._limits = limits
        self._waiting: deque[Pending] = deque()
        self._leading = threading.Lock()
        self._work = threading.Event()
        self._stopped = False
        self._poison: str = ""
        # Why only replicate() may write: the server is a replica. Empty: everybody may.
        self.read_only: str = ""
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    @property
    def poison_reason(self) -> str:
        """Why writes are refused; empty while they are accepted."""
        return self._poison

    def submit(self, pending: Pending) -> Pending:
        """Hand in a change. Raises Poisoned after a failed write, ReadOnly of a replica."""
        self.check_writable()
        self._waiting.append(pending)
        if len(pending.body) > _LED_BYTES_MAX or self.log.sync_seconds > _LED_SECONDS_MAX:
            self._work.set()
        else:
            self._lead()
        return pending

    def check(self) -> None:
        if self._poison:
            raise Poisoned(
                f"The server refuses writes since {self._poison}. Reads go on; mend the cause and "
                "restart the server."
            )

    def check_writable(self) -> None:
        self.check()
        if self.read_only:
            raise ReadOnly(self.read_only)

    def poison(self, what: str, error: BaseException) -> None:
        """Refuse all further writes: the disk may hold less than it said it holds."""
        if not self._poison:
            self._poison = f"{what} failed ({error})"
            log.critical("writes are refused: %s", self._poison)

    def stop(self) -> None:
        """Finish what was handed in, then end the thread and close the log."""
        self._stopped = True
        self._work.set()
        self._thread.join()
        self.log.close()

    def _run(self) -> None:
        while not self._stopped:
            self._work.wait()
            self._work.clear()
            while self._waiting:
                with self._leading:
                    self._commit(self._gather())

    def _lead(self) -> None:
        """Commit a group here and now, unless another thread is at it."""
        if not self._leading.acquire(blocking=False):
            return  # whoever leads looks at what is waiting once more after letting go
        try:
            self._commit(self._gather())
        finally:
            self._leading.release()
        if self._waiting:
            self._work.set()

    def _gather(self) -> list[Pending]:
        """What is waiting, up to the group's limit. Only the leader takes from it."""
        group: list[Pending] = []
        size = 0
        while self._waiting and size < self._limits.group_bytes_max:
            if group and self._waiting[0].check is not None:
                break
            group.append(self._waiting.popleft())
            size += len(group[-1].body)
            if not _may_share(group[-1]):
                break
        return group

    def _commit(self, group: list[Pending]) -> None:
        group = [pending for pending in group if self._is_ready(pending)]
        fresh = _first_of_each_put([p for p in group if not self._is_repeat(p)])
        try:
            self.check()
            records = [Record(p.message.SerializeToString(), p.body) for p in fresh]
            lsn = self._append(records) if records else 0
        except FlightstoreError as error:
            for pending in group:
                pending.fail(error)
            return
        try:
            acks = self._apply(lsn, fresh)
        except Exception as error:
            log.exception(_NOT_APPLIED)
            failed = self._not_applied(error)
            for pending in group:
                pending.fail(failed)
            return
        self.writes.repeated += len(group) - len(fresh)
        self._count(pending.message for pending in fresh)
        self._tell(group, fresh, acks)
        if fresh:
            self._feed.publish(Change(lsn + at, p.message, p.rows) for at, p in enumerate(fresh))

    def replicate(
        self, records: Sequence[StoredRecord], apply: Callable[[StoredRecord], Change]
    ) -> None:
        """Make records that another server has numbered durable, as one group, and `apply` them.

        Raises InternalError if they do not continue the log, Poisoned.
        """
        with self._leading:
            self.check()
            for lsn, record in enumerate(records, self.log.next_lsn):
                if record.lsn != lsn:
                    raise InternalError(f"Record {record.lsn} came where {lsn} belongs.")
            self._append([Record(r.header, r.body.to_pybytes()) for r in records])
            try:
                changes = [apply(record) for record in records]
            except Exception as error:
                log.exception(_NOT_APPLIED)
                raise self._not_applied(error) from error
            self._count(change.message for change in changes)
            self._feed.publish(changes)

    def _not_applied(self, error: Exception) -> InternalError:
        """A record that is durable could not be applied: memory is no longer what the log says.

        A restart replays it, and says what is wrong if it still cannot be.
        """
        self.poison("applying a record", error)
        return InternalError(f"The write could not be applied: {error}.")

    def _apply(self, lsn: int, fresh: list[Pending]) -> list[Ack]:
        with self._state.lock:
            return [self._state.apply(lsn + at, p.message, p.rows) for at, p in enumerate(fresh)]

    def _count(self, messages: Iterable[pb.LogRecord]) -> None:
        for message in messages:
            if message.HasField("put"):
                self.writes.puts += 1
                self.writes.rows += message.put.received

    def _append(self, records: list[Record]) -> int:
        try:
            return self.log.append(records)
        except OSError as error:
            self.poison("writing the log", error)
            raise Poisoned(
                f"The write failed and is not acknowledged: {error}. The server refuses writes "
                "until it is restarted; reads go on."
            ) from error

    def _is_ready(self, pending: Pending) -> bool:
        """Prepare `pending` again if a series it writes to was deleted since it was prepared."""
        if pending.check is not None:
            return _passes(pending, pending.check)
        put = pending.message.put
        if pending.renew is None or not self._state.is_stale(put):
            return True
        try:
            again = pending.renew()
        except FlightstoreError as error:
            pending.fail(error)
            return False
        except Exception as error:
            # Not the fault of those that wait beside it, nor a reason to stop committing.
            log.exception("a put could not be prepared again")
            pending.fail(InternalError(f"The write could not be prepared: {error}."))
            return False
        pending.message, pending.rows, pending.body = again.message, again.rows, again.body
        return True

    def _is_repeat(self, pending: Pending) -> bool:
        """Whether this put was applied before; it then gets the same answer and is not logged."""
        if pending.message.WhichOneof("op") != "put":
            return False
        pending.ack = self._state.remembered(pending.message.put.put_id)
        return pending.ack is not None

    def _tell(self, group: list[Pending], fresh: list[Pending], acks: list[Ack]) -> None:
        by_put = {}
        for pending, ack in zip(fresh, acks, strict=True):
            pending.ack = ack
            by_put[ack.put_id] = ack
        for pending in group:
            # What was sent twice and met itself in one group gets its own first answer.
            pending.finish(pending.ack or by_put[pending.message.put.put_id])


def _first_of_each_put(group: list[Pending]) -> list[Pending]:
    """`group` without puts that are in it already under the same, non-zero, id."""
    seen: set[int] = set()
    kept = []
    for pending in group:
        put_id = pending.message.put.put_id
        if put_id and put_id in seen:
            continue
        seen.add(put_id)
        kept.append(pending)
    return kept


def _passes(pending: Pending, check: Callable[[], object]) -> bool:
    try:
        check()
    except FlightstoreError as error:
        pending.fail(error)
        return False
    return True


def _may_share(pending: Pending) -> bool:
    """A delete ends its group, so that a put after it sees whether its series still exists."""
    return pending.check is None and not pending.message.HasField("delete")
