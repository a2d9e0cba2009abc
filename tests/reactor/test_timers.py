"""The timers of one partition: they fire once, in time, and lose nothing to restarts, aborts and each other."""

from typing import Any

import pytest
from confluent_kafka import murmur2
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from headrace.reactor.messages import DUE, FIRED, KEY, TOPIC, Message
from headrace.reactor.timers import MOST_ENDED, TimerPart
from reactor.reminders import PARTITIONS, messages

PLACE = ("reminders.timers", murmur2(b"o-1", PARTITIONS))


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.ms = 0.0

    def __call__(self) -> float:
        return self.ms


class Log:
    """The partition's records, and the part that reads and writes them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.records: list[tuple[str, bytes | None, list[tuple[str, Any]]]] = []
        self.commands: list[bytes] = []
        self.asked: list[tuple[int, str, bytes | None]] = []
        self.read = 0
        self.part = TimerPart(PLACE, messages, self.clock)

    def set(self, name: str, due_at: int, frame: bytes) -> None:
        headers = [(DUE, str(due_at)), (TOPIC, "orders.commands"), (KEY, "o-1")]
        self.asked.append((len(self.records), name, frame))
        self.write(Message(*PLACE, f"{name}/o-1", frame, headers))

    def take_back(self, name: str) -> None:
        self.asked.append((len(self.records), name, None))
        self.write(Message(*PLACE, f"{name}/o-1", None, []))

    def write(self, message: Message) -> None:
        if message.topic == PLACE[0]:
            assert message.partition == PLACE[1], "another process owns that partition, and does not wait for this"
            as_read = [(key, value.encode()) for key, value in message.headers]
            self.records.append((message.key, message.value, as_read))
        else:
            assert message.value is not None
            self.commands.append(message.value)

    def take(self, most: int = 1_000) -> None:
        for offset in range(self.read, min(self.read + most, len(self.records))):
            key, value, headers = self.records[offset]
            self.part.answer(key.encode(), value, offset, 0, lambda headers=headers: headers)
            self.read = offset + 1

    def fire(self) -> None:
        before = len(self.commands)
        for message in self.part.due():
            self.write(message)
        self.part.commit()
        for frame in self.commands[before:]:
            [(since, name)] = [(offset, name) for offset, name, it in self.asked if it == frame]
            later = [offset for offset, other, _ in self.asked if other == name and offset > since]
            assert not any(offset < self.read for offset in later), "it was set anew or taken back, and that is read"

    def restart(self, *, compacted: bool = False) -> None:
        """Another process reads all that there is, or what compaction has left of it."""
        self.part, self.read = TimerPart(PLACE, messages, self.clock), len(self.records)
        newest = {key: offset for offset, (key, *_) in enumerate(self.records)}
        for offset, (key, value, headers) in enumerate(self.records):
            if not compacted or newest[key] == offset:
                self.part.answer(key.encode(), value, offset, 0, lambda headers=headers: headers)


@pytest.mark.parametrize("name", ["payment", "payment/first", "/"])
def test_a_timer_fires_once_its_time_has_come_and_never_again(name: str) -> None:
    log = Log()
    log.set(name, 1000, b"cancel")
    log.take()
    log.clock.ms = 999
    log.fire()
    assert log.commands == []
    log.clock.ms = 1000
    log.fire()
    log.fire()
    log.take()
    log.fire()
    assert log.commands == [b"cancel"]
    assert log.part.held.timers == 0
    assert log.records[-1] == (f"{name}/o-1", None, [(FIRED, b"0")])
    log.restart()
    log.fire()
    assert log.commands == [b"cancel"]


def test_one_that_is_taken_back_does_not_fire() -> None:
    log = Log()
    log.set("payment", 1000, b"cancel")
    log.take_back("payment")
    log.take()
    log.clock.ms = 2000
    log.fire()
    assert log.commands == []


def test_one_that_is_set_anew_fires_at_its_new_time_alone() -> None:
    log = Log()
    log.set("payment", 1000, b"first")
    log.set("payment", 3000, b"second")
    log.take()
    log.clock.ms = 2000
    log.fire()
    assert log.commands == []
    log.clock.ms = 3000
    log.fire()
    assert log.commands == [b"second"]


def test_an_aborted_transaction_leaves_it_due() -> None:
    log = Log()
    log.set("payment", 1000, b"cancel")
    log.take()
    log.clock.ms = 1000
    assert log.part.due()
    log.part.discard()
    log.fire()
    assert log.commands == [b"cancel"]


def test_another_process_fires_what_is_left_and_nothing_twice() -> None:
    log = Log()
    log.set("one", 1000, b"one")
    log.set("two", 2000, b"two")
    log.take()
    log.clock.ms = 1000
    log.fire()
    log.restart()
    log.clock.ms = 2000
    log.fire()
    assert log.commands == [b"one", b"two"]


def test_one_that_is_set_anew_while_it_fires_is_written_again_so_that_compaction_keeps_it() -> None:
    log = Log()
    log.set("payment", 1000, b"first")
    log.take()
    log.set("payment", 5000, b"second")  # in the log before the tombstone, and not read yet
    log.clock.ms = 1000
    log.fire()
    log.take()
    log.fire()
    log.restart(compacted=True)
    log.clock.ms = 5000
    log.fire()
    assert log.commands == [b"first", b"second"]


def covered() -> Log:
    """A timer that was set anew while the one before it fired; both records are read."""
    log = Log()
    log.set("payment", 0, b"first")
    log.take()
    log.set("payment", 5, b"second")
    log.fire()
    log.take()
    return log


@pytest.mark.parametrize("restarted", [False, True])
def test_one_that_is_written_again_when_it_is_due_fires_once(restarted: bool) -> None:
    log = covered()
    log.clock.ms = 5
    if restarted:
        log.restart()
    for _ in range(3):
        log.fire()
        log.take()
    assert log.commands == [b"first", b"second"]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("frame", [None, b"third"])
def test_what_is_taken_back_or_set_anew_while_it_is_written_again_does_not_come_back(
    frame: bytes | None, restarted: bool
) -> None:
    log = covered()
    if frame is None:
        log.take_back("payment")
    else:
        log.set("payment", 5, frame)
    log.fire()  # the timer is written again, behind what is not read yet
    if restarted:
        log.restart()
    log.take()
    log.fire()
    log.restart(compacted=True)
    log.clock.ms = 9
    log.fire()
    assert log.commands == [b"first", *([frame] if frame else [])]


def test_a_batch_that_is_read_again_takes_nothing_back_that_was_set_since() -> None:
    log = Log()
    log.set("payment", 5, b"first")
    log.take_back("payment")
    log.take()
    log.read = 0  # its transaction was aborted
    log.set("payment", 5, b"second")
    log.take(2)
    log.fire()
    assert len(log.records) == 3
    log.take()
    log.clock.ms = 5
    log.fire()
    assert log.commands == [b"second"]


def test_what_takes_one_back_again_does_not_take_back_what_was_set_meanwhile() -> None:
    log = covered()
    log.take_back("payment")
    log.fire()  # the second is written again, behind what takes it back
    log.take()
    log.set("payment", 9, b"third")
    log.fire()  # it is taken back again, behind the third
    assert log.records[-1] == ("payment/o-1", None, [(FIRED, b"3")])
    log.restart()
    log.fire()
    log.restart(compacted=True)
    log.clock.ms = 9
    log.fire()
    assert log.commands == [b"first", b"third"]


def test_what_was_taken_back_once_more_is_not_taken_back_at_each_takeover() -> None:
    log = covered()
    log.take_back("payment")
    for _ in range(3):
        log.fire()
        log.take()
    written = len(log.records)
    log.restart()
    log.fire()
    assert len(log.records) == written


def test_one_that_was_replaced_does_not_come_back_behind_one_that_has_fired_meanwhile() -> None:
    log = covered()
    log.set("payment", 0, b"third")
    log.fire()  # the second is written again behind the third, which is read and fires before that is read
    log.take(1)
    log.fire()
    log.clock.ms = 9
    for _ in range(4):
        log.take(1)
        log.fire()
    assert log.commands == [b"first", b"third"]
    log.restart(compacted=True)
    assert log.part.held.timers == 0


@pytest.mark.parametrize(
    ("key", "frame", "headers"),
    [
        (b"payment/o-2", b"frame", []),
        (b"payment/o-2", b"frame", [(DUE, b"1.5"), (TOPIC, b"t"), (KEY, b"k")]),
        (b"payment/o-2", b"frame", [(DUE, None), (TOPIC, b"t"), (KEY, b"k")]),
        (b"payment/o-2", b"frame", [(DUE, b"1")]),
        (b"payment/\xff", b"frame", [(DUE, b"1"), (TOPIC, b"t"), (KEY, b"k")]),
        (b"payment/o-2", None, [(FIRED, b"then")]),
        (b"payment/\xff", None, []),
    ],
)
def test_what_is_no_timer_is_logged_and_all_others_go_on(
    key: bytes, frame: bytes | None, headers: list[tuple[str, Any]]
) -> None:
    log = Log()
    with capture_logs() as told:
        log.part.answer(key, frame, 0, 7, lambda: headers)
    [line] = told
    assert (line["log_level"], line["topic"], line["partition"], line["offset"]) == ("error", *PLACE, 0)
    assert "o-2" not in str(line)
    log.records.append(("", b"", []))
    log.set("payment", 0, b"cancel")
    log.take()
    log.fire()
    assert log.commands == [b"cancel"]


def test_what_is_no_timer_takes_the_place_of_the_one_before_it_as_it_does_for_compaction() -> None:
    log = Log()
    log.set("payment", 5, b"cancel")
    log.write(Message(*PLACE, "payment/o-1", b"cancel later", [(DUE, "9.5")]))
    log.take()
    log.clock.ms = 9
    log.fire()
    assert log.commands == []


def test_those_that_are_over_do_not_stay_in_memory_until_they_were_due() -> None:
    log = Log()
    log.set("last", 9, b"last")
    for _ in range(3):
        for number in range(MOST_ENDED):
            log.set(f"{number}", 1_000_000, b"cancel")
            log.take_back(f"{number}")
        log.take(len(log.records))
        assert log.part.held.timers == 1
        assert len(log.part._queue) <= MOST_ENDED + 2
    log.clock.ms = 9
    log.fire()
    assert log.commands == [b"last"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from("ab"), st.integers(0, 20)),
        st.tuples(st.just("take back"), st.sampled_from("ab"), st.just(0)),
        st.tuples(st.sampled_from(["take", "fire", "abort", "restart", "wait"]), st.just(""), st.integers(1, 5)),
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_happens_each_timer_fires_at_most_once_and_the_newest_of_each_name_does(
    steps: list[tuple[str, str, int]],
) -> None:
    log, newest = Log(), dict[str, bytes | None]()
    for number, (step, name, count) in enumerate(steps):
        match step:
            case "set":
                newest[name] = f"{name}{number}".encode()
                log.set(name, int(log.clock.ms) + count, f"{name}{number}".encode())
            case "take back":
                newest[name] = None
                log.take_back(name)
            case "take":
                log.take(count)
            case "fire":
                log.fire()
            case "abort":
                log.part.due()
                log.part.discard()
                log.read = max(0, log.read - count)
            case "restart":
                log.restart()
            case "wait":
                log.clock.ms += count
    log.clock.ms += 100
    for _ in range(3):
        log.take()
        log.fire()
    assert len(log.commands) == len(set(log.commands))
    assert {frame for frame in newest.values() if frame} <= set(log.commands)
    log.restart(compacted=True)
    assert log.part.held.timers == 0
