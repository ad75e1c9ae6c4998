"""Adding, removing and listing rules: by users, and from the server's configuration.

A rule is a log record like any other change. It is checked right before it is logged, with nothing
else in its group, so that no put can slip in between and write a series that the rule keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import RLock

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import RuleConflict, shown
from flightstore_server.engine.aggregates import rules
from flightstore_server.engine.aggregates.rules import Rule
from flightstore_server.engine.commits import Committer, Pending
from flightstore_server.engine.gone import gone_with
from flightstore_server.engine.series import Series
from flightstore_server.engine.state import State


class Declarations:
    """The rules of one store."""

    def __init__(self, state: State, committer: Committer, maintenance_lock: RLock) -> None:
        self._state = state
        self._committer = committer
        self._maintenance_lock = maintenance_lock

    def list(self) -> list[pb.Rule]:
        """The rules by name, each with how many series it keeps."""
        with self._state.lock:
            book = self._state.rulebook
            return [self._described(book.rules[name]) for name in sorted(book.rules)]

    def add(self, message: pb.Rule) -> pb.Rule:
        """Put a rule in force. Raises RuleConflict, or another BadRequest, saying why not."""
        rule = rules.parse(message)
        self._log(rule, removed=False, going=lambda: self._outgrown_by(rule))
        with self._state.lock:
            return self._described(rule)

    def remove(self, name: str) -> pb.Rule:
        """Put the rule out of force and delete what it keeps. Raises UnknownRule."""
        with self._state.lock:
            rule = self._state.rulebook.find(name)
            described = self._described(rule)
        if rule.configured:
            raise RuleConflict(
                f"The rule {shown(name)} stands in the server's configuration; take it out there "
                "and restart the server."
            )
        self._remove(rule)
        return described

    def configure(self, wanted: Sequence[pb.Rule]) -> None:
        """Have the configured rules be `wanted`: others are removed, new and changed ones added.

        Raises RuleConflict, or another BadRequest, for a rule that cannot be.
        """
        parsed = [replace(rules.parse(message), configured=True) for message in wanted]
        with self._state.lock:
            known = [rule for rule in self._state.rulebook.rules.values() if rule.configured]
        names = {rule.name for rule in parsed}
        for rule in known:
            if rule.name not in names:
                self._remove(rule)
        for rule in parsed:  # one that changed keeps what it still keeps, old bars included
            if rule not in known:
                self.add(rule.message())

    def _remove(self, rule: Rule) -> None:
        self._log(rule, removed=True, going=lambda: self._kept_by(rule.name))

    def _outgrown_by(self, rule: Rule) -> Sequence[Series]:
        self._state.rulebook.check_new(rule)
        return self._state.rulebook.outgrown_by(rule)

    def _kept_by(self, name: str) -> Sequence[Series]:
        # Two who remove it at the same time: the second one is told that it is gone.
        return self._state.rulebook.kept_by(self._state.rulebook.find(name))

    def _log(self, rule: Rule, *, removed: bool, going: Callable[[], Sequence[Series]]) -> None:
        record = pb.LogRecord(rule=pb.LogRule(rule=rule.message(), removed=removed))

        def check() -> None:  # only now are all series there that will go with this record
            record.rule.gone.CopyFrom(gone_with(going()))

        # As with a delete: no flush or merge under way must store what a rule no longer keeps.
        with self._maintenance_lock:
            self._committer.submit(Pending(record, check=check)).result()

    def _described(self, rule: Rule) -> pb.Rule:
        kept = self._state.rulebook.kept_by(rule)
        message = rule.message()
        message.series = len(kept)
        message.stale = sum(series.is_stale for series in kept)
        return message
