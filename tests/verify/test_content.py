"""What commands say against what came of them: by hand for orders, by a bank's past for accounts and transfers."""

import json
from typing import Any, NamedTuple

import pytest
from msgspec import Struct, structs

from headrace.accounts.commands import CloseAccount, OpenAccount, UnfreezeAccount
from headrace.kernel.message import CommandMeta, EventMeta, Writer
from headrace.transfers.commands import RequestTransfer
from headrace_load.verify.content import content
from headrace_load.verify.reading import read_commands, read_events
from headrace_load.verify.records import Ends, Partition, Record
from headrace_load.verify.report import Check
from headrace_load.verify.rows import MODELS
from messages import shipped_codec
from transfers.world import BankWorld
from verify.checking import SCHEMAS, SCHEMAS_FOLDER, log_of, read, small_past, wrong
from verify.past import CREATE, PAY, Past
from verify.test_money import LIMITS, live


@pytest.fixture
def past() -> Past:
    return small_past()


def named(past: Past) -> list[str]:
    return wrong(read(past)).get("content", [])


def test_events_that_say_what_was_asked_for_are_fine_and_are_counted(past: Past) -> None:
    part = read(past)
    assert wrong(part) == {}
    check = Check("", "")
    content(part, check)
    assert check.counted == {"compared": 5}


def test_an_event_with_another_content_than_its_command_is_named(past: Past) -> None:
    asked = past.ask("o-3", "CreateOrder", CREATE)
    past.accept(asked, "OrderCreated", CREATE | {"customer": "somebody else", "total": 1530})
    assert wrong(read(past)).keys() == {"content"}
    [said] = named(past)
    assert said.startswith("orders.events[0] offset 10 (o-3 version 1, a OrderCreated) does not say what")
    assert said.endswith("its CreateOrder asked for: lines, currency, customer, business_date")


def test_a_command_that_is_accepted_without_an_event_is_named(past: Past) -> None:
    past.outcome(past.ask("o-3", "CreateOrder", CREATE), version=0)
    assert wrong(read(past)) == {
        "content": ["orders.commands[0] offset 18 (CreateOrder) was accepted with 0 events, and leads to OrderCreated"]
    }


def test_a_command_that_leads_to_two_events_is_named(past: Past) -> None:
    asked = past.ask("o-2", "CreateOrder", CREATE)
    for _ in range(2):
        past.event(asked, "OrderCreated", CREATE | {"total": 1530})
    past.outcome(asked, version=4, events=2)
    assert named(past) == [
        "orders.commands[0] offset 18 (CreateOrder) was accepted with 2 events, and leads to OrderCreated"
    ]


def test_an_event_of_another_type_than_its_command_leads_to_is_named(past: Past) -> None:
    past.accept(past.ask("o-2", "CreateOrder", CREATE), "OrderPaid", PAY)
    [said] = named(past)
    assert said.endswith("(o-2 version 3, a OrderPaid) comes from a CreateOrder, which leads to OrderCreated")


def test_an_event_of_a_command_of_the_engine_is_named(past: Past) -> None:
    past.accept(past.ask("o-2", "RedriveParked", {}), "OrderPaid", PAY)
    [said] = named(past)
    assert said.endswith("comes from a RedriveParked, which leads to no event that the verifier knows")


def test_an_event_whose_command_is_deleted_is_compared_with_nothing(past: Past) -> None:
    past.accept(past.ask("o-3", "CreateOrder", CREATE), "OrderCreated", CREATE | {"customer": "x", "total": 1530})
    commands = log_of(past).topics["orders.commands", 0]
    del commands[:-1]
    assert len(named(past)) == 1
    commands[:] = [(commands[0][0] + 2, 1, b"k", b"", [])]
    assert named(past) == []


META = EventMeta(1, "x/a/1", "a", 1, "c", 0, "c", "c", None, Writer("w", 0))


class Pair(NamedTuple):
    """A command that was accepted, and the event that it led to."""

    domain: str
    command: Struct
    event: Struct
    state: Any


class Witness(BankWorld):
    """A bank that notes which command led to which event."""

    def __init__(self) -> None:
        super().__init__(LIMITS)
        self.pairs: list[Pair] = []

    def _happen(self, sent: Any, event: Any, rules: Any) -> None:
        super()._happen(sent, event, rules)
        self.pairs.append(Pair(sent.to[0], sent.command, event, self.state(*sent.to)))


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    world = Witness()
    live(world)
    world.send("t-9", RequestTransfer("ann", "bob", 1, "GBP", "ann", "due", world.now + 5_000))
    world.send("eve", UnfreezeAccount())
    world.send("dan", OpenAccount("dan", "GBP"))
    world.send("dan", CloseAccount())
    world.settle()
    return world.pairs


def problems(pair: Pair) -> list[str]:
    """What is said of a partition in which a command and its event are all there is."""
    codec, domain = shipped_codec(), pair.domain
    meta = CommandMeta(command_id="c", aggregate_id="a")
    part = Partition(domain, 0, 1, {"commands": Ends(0, 1, 1)}, leads=MODELS[domain].LEADS_TO)
    read_commands(part, SCHEMAS, [Record(0, 1, b"a", codec.encode(pair.command, meta), None)])
    frame = codec.encode(pair.event, META, pair.state)
    read_events(part, SCHEMAS, [Record(0, 2, b"a", frame, None)], [], lambda *_: None, lambda *_: None)
    assert part.compared == 1
    check = Check("", "")
    content(part, check)
    return check.problems


def other(value: Any) -> Any:
    return value + 1 if isinstance(value, int) else f"{value}x"


def test_events_of_a_bank_say_what_was_asked_for_and_no_field_of_theirs_may_differ(pairs: list[Pair]) -> None:
    seen = set()
    for pair in pairs:
        assert problems(pair) == []
        kind = type(pair.command).__name__
        led = MODELS[pair.domain].LEADS_TO[kind]
        for name in led.called or led.repeats:
            changed = structs.replace(pair.event, **{name: other(getattr(pair.event, name))})
            said = problems(pair._replace(event=changed))
            free = name in led.if_given and getattr(pair.command, name) is None
            assert len(said) == (not free), (pair, name)
        seen.add(kind)
    assert seen == {*MODELS["accounts"].LEADS_TO, *MODELS["transfers"].LEADS_TO}


def test_models_know_what_each_command_of_the_lock_file_leads_to() -> None:
    entries = json.loads((SCHEMAS_FOLDER / "ids.json").read_text())
    for domain, model in MODELS.items():
        names = {
            kind: {e["record"].rpartition(".")[2] for e in entries if (e["domain"], e["kind"]) == (domain, kind)}
            for kind in ("command", "event")
        }
        assert set(model.LEADS_TO) == names["command"]
        assert {name for led in model.LEADS_TO.values() for name in led.to} == names["event"] == set(model.STEPS)
