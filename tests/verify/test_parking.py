"""Damage to what was parked, and which check names it."""

from typing import Any

import pytest

from headrace_load.verify.records import Ends, Partition
from verify.checking import log_of, read, small_past, wrong
from verify.past import CANCELLED, CREATE, PAY, SHIP, Asked, Past

GARBAGE, FIRST, SECOND, OTHER, MARK = range(5)


class Story:
    """o-3 is created and parked, with two commands; o-4 too, with one. o-3 is redriven, o-4 waits."""

    def __init__(self) -> None:
        self.past = small_past()
        self.created = self.past.ask("o-3", "CreateOrder", CREATE)
        self.past.accept(self.created, "OrderCreated", CREATE | {"total": 1530})
        self.pay, self.ship = self.past.ask("o-3", "PayOrder", PAY), self.past.ask("o-3", "ShipOrder", SHIP)
        self.past.park(self.pay)
        self.past.park(self.ship, "KeyParked")
        self.waiting = self.past.ask("o-4", "CreateOrder", CREATE)
        self.past.park(self.waiting)
        self.early = self.past.ask("o-3", "PayOrder", PAY, command_id=self.pay.command_id)
        self.past.outcome(self.early, result="parked", code="KeyError", message="why", repeated=True)
        self.past.accept(self.past.ask("o-5", "CreateOrder", CREATE), "OrderCreated", CREATE | {"total": 1530})
        redrive = self.past.ask("o-3", "RedriveParked", {})
        self.answer(redrive)
        late = self.past.ask("o-3", "PayOrder", PAY, command_id=self.pay.command_id)
        self.past.outcome(late, version=2, events=1, repeated=True)

    def answer(self, redrive: Asked) -> None:
        self.past.accept(self.pay, "OrderPaid", PAY)
        self.past.accept(self.ship, "OrderShipped", SHIP)
        self.past.release(redrive, self.ship)


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def part(story: Story) -> Partition:
    return read(story.past)


def outcomes_of(part: Partition, asked: Asked) -> list[int]:
    return [number for number, it in enumerate(part.outcomes) if it.command_offset == asked.offset]


def test_commands_that_were_parked_and_redriven_and_others_that_wait_are_fine(part: Partition) -> None:
    assert wrong(part) == {}
    assert [parked.kind for parked in part.parked] == ["alone", "key", "key", "key", "released"]


def test_a_redriven_command_without_its_final_outcome_is_named(part: Partition, story: Story) -> None:
    del part.outcomes[outcomes_of(part, story.ship)[1]]
    found = wrong(part)
    assert "has 1 outcomes instead of 2" in found["answers"][0]
    assert "by the outcomes" in found["parking"][0]


def test_a_command_that_waits_and_has_a_final_outcome_is_named(part: Partition, story: Story) -> None:
    [number] = outcomes_of(part, story.waiting)
    part.outcomes.append(part.outcomes[number]._replace(result="refused", code="NotPaid", offset=99))
    found = wrong(part)
    assert "has 2 outcomes instead of 1" in found["answers"][0]
    assert found["parking"] == [
        f"orders.parked[0] keeps command offsets [{story.waiting.offset}] of o-4, by the outcomes [] wait"
    ]


def test_a_parked_command_whose_first_outcome_is_another_is_named(part: Partition, story: Story) -> None:
    number = outcomes_of(part, story.waiting)[0]
    part.outcomes[number] = part.outcomes[number]._replace(result="refused")
    assert "is parked, and its first outcome is refused" in wrong(part)["answers"][0]


def test_an_outcome_that_says_parked_where_nothing_is_kept_is_named(part: Partition) -> None:
    del part.parked[OTHER]
    found = wrong(part)
    assert "is answered as parked, and is not" in found["answers"][0]
    assert "keeps command offsets [] of o-4" in found["parking"][0]


def test_a_command_that_is_parked_twice_is_named(part: Partition) -> None:
    part.parked.append(part.parked[OTHER]._replace(offset=99))
    found = wrong(part)
    assert "has 2 parked records instead of 1" in found["answers"][0]
    assert "waits behind" in found["parking"][0]


@pytest.mark.parametrize(
    "changes", [{"content": 1}, {"log_time": 1}, {"partition": 5}, {"topic": "x"}, {"aggregate_id": "o-9"}], ids=str
)
def test_a_parked_command_that_is_not_what_was_sent_is_named(part: Partition, changes: dict[str, Any]) -> None:
    part.parked[OTHER] = part.parked[OTHER]._replace(**changes)
    assert "is not the record that it says it is" in wrong(part)["answers"][0]


