"""Live subscriptions: how many there may be, when each may send, and what equal ones share.

A subscription is a position. Nothing is queued for it: when its connection takes the next message,
it takes what changed meanwhile, from memory or from the log's files. After a message it rests until
the next tick of a clock that it shares with some others, so that many changes make one message, and
those of them who follow the same selection wake together, stand at the same position and need their
message made once. Not all wake together: hundreds of threads that want the interpreter at the same
moment would hold up the puts.
"""

from __future__ import annotations

import itertools
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flightstore_proto.errors import BadRequest, Overloaded
from flightstore_server.engine.store import Store
from flightstore_server.engine.updates import Delivered, History, Selector, UpdateFollower
from flightstore_server.engine.updates.pieces import Piece, pieces
from flightstore_server.engine.wide_reads import batch_rows_max

# Between two messages of a subscription, for each one there is: a message costs about that much.
_REST_PER_SUBSCRIPTION_SECONDS = 0.000_3
# So many wake at the same moment.
_TOGETHER = 25
# How often somebody who waits looks whether its client is still there.
_LOOK_SECONDS = 1.0
# A host that is gone is noticed by writing to it; and the position of a quiet stream moves on.
_SIGN_OF_LIFE_SECONDS = 15.0
# So many changes of others move the position sooner.
_SKIPPED_MAX = 1_000
# Small, so that whoever never reads holds little: each thread keeps what its messages once took.
_MESSAGE_BYTES = 64 * 1024
_BLOCKED_AFTER_SECONDS = 1.0
_SHARED_MAX = 16
_SHARED_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Request:
    """What a client wants: history from `start` on (None: none), then every change.

    With `after_lsn` it was connected before: no history but the rest of the one that broke off.
    """

    selector: Selector
    start: int | None = None
    after_lsn: int | None = None
    delivered: Delivered | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One batch of a stream: the position after it, what was deleted, and then rows."""

    lsn: int
    history: bool = False
    deletes: tuple[tuple[str, int | None, int | None], ...] = ()
    piece: Piece | None = None


@dataclass(frozen=True, slots=True)
class _Step:
    """What came after a position, made once for all that stand there."""

    lsn: int
    messages: tuple[Message, ...]
    made_at: float


class _Meeting:
    """Where subscriptions of the same selection take turns."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


