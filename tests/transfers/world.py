"""A bank in memory: logs of commands, events and outcomes, rules that answer, a process that reacts.

Order is as on topics: what lies under one aggregate id is read in its order, and everything else in any. A command
whose id the handler still knows is answered as it was; one that was accepted may also come again when its id is
forgotten, before what follows it.
"""

from collections import Counter, deque
from functools import reduce
from itertools import count
from typing import Any

from msgspec import Struct

from headrace.accounts.account import Account
from headrace.accounts.decider import accounts_with
from headrace.accounts.events import MoneyDeposited, MoneyWithdrawn
from headrace.accounts.limits import Limits
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.errors import Discarded, KeyParked, Rejected
from headrace.kernel.message import ACCEPTED, PARKED, REFUSED, EventMeta, Fact, Outcome, Writer
from headrace.kernel.reactor import Answered, Schedule, Send, Unschedule
from headrace.transfers.decider import transfers_with
from headrace.transfers.events import TransferFailed
from headrace.transfers.process import react
from headrace.transfers.transfer import Transfer

Name = tuple[str, str]
"""An aggregate's and one of its ids."""
NOBODY: Name = ("", "")


class Sent(Struct, frozen=True):
    """A command as it lies in its log; `process` is the aggregate that it follows from, or nobody's."""

    command_id: int
    to: Name
    command: Any
    at: int
    process: Name = NOBODY
    cause: str = ""
    forgotten: bool = False

    @property
    def transfer_id(self) -> str:
        return str(getattr(self.command, "transfer_id", self.to[1]))


