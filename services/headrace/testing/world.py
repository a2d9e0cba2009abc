"""An app in memory: commands, events and answers in logs, rules that answer, reactors that react, timers that wait."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import count
from operator import itemgetter
from typing import Any, Final, TypeAlias

from msgspec import Struct, structs

from headrace.handler.admission import Admission
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.errors import Discarded, Fault, KeyParked, Rejected, VersionConflict
from headrace.kernel.message import ACCEPTED, PARKED, REFUSED, Fact, Outcome
from headrace.kernel.reactor import Answered, Reaction, Reactor, Schedule, Unschedule
from headrace.kernel.view import Key, View
from headrace.testing.histories import fold
from headrace.testing.sent import Sent

Name: TypeAlias = tuple[str, str]
"""An aggregate's and one of its ids."""
Log: TypeAlias = tuple[str, str, str]
"""A reactor's, and the name of what it reads."""
Step: TypeAlias = tuple[str, Any]
"""`handle` of a `Name`; `react` or `hear` (an answer) of a `Log`; `fire` of a timer that is due."""

Choose: TypeAlias = Callable[[Sequence[Step]], Step]

NOBODY: Final[Name] = ("", "")
MOST_STEPS: Final = 100_000
ADMISSION: Final = Admission(0, 1, 0)