def test_a_command_that_waits_and_has_an_effect_is_named(story: Story) -> None:
    story.past.event(story.waiting, "OrderCreated", CREATE | {"total": 1530})
    found = wrong(read(story.past))
    assert "it was parked with 0 events, the log has 1" in found["effects"][0]
    assert f"while {story.waiting.offset} waits" in found["parking"][0]


def test_a_later_command_that_passes_one_that_waits_is_named(story: Story) -> None:
    story.past.accept(story.past.ask("o-4", "CreateOrder", CREATE), "OrderCreated", CREATE | {"total": 1530})
    answered, applied = wrong(read(story.past))["parking"]
    assert f"is accepted, while command offset {story.waiting.offset} waits before it" in answered
    assert f"while {story.waiting.offset} waits" in applied


def test_a_redrive_in_another_order_is_named() -> None:
    class Turned(Story):
        def answer(self, redrive: Asked) -> None:
            self.past.accept(self.ship, "OrderShipped", SHIP)
            self.past.accept(self.pay, "OrderPaid", PAY)
            self.past.release(redrive, self.ship)

    found = wrong(read(Turned().past))["parking"]
    assert "waits before it" in found[0]
    assert "the one before it from" in found[1]


def test_a_command_that_was_never_parked_and_falls_behind_is_named(story: Story) -> None:
    late = story.past.ask("o-6", "CreateOrder", CREATE)
    story.past.accept(story.past.ask("o-7", "CreateOrder", CREATE), "OrderCreated", CREATE | {"total": 1530})
    story.past.accept(late, "OrderCreated", CREATE | {"total": 1530})
    assert "its command offset is" in wrong(read(story.past))["facts"][0]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"through": 3}, "releases o-3 through 3, where"),
        ({"aggregate_id": "o-1"}, "releases o-1 through"),
        ({"origin": 0}, "is no answer to command offset 0, as it says"),
        ({"log_time": 3}, "is no answer to command offset"),
        ({"kind": "lost"}, "is parked as 'lost'"),
    ],
    ids=str,
)
def test_a_mark_that_is_not_true_is_named(part: Partition, changes: dict[str, Any], problem: str) -> None:
    part.parked[MARK] = part.parked[MARK]._replace(**changes)
    assert any(problem in found for found in wrong(part)["parking"])


@pytest.mark.parametrize("early", [True, False])
def test_a_resend_that_is_answered_with_the_wrong_one_of_two_outcomes_is_named(
    story: Story, part: Partition, *, early: bool
) -> None:
    number = outcomes_of(part, story.early)[0] if early else len(part.outcomes) - 1
    other = outcomes_of(part, story.pay)[1 if early else 0]
    changes = {name: getattr(part.outcomes[other], name) for name in ("result", "code", "message", "version", "events")}
    part.outcomes[number] = part.outcomes[number]._replace(**changes)
    assert ", the first time (" in wrong(part)["resends"][0]


def test_a_discard_of_what_was_not_parked_is_named(story: Story) -> None:
    story.past.refuse(story.past.ask("o-5", "PayOrder", PAY), "Discarded")
    assert "is discarded, and was not parked" in wrong(read(story.past))["parking"][0]


def test_what_retention_has_deleted_of_a_parked_command_s_answers_is_not_missed(story: Story, part: Partition) -> None:
    until = outcomes_of(part, story.waiting)[0] + 1
    part.ends["outcomes"] = Ends(part.outcomes[until].offset, 99, 99)
    del part.outcomes[:until]
    assert wrong(part) == {}


def test_a_redrive_that_fails_again_sees_an_older_version(story: Story) -> None:
    redrive = story.past.ask("o-4", "RedriveParked", {})
    story.past.outcome(redrive, result="refused", code="StillFailing", message="why", version=0)
    again = story.past.ask("o-4", "RedriveParked", {})
    story.past.accept(story.waiting, "OrderCreated", CREATE | {"total": 1530})
    story.past.release(again, story.waiting)
    cancel = story.past.ask("o-4", "CancelOrder", {"reason": "late"})
    story.past.accept(cancel, "OrderCancelled", CANCELLED)
    assert wrong(read(story.past)) == {}
    assert isinstance(story.past, Past)
    assert log_of(story.past).topics["orders.parked", 0]