class Subscription:
    """One live stream; a consumer that `status` shows while it is under way."""

    kind = "subscriber"
    error = ""
    errors = 0

    def __init__(
        self, store: Store, hub: Subscriptions, number: int, request: Request, meeting: _Meeting
    ) -> None:
        self.name = f"live-{number} {request.selector}"
        self._number = number
        self._store = store
        self._hub = hub
        self._selector = request.selector
        self._meeting = meeting
        after = request.after_lsn
        with store.state.lock:  # history and changes meet at one position
            self._follower = UpdateFollower(
                store, request.selector, after, delivered=request.delivered
            )
            self._history: History | None = None
            if request.start is not None and (after is None or request.delivered):
                self._history = History(store, self._follower, request.start, request.delivered)
        self.schema = self._follower.columns.schema
        self._rows_max = batch_rows_max(self.schema)
        self.lsn = self._follower.lsn
        self._waiting = self._sending = False
        self._latest = time.monotonic()  # when the latest message was handed over, or taken

    @property
    def state(self) -> str:
        """waiting for a change, blocked by a client that does not read, or running."""
        if self._waiting:
            return "waiting"
        blocked = self._sending and time.monotonic() - self._latest > _BLOCKED_AFTER_SECONDS
        return "blocked" if blocked else "running"

    def messages(self, is_gone: Callable[[], bool]) -> Iterator[Message]:
        """The stream: it ends when `is_gone` says so, and otherwise with an error.

        Raises Lagged if the log no longer has what comes next, Corrupt if something is damaged,
        Unavailable once the server is stopping.
        """
        self._store.consumers.register(self)
        try:
            for message in self._messages(is_gone):
                self._sending, self._latest = True, time.monotonic()
                yield message
                self._sending, self._latest = False, time.monotonic()
                self.lsn = message.lsn
        finally:
            self._store.consumers.forget(self)
            self._hub.leave(self)

    def _messages(self, is_gone: Callable[[], bool]) -> Iterator[Message]:
        if self._history is not None:
            for piece in pieces(self._history.runs(), self._rows_max):
                self._store.feed.wait(self._follower.lsn, 0)  # raises when the server stops
                yield Message(self._follower.lsn, history=True, piece=piece)
            self._history = None
        yield Message(self._follower.lsn)  # from here on it is live
        looked = time.monotonic()
        while True:
            yield from self._next()
            if time.monotonic() - looked >= _LOOK_SECONDS:
                looked = time.monotonic()
                if is_gone():
                    return

    def _next(self) -> Iterator[Message]:
        """What comes after the position, if there is something within a second."""
        self._waiting = True
        news = self._follower.wait(_LOOK_SECONDS)
        self._waiting = False
        sent = False
        if news:
            for message in self._step():
                yield message
                sent = True
        if not sent and self._position_is_due():
            yield Message(self._follower.lsn)
        if news:
            time.sleep(self._hub.rest(self._number))

    def _position_is_due(self) -> bool:
        quiet = time.monotonic() - self._latest
        skipped = self._follower.lsn - self.lsn
        return quiet >= _SIGN_OF_LIFE_SECONDS or (quiet >= _LOOK_SECONDS and skipped > _SKIPPED_MAX)

    def _step(self) -> Iterator[Message]:
        if not self._follower.is_pure:
            yield from self._made()
            return
        key = (self._selector, len(self.schema), self._follower.lsn)
        step, made = self._hub.shared(key), None
        if step is None:
            with self._meeting.lock:  # whoever comes second finds what the first one has made
                step = self._hub.shared(key)
                if step is None:
                    made = self._made_for_all(key)
        if made is not None:
            yield from made
        elif step is not None:
            self._follower.skip_to(step.lsn)
            yield from step.messages

    def _made_for_all(self, key: Key) -> Iterator[Message]:
        """What comes next; shared, unless it takes several messages, which each makes anew."""
        made = self._made()
        first = list(itertools.islice(made, 2))
        if len(first) < 2:
            self._hub.share(key, _Step(self._follower.lsn, tuple(first), time.monotonic()))
        return itertools.chain(first, made)

    def _made(self) -> Iterator[Message]:
        before = self._follower.lsn
        update = self._follower.take(bytes_max=_MESSAGE_BYTES)
        if update is None:
            return
        deletes = tuple((str(s.instrument), low, high) for s, low, high in update.deletes)
        rows_max = max(1, self._rows_max // 3)
        piece: Piece | None = None
        for following in pieces(update.runs, rows_max):
            if piece is not None:
                yield Message(before, deletes=deletes, piece=piece)
                deletes = ()
            piece = following
        yield Message(update.lsn, deletes=deletes, piece=piece)


Key = tuple[Selector, int, int]


class Subscriptions:
    """The live subscriptions of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._numbers = itertools.count(1)
        self._opening = threading.Lock()
        self._lock = threading.Lock()  # guards what is shared
        # Whoever lets go of a subscription has left, also one whose stream never began.
        self._open: weakref.WeakSet[Subscription] = weakref.WeakSet()
        self._meetings: weakref.WeakValueDictionary[Selector, _Meeting] = (
            weakref.WeakValueDictionary()
        )
        self._steps: OrderedDict[Key, _Step] = OrderedDict()

    def open(self, request: Request) -> Subscription:
        """Begin one. Raises Overloaded if there are enough, and whatever UpdateFollower does."""
        if request.delivered is not None and (request.start is None or request.after_lsn is None):
            raise BadRequest("To go on with a history, say its `start` and its `after_lsn` again.")
        with self._opening:
            most = self._store.limits.subscribers_max
            if len(self._open) >= most:
                raise Overloaded(
                    f"There are {most} live subscriptions already (limits.subscribers_max); close "
                    "one, follow several series with one, or raise the limit."
                )
            meeting = self._meetings.setdefault(request.selector, _Meeting())
            made = Subscription(self._store, self, next(self._numbers), request, meeting)
            self._open.add(made)
        return made

    def count(self) -> int:
        """How many there are."""
        return len(self._open)

    def leave(self, subscription: Subscription) -> None:
        self._open.discard(subscription)

    def rest(self, number: int) -> float:
        """Seconds until the next tick of subscription `number`, when it may send again."""
        many = len(self._open)
        tick = self._store.limits.coalesce_seconds + many * _REST_PER_SUBSCRIPTION_SECONDS
        groups = 1 + many // _TOGETHER
        offset = tick * (number % groups) / groups
        return tick - (time.monotonic() - offset) % tick

    def shared(self, key: Key) -> _Step | None:
        """What comes after a position, if it was made a moment ago. Needs no lock."""
        step = self._steps.get(key)
        # Later there is more, and whoever took less now would be late from then on.
        is_new = step is not None and time.monotonic() - step.made_at < _SHARED_SECONDS
        return step if is_new else None

    def share(self, key: Key, step: _Step) -> None:
        """Keep what comes after a position for the others that stand there."""
        with self._lock:
            self._steps[key] = step
            if len(self._steps) > _SHARED_MAX:
                self._steps.popitem(last=False)
