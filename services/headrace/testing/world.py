"""An app in memory: commands, events and answers in logs, rules that answer, reactors that react, timers that wait."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import count
from operator import itemgetter
from typing import Any, Final, TypeAlias

from msgspec import Struct, structs

from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.errors import Discarded, Fault, KeyParked, Rejected, VersionConflict
from headrace.kernel.message import ACCEPTED, PARKED, REFUSED, EventMeta, Fact, Outcome, Writer
from headrace.kernel.reactor import Answered, Reaction, Reactor, Schedule, Unschedule
from headrace.kernel.view import Key, View
from headrace.testing.histories import fold

Name: TypeAlias = tuple[str, str]
"""An aggregate's and one of its ids."""
Log: TypeAlias = tuple[str, str, str]
"""A reactor's, and the name of what it reads."""
Step: TypeAlias = tuple[str, Any]
"""`handle` of a `Name`; `react` or `hear` (an answer) of a `Log`."""

Choose: TypeAlias = Callable[[Sequence[Step]], Step]

NOBODY: Final[Name] = ("", "")
MOST_STEPS: Final = 100_000


class Sent(Struct, frozen=True):
    """A command as it lies in its log; `process` is the aggregate that it follows from, or nobody's.

    `forgotten` is one that came before, so long ago that nothing but the aggregate's state can tell.
    """

    command_id: str
    to: Name
    command: Any
    at: int
    expected_version: int | None = None
    reactor: str = ""
    process: Name = NOBODY
    process_version: int = 0
    cause: str = ""
    forgotten: bool = False


class World:
    """All of an app that has no servers, and each step that may come next; `now` is the time, in milliseconds.

        world = World(bank)
        world.ask("t-1", RequestTransfer("ann", "bob", 500, "GBP", "ann", "rent"))
        world.settle()
        assert world.state("transfers", "t-1").status == "completed"

    Order is as on topics: what lies under one aggregate id is read in its order, and everything else in any, so that
    `settle(Random(seed).choice)` finds what depends on an order that nobody promises. A command whose id came before is
    answered as it was, without an effect. An exception of the app's code that is no `Rejected` comes out.
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
        """Take steps until none is left, each time one that `choose` picks from those that may come next."""
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
        while due := [(at, key) for key, (at, _) in self.timers.items() if at <= until]:
            self.fire(min(due)[1])
            self.settle(choose)
        self.now = until

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
        """The steps that may come next: a command answered, an event or an answer reacted to."""
        waiting = (("handle", self.logs), ("react", self.events), ("hear", self.answers))
        return [(step, name) for step, logs in waiting for name, log in logs.items() if log]

    def take(self, step: Step) -> None:
        """Take that step."""
        kind, name = step
        if kind == "handle":
            self._handle(self.logs[name].popleft())
        elif kind == "react":
            reactor, *process = name
            fact = self.events[name].popleft()
            self._react(self.app.reactor(reactor), fact, (process[0], process[1]), fact.meta.event_id)
        else:
            answer = self.answers[name].popleft()
            process_name = (answer.process, answer.process_id)
            self._react(self.app.reactor(name[0]), answer, process_name, answer.outcome.causation_id)

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

    def park(self, name: Name) -> None:
        """Our code breaks on the next command of an aggregate: it waits, and so do those that follow."""
        self.parked.setdefault(name, deque())

    def release(self, name: Name, *, discard: bool = False) -> None:
        """The code is mended, or an operator gives the oldest command up: what waits is answered after all."""
        waiting = self.parked.pop(name)
        if discard and waiting:
            self._answer(waiting.popleft(), Discarded())
        for sent in waiting:
            self._decide(sent)

    def replayed(self, name: Name) -> Any:
        """The fold of what happened to an aggregate."""
        rules = self.app.aggregate(name[0])
        return reduce(rules.evolve, self.happened[name], rules.initial)

    def _new_id(self) -> str:
        return f"command-{next(self._ids)}"

    def _append(self, sent: Sent) -> None:
        self.logs.setdefault(sent.to, deque()).append(sent)

    def _handle(self, sent: Sent) -> None:
        known = self.known.get(sent.command_id)
        if known is not None and not sent.forgotten:
            self._repeat(sent, known)
        elif sent.to in self.parked:
            self.parked[sent.to].append(sent)
            self._tell(sent, self._outcome(sent, PARKED, KeyParked()))
        else:
            self._decide(sent)

    def _decide(self, sent: Sent) -> None:
        rules, version = self.app.aggregate(sent.to[0]), len(self.happened.get(sent.to, ()))
        try:
            if sent.expected_version not in (None, version):
                raise VersionConflict
            events = rules.decide(sent.command, self.state(*sent.to), sent.at)
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
        cause, actor = sent.cause or sent.command_id, self._actor(sent)
        meta = EventMeta(
            version, f"{kind}/{name}/{version}", name, sent.at, sent.command_id, 0, cause, cause, actor, Writer("w", 0)
        )
        fact = Fact(event, meta, state, rules.event_topic, 0, version, sent.at)
        self.facts.append(fact)
        for reactor in self.app.reactors:
            if kind in reactor.events:
                self.events.setdefault((reactor.name, kind, name), deque()).append(fact)

    def _repeat(self, _sent: Sent, known: Outcome) -> None:
        self.outcomes.append(structs.replace(known, repeated=True))

    def _answer(self, sent: Sent, refusal: Rejected | None, events: int = 0) -> None:
        self._tell(sent, self._outcome(sent, REFUSED if refusal else ACCEPTED, refusal, events))

    def _tell(self, sent: Sent, outcome: Outcome) -> None:
        self.known[sent.command_id] = outcome
        self.outcomes.append(outcome)
        if sent.reactor and sent.to[0] in self.app.reactor(sent.reactor).answers:
            answer = Answered(outcome, sent.to[0], *sent.process, sent.process_version)
            self.answers.setdefault((sent.reactor, *sent.to), deque()).append(answer)

    def _outcome(self, sent: Sent, result: str, refusal: Rejected | None, events: int = 0) -> Outcome:
        cause = sent.cause or sent.command_id
        return Outcome(
            command_id=sent.command_id,
            occurred_at=sent.at,
            aggregate_id=sent.to[1],
            command_type=type(sent.command).__name__,
            command_offset=0,
            body_hash=b"",
            result=result,
            code=refusal.code if refusal else None,
            message=refusal.message if refusal else None,
            version=len(self.happened.get(sent.to, ())),
            events=events,
            actor=self._actor(sent),
            correlation_id=cause,
            causation_id=cause,
        )

    def _actor(self, sent: Sent) -> str | None:
        return self.app.reactor(sent.reactor).actor if sent.reactor else None

    def _react(self, reactor: Reactor, seen: Fact[Any] | Answered, process: Name, cause: str) -> None:
        version = seen.meta.version if isinstance(seen, Fact) else seen.version
        for reaction in reactor.react(seen):
            self._do(reactor, reaction, process, version, cause)

    def _do(self, reactor: Reactor, reaction: Reaction, process: Name, version: int, cause: str) -> None:
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
        sent = Sent(self._new_id(), to, send.command, self.now, None, reactor.name, process, version, cause)
        if isinstance(reaction, Schedule):
            self.timers[reactor.name, process[1], reaction.name] = reaction.due_at, sent
        else:
            self._append(sent)