class World:
    """Everything that there is, and each step that may come next."""

    def __init__(self, limits: Limits) -> None:
        self.rules: dict[str, Aggregate[Any, Any, Any]] = {
            "accounts": accounts_with(limits),
            "transfers": transfers_with(limits),
        }
        self.now = 1_000_000
        self.states: dict[Name, Any] = {}
        self.happened: dict[Name, list[Any]] = {}
        self.logs: dict[Name, deque[Sent]] = {}
        self.parked: dict[Name, deque[Sent]] = {}
        self.events: dict[Name, deque[Fact[Any]]] = {}
        self.answers: dict[Name, deque[Answered]] = {}
        self.timers: dict[tuple[str, str], tuple[int, Sent]] = {}
        self.facts: list[Fact[Any]] = []
        self.known: dict[int, Outcome] = {}
        self.refused: Counter[str] = Counter()
        self.ids = count()

    @property
    def accounts(self) -> dict[str, Account]:
        return {name: state for (kind, name), state in self.states.items() if kind == "accounts"}

    @property
    def transfers(self) -> dict[str, Transfer]:
        return {name: state for (kind, name), state in self.states.items() if kind == "transfers"}

    @property
    def brought(self) -> int:
        """What came from outside, less what went there."""
        events = [event for happened in self.happened.values() for event in happened]
        return sum(event.amount for event in events if isinstance(event, MoneyDeposited)) - sum(
            event.amount for event in events if isinstance(event, MoneyWithdrawn)
        )

    @property
    def there(self) -> int:
        """Balances and holds, less what is credited and still held."""
        accounts = self.accounts.values()
        held = {transfer_id: hold.amount for account in accounts for transfer_id, hold in account.holds.items()}
        credited = [transfer_id for account in accounts for transfer_id in account.credits]
        return sum(account.balance + account.held for account in accounts) - sum(
            held.get(transfer_id, 0) for transfer_id in credited
        )

    def ask(self, aggregate: str, name: str, command: Any) -> None:
        """A person's command."""
        self._append(Sent(next(self.ids), (aggregate, name), command, self.now))

    def ready(self) -> list[tuple[str, Name]]:
        """The steps that can be taken: a command handled, an event or an answer reacted to."""
        kinds = (("handle", self.logs), ("react", self.events), ("hear", self.answers))
        return [(step, name) for step, found in kinds for name, log in found.items() if log]  # type: ignore[attr-defined]

    def take(self, step: str, name: Name) -> None:
        """Take that step."""
        if step == "handle":
            self._handle(self.logs[name].popleft())
        elif step == "react":
            self._react(self.events[name].popleft(), name)
        else:
            self._react(self.answers[name].popleft(), name)

    def resend(self, name: Name, place: int) -> None:
        """Send the next command of a log once more, to a later place."""
        log = self.logs[name]
        log.insert(1 + place % len(log), log[0])

    def fire(self, key: tuple[str, str], *, early: bool) -> None:
        """Send what a timer holds: at its time, or a little before it by the clock of the broker that takes it."""
        due, sent = self.timers.pop(key)
        self.now = max(self.now, due)
        at = due - 1 if early else self.now
        self._append(Sent(next(self.ids), sent.to, sent.command, at, sent.process, sent.cause))

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

    def _append(self, sent: Sent) -> None:
        self.logs.setdefault(sent.to, deque()).append(sent)

    def _handle(self, sent: Sent) -> None:
        known = self.known.get(sent.command_id)
        if known is not None and not sent.forgotten:
            self._hear(sent, known)
        elif sent.to in self.parked:
            self.parked[sent.to].append(sent)
            waits = self.known[sent.command_id] = self._outcome(sent, PARKED, KeyParked(), 0)
            self._hear(sent, waits)
        else:
            self._decide(sent)

    def _decide(self, sent: Sent) -> None:
        rules, state = self.rules[sent.to[0]], self._state(sent.to)
        try:
            events = rules.decide(sent.command, state, sent.at)
        except Rejected as refusal:
            self._answer(sent, refusal)
            return
        assert len(events) <= 1
        assert not (sent.forgotten and events), f"{sent} counted twice"
        for event in events:
            self._happen(sent, event)
        self._answer(sent, None, len(events))

    def _happen(self, sent: Sent, event: Any) -> None:
        kind, name = sent.to
        state = self.states[sent.to] = self.rules[kind].evolve(self._state(sent.to), event)
        happened = self.happened.setdefault(sent.to, [])
        happened.append(event)
        version = len(happened)
        event_id, cause = f"{kind}/{name}/{version}", sent.cause or str(sent.command_id)
        meta = EventMeta(version, event_id, name, sent.at, str(sent.command_id), 0, "", cause, None, Writer("w", 0))
        fact = Fact(event, meta, state, self.rules[kind].event_topic, 0, version, sent.at)
        self.facts.append(fact)
        self.events.setdefault(sent.to, deque()).append(fact)
        if isinstance(event, TransferFailed):
            assert all(name not in account.holds for account in self.accounts.values()), "failed, and money is held"

    def _answer(self, sent: Sent, refusal: Rejected | None, events: int = 0) -> None:
        if refusal is not None:
            self.refused[refusal.code] += 1
        outcome = self._outcome(sent, REFUSED if refusal else ACCEPTED, refusal, events)
        self.known[sent.command_id] = outcome
        self._hear(sent, outcome)

    def _outcome(self, sent: Sent, result: str, refusal: Rejected | None, events: int) -> Outcome:
        return Outcome(
            command_id=str(sent.command_id),
            occurred_at=sent.at,
            aggregate_id=sent.to[1],
            command_type=type(sent.command).__name__,
            command_offset=0,
            body_hash=b"",
            result=result,
            code=refusal and refusal.code,
            message=refusal and refusal.message,
            version=len(self.happened.get(sent.to, ())),
            events=events,
            correlation_id="",
            causation_id=sent.cause or str(sent.command_id),
        )

    def _hear(self, sent: Sent, outcome: Outcome) -> None:
        if sent.process != NOBODY:
            told = Answered(outcome, sent.to[0], *sent.process, 1)
            self.answers.setdefault(sent.to, deque()).append(told)

    def _react(self, seen: Fact[Any] | Answered, source: Name) -> None:
        process, cause = (
            (source, seen.meta.event_id)
            if isinstance(seen, Fact)
            else ((seen.process, seen.process_id), seen.outcome.causation_id)
        )
        for reaction in react(seen):
            match reaction:
                case Send(aggregate, name, command):
                    self._append(Sent(next(self.ids), (aggregate, name), command, self.now, process, cause))
                case Schedule(timer, due, send):
                    to = (send.aggregate, send.aggregate_id)
                    self.timers[process[1], timer] = due, Sent(-1, to, send.command, due, process, cause)
                case Unschedule(timer):
                    self.timers.pop((process[1], timer), None)

    def _state(self, name: Name) -> Any:
        return self.states.get(name, self.rules[name[0]].initial)

    def replayed(self, name: Name) -> Any:
        """The fold of what happened."""
        return reduce(self.rules[name[0]].evolve, self.happened[name], self.rules[name[0]].initial)