class World:
    """All of an app that has no servers, and each step that may come next; `now` is the time, in milliseconds.

        world = World(bank)
        for name in ("ann", "bob"):
            world.ask(name, OpenAccount(name, "GBP"))
        world.ask("ann", DepositMoney(1000, "GBP", "wages"))
        world.ask("t-1", RequestTransfer("ann", "bob", 500, "GBP", "ann", "rent"))
        world.settle()
        assert world.state("transfers", "t-1").status == "completed"

    Order is as on topics: what lies under one aggregate id is read in its order, and everything else in any, so that
    `settle(Random(seed).choice)` finds what depends on an order that nobody promises. A command whose id came before is
    answered as it was, without an effect. An exception of the app's code that is no `Rejected` comes out.

    Nothing is encoded: what a handler refuses or parks because a record cannot hold it (a text of a million bytes, a
    number beyond 64 bits) is accepted here. All of a kind lie in one partition.
    """

    def __init__(self, app: App, now: int = 1_000_000) -> None:
        self.app = app
        self.now = now
        self.states: dict[Name, Any] = {}
        self.happened: dict[Name, list[Any]] = {}
        self.facts: list[Fact[Any]] = []
        self.outcomes: list[Outcome] = []
        self.known: dict[str, Outcome] = {}
        self.logs: dict[Name, deque[Sent]] = {}
        self.parked: dict[Name, deque[Sent]] = {}
        self.events: dict[Log, deque[Fact[Any]]] = {}
        self.answers: dict[Log, deque[Answered]] = {}
        self.timers: dict[tuple[str, str, str], tuple[int, Sent]] = {}
        """By reactor, id of the process and name: when each is due, and what it sends."""
        self._ids = count(1)
        self._offsets: Counter[str] = Counter()
        self._broken: dict[Name, Exception] = {}

    def ask(self, aggregate_id: str, command: Struct, expected_version: int | None = None) -> Outcome:
        """Send a command, and have it answered, after what lies before it; what follows from it waits for `settle`."""
        sent = self.send(aggregate_id, command, expected_version)
        while sent.command_id not in self.known:
            self.take(("handle", sent.to))
        return self.known[sent.command_id]

    def send(self, aggregate_id: str, command: Struct, expected_version: int | None = None) -> Sent:
        """Send a command, to be answered when its turn comes."""
        to = (self.app.aggregate_of(command).name, aggregate_id)
        sent = Sent(self._new_id(), to, command, self.now, expected_version)
        self._append(sent)
        return sent

    def settle(self, choose: Choose = itemgetter(0)) -> None:
        """Take steps until none is left, each time one that `choose` picks from those that may come next.

        A timer whose time has come is one of them.
        """
        for _ in range(MOST_STEPS):
            ready = self.ready()
            if not ready:
                return
            self.take(choose(ready))
        raise AssertionError(f"no end after {MOST_STEPS} steps: {self.ready()[:3]} follow from each other")

    def advance(self, milliseconds: int, choose: Choose = itemgetter(0)) -> None:
        """Let time pass: each timer fires when it is due, and all that follows is done before the next one."""
        until = self.now + milliseconds
        self.settle(choose)
        for _ in range(MOST_STEPS):
            due = [(at, key) for key, (at, _) in self.timers.items() if at <= until]
            if not due:
                self.now = until
                return
            self.fire(min(due, key=itemgetter(0))[1])  # of those of one time the one that was set first
            self.settle(choose)
        raise AssertionError(f"no end after {MOST_STEPS} timers: {due[:3]} follow from each other")

    def state(self, aggregate: str, aggregate_id: str) -> Any:
        """An aggregate as it is."""
        return self.states.get((aggregate, aggregate_id), self.app.aggregate(aggregate).initial)

    def history(self, aggregate: str, aggregate_id: str) -> list[Any]:
        """What has happened to an aggregate, oldest first."""
        return list(self.happened.get((aggregate, aggregate_id), ()))

    def rows(self, view: View[Any]) -> dict[Key, Any]:
        """A view's rows, by key."""
        return fold(view, (fact for fact in self.facts if fact.topic.partition(".")[0] in view.sources))

    def ready(self) -> list[Step]:
        """The steps that may come next: a command answered, an event or an answer reacted to, a timer fired."""
        waiting = (("handle", self.logs), ("react", self.events), ("hear", self.answers))
        steps: list[Step] = [(step, name) for step, logs in waiting for name, log in logs.items() if log]
        # Those of one process fire in their order: by time, then as they were set.
        due: dict[tuple[str, str], tuple[int, tuple[str, str, str]]] = {}
        for key, (at, _) in self.timers.items():
            if at <= self.now and at < due.get(key[:2], (at + 1,))[0]:
                due[key[:2]] = at, key
        return steps + [("fire", key) for _, key in due.values()]

    def take(self, step: Step) -> None:
        """Take that step."""
        kind, name = step
        if kind == "handle":
            self._handle(self._arrived(self.logs[name].popleft()))
        elif kind == "fire":
            self.fire(name)
        elif kind == "react":
            reactor, *process = name
            fact = self.events[name].popleft()
            cause = (fact.meta.event_id, fact.meta.correlation_id)
            self._react(self.app.reactor(reactor), fact, (process[0], process[1]), cause)
        else:
            answer = self.answers[name].popleft()
            process_name = (answer.process, answer.process_id)
            cause = (answer.outcome.causation_id, answer.outcome.correlation_id)
            self._react(self.app.reactor(name[0]), answer, process_name, cause)

    def resend(self, name: Name, place: int = 0) -> None:
        """Send the next command of a log once more, to a later place."""
        log = self.logs[name]
        log.insert(1 + place % len(log), log[0])

    def fire(self, key: tuple[str, str, str], *, early_ms: int = 0) -> None:
        """Send what a timer holds, at its time, or a little early by the clock of the broker that takes it."""
        due, sent = self.timers.pop(key)
        self.now = max(self.now, due)
        at = due - early_ms if early_ms else self.now
        self._append(structs.replace(sent, command_id=self._new_id(), at=at))

    def park(self, name: Name, error: Exception | None = None) -> None:
        """Our code breaks on the next command of an aggregate, by that error: it waits, and so do those that follow."""
        self.parked.setdefault(name, deque())
        self._broken.setdefault(name, error or RuntimeError())

    def release(self, name: Name, *, discard: bool = False) -> None:
        """The code is mended: what waits is answered after all. With `discard` an operator gives up all of it."""
        del self._broken[name]
        for sent in self.parked.pop(name):
            if discard:
                self._answer(sent, Discarded())
            else:
                self._decide(sent)

    def replayed(self, name: Name) -> Any:
        """The fold of what happened to an aggregate."""
        rules = self.app.aggregate(name[0])
        return reduce(rules.evolve, self.happened.get(name, ()), rules.initial)

    def _new_id(self) -> str:
        return f"command-{next(self._ids)}"

    def _append(self, sent: Sent) -> None:
        self.logs.setdefault(sent.to, deque()).append(sent)

    def _arrived(self, sent: Sent) -> Sent:
        return structs.replace(sent, offset=self._next_offset(self.app.aggregate(sent.to[0]).command_topic))

    def _next_offset(self, topic: str) -> int:
        self._offsets[topic] += 1
        return self._offsets[topic] - 1

    def _handle(self, sent: Sent) -> None:
        known = self.known.get(sent.command_id)
        if known is not None and not sent.forgotten:
            self._repeat(sent, known)
        elif sent.to in self.parked:
            why = KeyParked() if self.parked[sent.to] else self._broken[sent.to]
            self.parked[sent.to].append(sent)
            self._tell(sent, self._outcome(sent, PARKED, why))
        else:
            self._decide(sent)

    def _decide(self, sent: Sent) -> None:
        rules, version = self.app.aggregate(sent.to[0]), len(self.happened.get(sent.to, ()))
        try:
            if version == 0:
                ADMISSION.refuse_bad_key(sent.to[1].encode(), sent.to[1])
            if sent.expected_version not in (None, version):
                raise VersionConflict
            events = rules.decide(sent.command, self.state(*sent.to), sent.at)
            reduce(rules.evolve, events, self.state(*sent.to))  # a refusal here leaves nothing of the command either
        except Rejected as refusal:
            self._answer(sent, refusal)
            return
        for event in events:
            self._happen(sent, event, rules)
        self._answer(sent, None, len(events))

    def _happen(self, sent: Sent, event: Any, rules: Aggregate[Any, Any, Any]) -> None:
        kind, name = sent.to
        state = self.states[sent.to] = rules.evolve(self.state(kind, name), event)
        happened = self.happened.setdefault(sent.to, [])
        happened.append(event)
        version = len(happened)
        meta = sent.meta(version, self._actor(sent))
        fact = Fact(event, meta, state, rules.event_topic, 0, self._next_offset(rules.event_topic), sent.at)
        self.facts.append(fact)
        for reactor in self.app.reactors:
            if kind in reactor.events:
                self.events.setdefault((reactor.name, kind, name), deque()).append(fact)

    def _repeat(self, sent: Sent, known: Outcome) -> None:
        self.outcomes.append(structs.replace(known, command_offset=sent.offset, occurred_at=sent.at, repeated=True))

    def _answer(self, sent: Sent, refusal: Rejected | None, events: int = 0) -> None:
        self._tell(sent, self._outcome(sent, REFUSED if refusal else ACCEPTED, refusal, events))

    def _tell(self, sent: Sent, outcome: Outcome) -> None:
        self.known[sent.command_id] = outcome
        self.outcomes.append(outcome)
        if sent.reactor and sent.to[0] in self.app.reactor(sent.reactor).answers:
            answer = Answered(outcome, sent.to[0], *sent.process, sent.process_version)
            self.answers.setdefault((sent.reactor, *sent.to), deque()).append(answer)

    def _outcome(self, sent: Sent, result: str, why: Exception | None, events: int = 0) -> Outcome:
        return sent.outcome(result, why, len(self.happened.get(sent.to, ())), events, self._actor(sent))

    def _actor(self, sent: Sent) -> str | None:
        return self.app.reactor(sent.reactor).actor if sent.reactor else None

    def _react(self, reactor: Reactor, seen: Fact[Any] | Answered, process: Name, cause: tuple[str, str]) -> None:
        version = seen.meta.version if isinstance(seen, Fact) else seen.version
        for reaction in reactor.react(seen):
            self._do(reactor, reaction, process, version, cause)

    def _do(self, reactor: Reactor, reaction: Reaction, process: Name, version: int, cause: tuple[str, str]) -> None:
        if isinstance(reaction, Unschedule):
            self.timers.pop((reactor.name, process[1], reaction.name), None)
            return
        send = reaction.send if isinstance(reaction, Schedule) else reaction
        taken = self.app.aggregate(send.aggregate).command_types
        if type(send.command) not in taken or send.aggregate not in reactor.targets(self.app.aggregates):
            raise Fault(
                f"reactor {reactor.name} sends {type(send.command).__name__} to {send.aggregate!r}, which takes no "
                f"such command, or is not among those that the reactor sends to"
            )
        to = (send.aggregate, send.aggregate_id)
        sent = Sent(
            command_id=self._new_id(),
            to=to,
            command=send.command,
            at=self.now,
            reactor=reactor.name,
            process=process,
            process_version=version,
            cause=cause[0],
            correlation=cause[1],
        )
        if isinstance(reaction, Schedule):
            key = (reactor.name, process[1], reaction.name)
            self.timers.pop(key, None)  # set anew, it comes after those that were set before
            self.timers[key] = reaction.due_at, sent
        else:
            self._append(sent)
