"""The short way to an answer is the long one: whatever comes, the same bytes, the same counts, the same memory."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct, structs

from handler.bells import (
    Bell,
    Engrave,
    Rang,
    Ring,
    Smash,
    Touch,
    YoungBell,
    bell_codec,
    bells,
    codecs_of_two_versions,
)
from handler.desk import SPAN_MS, START, WRITER, Desk, bell_desk, command_id
from headrace.avro.codec import MAX_META_BYTES, MAX_RECORD_BYTES, PREFIX_LENGTH, Codec
from headrace.avro.functions import COMPILED, PYTHON
from headrace.handler import partition
from headrace.handler.memory import Versioned
from headrace.handler.replies import MAX_EVENT_BYTES, Answer
from headrace.handler.shortcut import META, no_shortcut, shortcut
from headrace.handler.window import SKEW_MS
from headrace.kernel.message import CommandMeta, EventMeta

ID = command_id(1)
IDS = [ID, *map(command_id, range(2, 6)), ID.upper(), "", "no-uuid", ID[:-1], ID + "0", ID.replace("-", "0")]
IDS += [character + ID[1:] for character in "09afAFgG/:@`-"] + [ID[:8] + "0" + ID[9:], "ä" + ID[1:], "\0" + ID[1:]]
NAMES = ["a", "b", "ä", "", "n\0l", "x" * 200, "x" * 201, "€" * 200]
TEXTS = [None, "", "ann", "änn", "a\0n", "x" * 200, "x" * 201, "x" * 300, "x" * 301]
KEYS = ["its own", None, b"", b"a", b"b", b"\xff"]
SINCE = [None, 0, -SKEW_MS, -SKEW_MS - 1, SPAN_MS - SKEW_MS, SPAN_MS - SKEW_MS + 1]
VERSIONS = [None, -1, 0, 1, 2, 2**63 - 1]
BODIES: list[Any] = [
    *(Ring(times) for times in (1, 0, 2, 9, 10)),
    *(Engrave(length, times) for length in (0, 1, 5_000, MAX_EVENT_BYTES // 2, MAX_EVENT_BYTES) for times in (0, 1, 2)),
    Touch(),
    *map(Smash, ("decide", "evolve", "number", "lip", "waist", "clapper")),
]
ENDS = [b"", b"\0", b"whatever"]


class Sent(Struct, frozen=True):
    """A record of a command that was issued so many ms ago, its last bytes cut off or more behind them."""

    body: Any = BODIES[0]
    command_id: str = ID
    name: str = "a"
    key: bytes | str | None = "its own"
    since: int | None = None
    expected_version: int | None = None
    actor: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    cut: int = 0
    more: bytes = b""

    def record(self, at: int) -> tuple[bytes | None, bytes]:
        """Key and value, to be appended at that time."""
        meta = CommandMeta(
            command_id=self.command_id,
            aggregate_id=self.name,
            expected_version=self.expected_version,
            issued_at=None if self.since is None else at - self.since,
            actor=self.actor,
            correlation_id=self.correlation_id,
            causation_id=self.causation_id,
        )
        value = bell_codec().encode(self.body, meta)
        key = self.name.encode() if isinstance(self.key, str) else self.key
        return key, value[: len(value) - self.cut] + self.more


CHOICES: dict[str, list[Any]] = {
    "body": BODIES,
    "command_id": IDS,
    "name": NAMES,
    "key": KEYS,
    "since": SINCE,
    "expected_version": VERSIONS,
    "actor": TEXTS,
    "correlation_id": TEXTS,
    "causation_id": TEXTS,
    "cut": [0, 1, 5, 9, 30],
    "more": ENDS,
}
ODD = [Sent(**{field: value}) for field, values in CHOICES.items() for value in values]
"""Each of them odd in one thing at most."""
SENT = st.sampled_from(ODD) | st.builds(Sent, **{field: st.sampled_from(values) for field, values in CHOICES.items()})


def told(answer: Answer) -> tuple[Any, ...]:
    """An answer, with what its errors say in the place of them."""
    bare = structs.replace(answer, set_aside=None, parked=None)
    return bare, repr(answer.set_aside), repr(answer.parked)


def two_desks(newest: bytes | None = None, codec: Codec | None = None) -> tuple[Desk, Desk]:
    """One that takes the short way where it can, and one that never does; `newest` is what they know of "a"."""
    with pytest.MonkeyPatch.context() as patch:
        desks = [Desk(bells, codec or bell_codec()) for _ in range(2)]
        for desk, way in zip(desks, (shortcut, lambda *_: no_shortcut), strict=True):
            patch.setattr(partition, "shortcut", way)
            desk.partition.restore({} if newest is None else {"a": newest})
    return desks[0], desks[1]


def put(desks: tuple[Desk, Desk], sent: Sent) -> None:
    """Hand it in at both, and compare what they say and how they stand."""
    short, long = desks
    hand_in(desks, *sent.record(short.at + 1))
    assert short.partition._version(sent.name) == long.partition._version(sent.name)


def hand_in(desks: tuple[Desk, Desk], key: bytes | None, value: bytes) -> None:
    """The same for a record that may be none."""
    short, long = desks
    assert told(short.put(key, value)) == told(long.put(key, value))
    assert short.partition._replies.told == long.partition._replies.told
    assert short.partition.log_time == long.partition.log_time


def remembered(desk: Desk) -> dict[str, Versioned]:
    """The aggregates, whatever form they are kept in."""
    return {name: desk.partition._touch(name) for name in desk.partition._memory.aggregates}


def end(desks: tuple[Desk, Desk], how: str) -> None:
    for desk in desks:
        desk.commit() if how == "commit" else desk.discard()


def compare(desks: tuple[Desk, Desk]) -> None:
    """All that is left of what was committed."""
    short, long = desks
    assert (short.events, short.outcomes, short.parked == []) == (long.events, long.outcomes, long.parked == [])
    assert short.partition.held == long.partition.held
    assert remembered(short) == remembered(long)
    assert short.partition._memory.window.generations == long.partition._memory.window.generations


@pytest.mark.parametrize("version", [0, 1])
def test_one_odd_thing_is_answered_alike_both_ways(version: int) -> None:
    for odd in ODD:
        desks = two_desks()
        if version:
            put(desks, Sent(command_id=command_id(99), name=odd.name))
            end(desks, "commit")
        put(desks, odd)
        end(desks, "commit")
        compare(desks)


@given(st.lists(st.tuples(SENT, st.sampled_from(["", "", "commit", "discard"])), max_size=30))
def test_whatever_comes_is_answered_alike_both_ways(coming: list[tuple[Sent, str]]) -> None:
    desks = two_desks()
    for sent, then in coming:
        put(desks, sent)
        if then:
            end(desks, then)
    end(desks, "commit")
    compare(desks)


@given(SENT, st.integers(PREFIX_LENGTH, 250), st.binary(max_size=3))
def test_a_damaged_command_is_answered_alike_both_ways(sent: Sent, place: int, instead: bytes) -> None:
    key, value = sent.record(START)
    put_as_it_is(key, value[:place] + instead + value[place + 1 :])


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b"H" + ID.encode(), b"\xc8\x00" + ID.encode()),  # a length in a byte more than it takes
        (b"\x02a", b"\x82\x00a"),
        (b"\x02a", b"\x82\x80\x00a"),
        (b"\x02a", b"\x03a"),  # less than none
        (b"\x02\x06ann", b"\x02\x86\x00ann"),
        (b"\x02\x06ann", b"\x82\x00\x06ann"),
        (b"\x02\x06ann", b"\x01\x06ann"),
        (b"\x02\x06ann", b"\x04\x06ann"),
        (b"\x02\x06ann", b"\x80\x00"),
        (b"ann\x00", b"ann\x04"),  # neither null nor a text
        (b"\x02\x0a", b"\x02\x8a\x00"),  # the version that is expected
        (b"\x02\x0a", b"\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        (b"\x02\x0a", b"\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
    ],
)
def test_what_is_written_as_nobody_writes_it_is_answered_alike_both_ways(written: bytes, instead: bytes) -> None:
    key, value = Sent(actor="ann", expected_version=5).record(START)
    assert value.count(written) == 1
    put_as_it_is(key, value.replace(written, instead))


def put_as_it_is(key: bytes | None, value: bytes) -> None:
    desks = two_desks(newest_event(bell_codec(), version=5))
    hand_in(desks, key, value)
    end(desks, "commit")
    compare(desks)


@given(st.integers(PREFIX_LENGTH, 250), st.binary(max_size=10))
@example(PREFIX_LENGTH, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")  # the smallest number there is
@example(PREFIX_LENGTH, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01")  # the largest
def test_an_aggregate_whose_newest_event_is_damaged_is_answered_alike_both_ways(place: int, instead: bytes) -> None:
    frame = newest_event(bell_codec())
    desks = two_desks(frame[:place] + instead + frame[place + 1 :])
    hand_in(desks, *Sent().record(START))
    end(desks, "commit")
    assert [len(desk.outcomes) for desk in desks] == [1, 1]


@pytest.mark.parametrize("more", [{"actor": "x" * (MAX_META_BYTES + 1)}, {"state": Bell(3, "x" * MAX_RECORD_BYTES)}])
def test_an_aggregate_whose_newest_event_is_too_large_is_answered_alike_both_ways(more: dict[str, Any]) -> None:
    desks = two_desks(newest_event(bell_codec(), **more))
    put(desks, Sent(body=Touch()))
    end(desks, "commit")
    assert [len(desk.parked) for desk in desks] == [1, 1]


def test_an_aggregate_whose_newest_event_is_of_an_older_version_is_answered_alike_both_ways() -> None:
    first, today = codecs_of_two_versions()
    desks = two_desks(newest_event(first, state=YoungBell(3)), today)
    put(desks, Sent())
    end(desks, "commit")
    compare(desks)
    assert remembered(desks[0]) == {"a": Versioned(8, Bell(4))}


def newest_event(codec: Codec, actor: str = "ann", state: Any = Bell(3), version: int = 7) -> bytes:  # noqa: B008
    meta = EventMeta(version, f"bells/a/{version}", "a", START, ID, 5, "correlation", ID, actor, WRITER)
    return codec.encode(Rang(3), meta, state)


@pytest.mark.skipif(COMPILED is None, reason="no C compiler was there when the package was built")
@pytest.mark.parametrize(
    ("command", "meta"),
    [
        (Ring(3), {}),
        (Touch(), {}),
        (Engrave(400_000), {}),
        (Ring(1), {"actor": "ann", "correlation_id": "x" * 200, "causation_id": "y" * 300}),
        (Ring(1), {"expected_version": 0, "issued_at": START}),
    ],
)
def test_what_is_accepted_goes_the_short_way(command: Any, meta: dict[str, Any], way: str) -> None:
    desk = bell_desk()
    given = CommandMeta(command_id=command_id(1), aggregate_id="a", **meta)
    answer = desk.partition._shortcut(b"a", bell_codec().encode(command, given), 0, START)
    assert (answer is not None) == (way == "short")


def test_an_aggregate_that_was_restored_goes_the_short_way_from_its_first_command(way: str) -> None:
    desk = bell_desk()
    desk.ask("a", Ring(2), actor="ann", correlation_id="c")
    desk.commit()
    later = desk.successor()
    meta = CommandMeta(command_id=command_id(9), aggregate_id="a", expected_version=2)
    answer = later.partition._shortcut(b"a", bell_codec().encode(Ring(1), meta), 9, START)
    assert (answer is None) == (way == "long" or COMPILED is None)
    later.put(
        b"a", bell_codec().encode(Ring(1), structs.replace(meta, command_id=command_id(10), expected_version=None))
    )
    assert later.partition._version("a") == (4 if answer else 3)


def test_a_command_whose_meta_is_laid_out_otherwise_goes_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.handler.shortcut.META", META[::-1])
    command = bell_codec().encode(Ring(1), CommandMeta(command_id=command_id(1), aggregate_id="a"))
    assert bell_desk().partition._shortcut(b"a", command, 0, START) is None


def test_a_codec_in_python_has_no_short_way() -> None:
    assert Desk(bells, bell_codec(PYTHON)).partition._shortcut is no_shortcut
