"""What clients saw against what lies in the log."""

from pathlib import Path

import pytest

from headrace_load.history import HistoryWriter, Sent
from headrace_load.verify.clients import Clients, acknowledged, order, read_histories, sent_by_somebody
from headrace_load.verify.records import Partition
from headrace_load.verify.report import CannotVerify, Check
from verify.checking import read, small_past
from verify.past import SHIP


@pytest.fixture
def part() -> Partition:
    return read(small_past())


def history_of(part: Partition) -> list[Sent]:
    """What the clients saw that sent all commands of a partition, one after the other."""
    return [
        Sent(c.command_id, "orders", c.aggregate_id, c.offset * 10.0, c.offset * 10.0 + 5, "ok", 0, c.offset)
        for c in part.commands
    ]


def wrong(part: Partition, sent: list[Sent], *, complete: bool = True) -> dict[str, list[str]]:
    clients = Clients(sent, complete)
    checks = {check.__name__: (check, Check("", "")) for check in (acknowledged, sent_by_somebody, order)}
    for function, check in checks.values():
        function(part, clients, check)
    return {name: check.problems for name, (_, check) in checks.items() if check.problems}


def changed(one: Sent, **changes: object) -> Sent:
    return Sent(**{name: getattr(one, name) for name in Sent.__struct_fields__} | changes)


def test_a_history_of_all_that_lies_in_the_log_is_fine(part: Partition) -> None:
    sent = history_of(part)
    assert wrong(part, sent) == {}
    check = Check("", "")
    order(part, Clients(sent, complete=True), check)
    assert check.counted == {"pairs": 6}


def test_a_command_that_was_acknowledged_and_lies_nowhere_is_lost(part: Partition) -> None:
    lost = Sent("c-9", "orders", "o-1", 0, 1, "ok", 0, 1)
    assert wrong(part, [*history_of(part), lost]) == {
        "acknowledged": ["orders.commands[0] offset 1 (o-1) was acknowledged as c-9, and nothing lies there"]
    }


def test_another_command_where_one_was_acknowledged_is_named(part: Partition) -> None:
    sent = history_of(part)
    sent[0] = changed(sent[0], offset=2)
    [problem] = wrong(part, sent)["acknowledged"]
    assert f"offset 2 (o-1) was acknowledged as {sent[0].command_id}, and {sent[1].command_id} lies there" in problem


def test_an_acknowledged_command_without_an_answer_is_named(part: Partition) -> None:
    del part.outcomes[0]
    assert wrong(part, history_of(part))["acknowledged"] == [
        "orders.commands[0] offset 0 (o-1) was acknowledged, and has no answer"
    ]


def test_what_was_deleted_since_is_not_lost(part: Partition) -> None:
    sent = history_of(part)
    part.ends["commands"] = part.ends["commands"]._replace(low=2)
    del part.commands[0]
    assert wrong(part, sent) == {}


def test_a_command_that_nobody_sent_is_named_when_the_history_is_complete(part: Partition) -> None:
    sent = history_of(part)
    unsent = sent.pop(2)
    assert wrong(part, sent, complete=False) == {}
    assert wrong(part, sent) == {
        "sent_by_somebody": [f"orders.commands[0] has command {unsent.command_id} 1 times, clients sent it 0 times"]
    }


def test_nothing_is_counted_as_sent_by_somebody_when_the_history_is_not_complete(part: Partition) -> None:
    check = Check("", "")
    sent_by_somebody(part, Clients(history_of(part), complete=False), check)
    assert not check.looked


@pytest.mark.parametrize(
    ("actor", "cause", "named"),
    [
        ("reactor/watcher", "orders/o-1/1", False),
        ("reactor/watcher", None, True),
        ("reactor/watcher", "c-1", True),
        ("ann", "orders/o-1/1", True),
    ],
    ids=["a reactor's", "because of nothing", "because of a command", "a person's"],
)
def test_a_command_that_a_reactor_sent_because_of_an_event_needs_no_client(
    actor: str, cause: str | None, named: bool
) -> None:
    past = small_past()
    sent = history_of(read(past))
    past.refuse(past.ask("o-2", "ShipOrder", SHIP, actor=actor, causation_id=cause), "NotPaid")
    assert (wrong(read(past), sent).keys() == {"sent_by_somebody"}) == named


def test_what_a_client_does_not_know_the_end_of_may_lie_there_once(part: Partition) -> None:
    sent = history_of(part)
    sent[1] = changed(sent[1], result="info", offset=None, partition=None)
    absent = Sent("c-9", "orders", "o-1", 0, 1, "info")
    assert wrong(part, [*sent, absent]) == {}
    part.commands.append(part.commands[1]._replace(offset=99))
    assert wrong(part, sent).keys() == {"sent_by_somebody"}


def test_what_failed_may_not_lie_there(part: Partition) -> None:
    sent = history_of(part)
    sent[1] = changed(sent[1], result="fail", offset=None, partition=None)
    assert wrong(part, sent).keys() == {"sent_by_somebody"}


def test_a_command_that_lies_before_one_that_was_acknowledged_before_it_was_sent_is_named(part: Partition) -> None:
    sent = history_of(part)
    third = next(n for n, one in enumerate(sent) if one.aggregate_id == "o-1" and n > 0)
    sent[0] = changed(sent[0], start_ms=sent[third].end_ms + 10, end_ms=sent[third].end_ms + 11)
    problems = wrong(part, sent)["order"]
    assert "offset 4 was acknowledged before offset 0 was sent" in problems[0]
    assert "offset 4 led to version 2, offset 0, sent after it was acknowledged, to 1" in problems[1]


def test_commands_that_were_under_way_together_may_lie_in_any_order(part: Partition) -> None:
    sent = history_of(part)
    everything = [changed(one, start_ms=0, end_ms=1000 - (one.offset or 0)) for one in sent]
    assert "order" not in wrong(part, everything)


def test_histories_are_told_apart_by_partition_and_are_complete_if_all_are(tmp_path: Path) -> None:
    told = [Sent("c-1", "orders", "o-1", 0, 1, "ok", 1, 5), Sent("c-2", "orders", "o-1", 0, 1, "info")]
    paths = [tmp_path / "a", tmp_path / "b"]
    for path, complete in zip(paths, (True, False), strict=True):
        with HistoryWriter(path) as writer:
            writer.write(told[not complete])
            if complete:
                writer.complete()
    places = {("orders", number): 3 for number in range(3)}
    found = read_histories(paths, places)
    assert sum(len(clients.sent) for clients in found.values()) == 2
    assert found["orders", 1].sent[0] == told[0]
    assert not found["orders", 1].complete
    assert read_histories(paths[:1], places)["orders", 0] == Clients([], complete=True)
    assert not read_histories(paths[:1], {("accounts", 0): 1})["accounts", 0].complete  # which it does not tell of
    assert read_histories([], places) == {}


def test_a_broken_history_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text("[]\n")
    with pytest.raises(CannotVerify, match=r"history.jsonl line 1: Expected `object`, got `array`"):
        read_histories([path], {})
