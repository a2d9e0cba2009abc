"""A bug in the domain, on real servers: its key is parked, others go on, nothing is lost over kills and deploys."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, murmur2

from headrace.kafka.reading import high_watermarks
from headrace.kernel.message import Outcome
from lamps import OUTSIDE, lock_lamps
from running import PARTITIONS, Running, running
from servers import Kafka
from shortened import for_each

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

FAULTY = Path(__file__).parent / "outside"
LAMPS = [f"lamp-{number}" for number in range(12)]
BAD = ["bad-1", "bad-2"]


@pytest.fixture
def house(kafka: Kafka, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Lamps in the hall, and bad ones in the attic; the test starts the handlers."""
    for folder in (OUTSIDE, FAULTY):
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", f"{OUTSIDE}:{FAULTY}", prepend=os.pathsep)
    schemas = lock_lamps(tmp_path)
    with running(kafka.bootstrap_servers, database, tmp_path, "faulty_lights:app", schemas) as heart:
        heart.start_projectors()
        yield heart


def hang(house: Running) -> None:
    import lights  # type: ignore[import-not-found]  # noqa: PLC0415 - it is on the path only now

    house.send(
        "lights", *[(lamp, lights.Hang("hall")) for lamp in LAMPS], *[(lamp, lights.Hang("attic")) for lamp in BAD]
    )


def switch(house: Running, *lamps: str, on: bool = True, **meta: str) -> list[str]:
    import lights  # noqa: PLC0415

    return house.send("lights", *[(lamp, lights.Switch(on=on)) for lamp in lamps], **meta)


def outcomes(house: Running) -> list[Outcome]:
    return [house.codec.decode(value).body for _, _, _, value in house.read("lights.outcomes")]


def results(house: Running) -> Counter[str | None]:
    return Counter(it.code or it.result for it in outcomes(house) if it.command_type == "Switch")


def parked(house: Running, *arguments: str) -> Any:
    done = house.headrace("parked", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_bug_parks_its_keys_and_a_fixed_deploy_redrives_them_over_kills_and_restarts(house: Running) -> None:
    house.start("faulty", "handle", "lights", "--slot", "0", BROKEN_ROOM="attic")
    hang(house)
    [poison] = switch(house, "bad-1")
    switch(house, *LAMPS, "bad-1", "bad-2", on=False)
    switch(house, *LAMPS, "bad-1")
    house.assert_sound()
    assert results(house) == {"accepted": 24, "KeyError": 2, "KeyParked": 2}
    assert "secret" not in str(outcomes(house)) + house.log("faulty").read_text()

    pid = house.services.pid("faulty")
    house.services.send("faulty", signal.SIGKILL)
    house.wait(lambda: house.services.pid("faulty") not in (None, pid), "the handler is started again")
    switch(house, *LAMPS, "bad-1", "bad-2", on=False)
    switch(house, "bad-1", command_id=poison)
    house.assert_sound()
    assert results(house) == {"accepted": 36, "KeyError": 3, "KeyParked": 4}
    still = house.headrace("parked", "redrive", "lights", "bad-1")
    assert (still.returncode, still.stderr.startswith("headrace: bad-1: still parked: StillFailing: ")) == (1, True)

    house.services.stop("faulty")
    house.start("fixed", "handle", "lights", "--slot", "0")
    for lamp, version in (("bad-1", 5), ("bad-2", 1)):
        said = house.headrace("parked", "redrive", "lights", lamp, "--actor", "ann").stdout
        assert said == f"{lamp}: redriven, at version {version}\n"
    switch(house, "bad-1", command_id=poison)
    switch(house, *BAD)
    report = house.assert_sound()
    assert report.check("parking").counted == {
        "parked_by_key": 6, "marks": 2, "keys_that_wait": 0, "commands_that_wait": 0
    }  # fmt: skip
    assert parked(house, "list")["aggregates"][0]["parked"] == []
    again = [it for it in outcomes(house) if it.command_id == poison]
    assert [(it.result, it.repeated) for it in again] == [
        ("parked", False), ("parked", True), ("accepted", False), ("accepted", True)
    ]  # fmt: skip


def test_a_parked_set_that_is_released_costs_the_next_takeover_nothing(house: Running) -> None:
    house.start("faulty", "handle", "lights", "--slot", "0", BROKEN_ROOM="attic")
    hang(house)
    switch(house, *BAD)
    house.wait_until_quiet()
    for lamp in BAD:
        parked(house, "discard", "lights", lamp, "--reason", "a try")
    places = [("lights.parked", number) for number in range(PARTITIONS)]
    ends = {number: end for (_, number), end in high_watermarks(house.admin, places).items() if end}
    for before, name in (("faulty", "second"), ("second", "third")):
        house.services.stop(before)
        house.start(name, "handle", "lights", "--slot", "0")
        switch(house, *LAMPS)
        house.wait_until_quiet()
        found = house.committed("headrace.handle.lights", "lights.parked")
        assert {number: found[number] for number in ends} == ends
    house.assert_sound()


def test_what_is_parked_can_be_looked_at_and_given_up(house: Running) -> None:
    house.start("faulty", "handle", "lights", BROKEN_ROOM="attic")
    hang(house)
    switch(house, *BAD, *BAD)
    producer = Producer({"bootstrap.servers": house.env["KAFKA_BOOTSTRAP_SERVERS"]})
    producer.produce("lights.commands", b"garbage", b"lamp-1", partition=2)
    producer.flush()
    house.wait_until_quiet()
    [listed] = parked(house, "list", "lights")["aggregates"]
    assert {(row["key"], row["commands"], row["exception"]) for row in listed["parked"]} == {
        (lamp, 2, "builtins.KeyError") for lamp in BAD
    }
    assert "secret" not in str(listed)
    [aside] = listed["set_aside"]
    assert (aside["partition"], "Confluent framing" in aside["message"]) == (2, True)
    printed = house.headrace("parked", "list").stdout
    for text in ("aggregate lights: 2 keys parked, 1 records set aside", "projector rooms: 0 keys parked", "bad-1",
                 "builtins.KeyError", "Confluent framing", "mend the sender", "redrive lights KEY"):  # fmt: skip
        assert text in printed

    shown = parked(house, "show", "lights", "bad-1")
    assert [row["fields"] for row in shown["waiting"]] == [{"on": True}] * 2
    assert shown["waiting"][0]["message"] == "'secret of attic'"
    assert "bad-2" not in str(shown)

    assert parked(house, "discard", "lights", "bad-1", "--reason", "a bad lamp", "--actor", "ann")["version"] == 1
    assert parked(house, "show", "lights", "bad-1")["released"][0]["reason"] == "a bad lamp"
    report = house.assert_sound()
    assert report.check("parking").counted["commands_that_wait"] == 2
    assert results(house) == {"KeyError": 2, "KeyParked": 2, "Discarded": 2}


def test_a_call_about_what_is_not_parked_is_one_clear_line(house: Running) -> None:
    house.start("fixed", "handle", "lights")
    hang(house)
    stranger = Producer({"bootstrap.servers": house.env["KAFKA_BOOTSTRAP_SERVERS"]})
    stranger.produce("lights.parked", b"foreign", b"lamp-1", partition=2)
    stranger.flush()
    house.services.stop("fixed")
    house.start("fixed", "handle", "lights")
    assert house.headrace("parked", "list").returncode == 0
    for arguments, said in [
        (["redrive", "lights", "lamp-1"], "nothing is parked for 'lamp-1' in the aggregate lights"),
        (["redrive", "lights"], "name one key, or --all"),
        (["redrive", "lights", "lamp-1", "--all"], "name one key, or --all"),
        (["redrive", "--projector", "rooms", "lamp-1"], "nothing is parked for 'lamp-1' in the projector rooms"),
        (["discard", "lights", "lamp-1", "--reason", "none"], "nothing is parked for 'lamp-1' in the aggregate lights"),
        (["discard", "lights", "lamp-1", "--reason", " "], "--reason is empty"),
        (["discard", "lights", "lamp-1", "--reason", "x" * 1001], "--reason has 1001 characters, 1000 are kept"),
        (["discard", "--projector", "rooms", "a", "--reason", "none"], "nothing is parked for 'a' in the projector"),
        (["show", "lights", "lamp-1"], "nothing is parked for 'lamp-1' in the aggregate lights"),
        (["show", "--projector", "rooms", "lamp-1"], "nothing is parked for 'lamp-1' in the projector rooms"),
        (["show", "--projector", "journal", "lamp-1"], "the journal parks nothing"),
        (["list", "bells"], "no aggregate is called 'bells'"),
        (["list", "--projector", "bells"], "no view is called 'bells'"),
    ]:
        done = house.headrace("parked", *arguments)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done
        assert said in done.stderr
    house.wait_until_quiet()
    assert ["does not say where it came from" in it for it in house.verify().check("contracts").problems] == [True]


@pytest.mark.parametrize(
    ("missing", "there", "not_there", "why"),
    [
        ({"DATABASE_URL": ""}, "aggregate lights", "projectors", "DATABASE_URL is not set"),
        ({"KAFKA_BOOTSTRAP_SERVERS": ""}, "projector rooms", "aggregates", "KAFKA_BOOTSTRAP_SERVERS is not set"),
    ],
    ids=["Kafka alone", "Postgres alone"],
)
def test_either_half_can_be_listed_without_the_other_one_s_server(
    house: Running, missing: dict[str, str], there: str, not_there: str, why: str
) -> None:
    done = house.headrace("parked", "list", env=missing)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done
    assert there in done.stdout
    assert f"headrace: the {not_there} are not listed: {why}" in done.stderr
    found = json.loads(house.headrace("parked", "list", "--json", env=missing).stdout)
    assert (found[not_there], list(found["not_listed"])) == ([], [not_there])
    one = ["--projector"] if there.startswith("projector") else ["lights"]
    assert house.headrace("parked", "list", *one, env=missing).returncode == 0
    neither = house.headrace("parked", "list", env={"DATABASE_URL": "", "KAFKA_BOOTSTRAP_SERVERS": ""})
    assert (neither.returncode, neither.stdout, neither.stderr.count("\n")) == (2, "", 1)


def test_all_parked_keys_are_redriven_with_one_call_and_what_still_fails_stays_parked(house: Running) -> None:
    house.start("faulty", "handle", "lights", "--slot", "0", BROKEN_ROOM="attic")
    hang(house)
    switch(house, *BAD)
    house.wait_until_quiet()
    still = house.headrace("parked", "redrive", "lights", "--all")
    assert (still.returncode, still.stdout) == (1, "")
    assert sorted(line.split(": still parked")[0] for line in still.stderr.splitlines()) == [
        "headrace: bad-1", "headrace: bad-2"
    ]  # fmt: skip
    house.services.stop("faulty")
    house.start("fixed", "handle", "lights", "--slot", "0")
    done = house.headrace("parked", "redrive", "lights", "--all", "--json")
    assert (done.returncode, {json.loads(line)["result"] for line in done.stdout.splitlines()}) == (0, {"redriven"})
    house.assert_sound()
    assert results(house) == {"KeyError": 2, "accepted": 2}
    assert house.headrace("parked", "redrive", "lights", "--all").stdout == "nothing is parked\n"


def test_what_a_redrive_led_to_makes_no_projector_forget_newer_commands(house: Running) -> None:
    """Its command is older than those that were answered while it was parked, and ends a batch with their events."""
    house.start("audit", "project", "audit")
    house.start("faulty", "handle", "lights", "--slot", "0", BROKEN_ROOM="attic")
    hang(house)
    switch(house, "bad-1")
    house.wait_until_quiet()
    house.services.stop("audit", *house.projectors, "faulty")
    house.start("fixed", "handle", "lights", "--slot", "0")
    house.wait(lambda: len(house.owned("fixed")) == PARTITIONS, "it answers")
    switch(house, *LAMPS)
    assert house.headrace("parked", "redrive", "lights", "bad-1").returncode == 0
    house.start_projectors()
    house.start("audit-again", "project", "audit")
    house.assert_sound()
    assert house.headrace("audit", "verify").returncode == 0


@for_each("step", ["produced", "offsets_sent", "committed"], short=["produced"])
def test_a_handler_killed_while_it_redrives_releases_all_or_nothing(house: Running, step: str) -> None:
    house.start("faulty", "handle", "lights", "--slot", "0", BROKEN_ROOM="attic")
    hang(house)
    for on in (True, False):
        switch(house, *BAD, on=on)
    house.wait_until_quiet()
    house.services.stop("faulty")
    house.start("victim", "handle", "lights", "--slot", "0", HEADRACE_FAILPOINT=f"kill:{step}:1")
    house.headrace("parked", "redrive", "lights", "bad-1", "--timeout", "0")
    house.wait(lambda: bool(house.services.exits), "the handler dies")
    house.services.stop("victim")
    house.start("successor", "handle", "lights", "--slot", "0")
    house.assert_sound()
    parked(house, "redrive", "lights", "bad-2")
    report = house.assert_sound()
    assert report.check("parking").counted["marks"] == 2
    assert results(house) == {"KeyError": 2, "KeyParked": 2, "accepted": 4}


def test_above_the_cap_the_partition_stops_alone_and_a_higher_one_lets_it_go_on(house: Running) -> None:
    house.start("faulty", "handle", "lights", BROKEN_ROOM="attic", HEADRACE_PARKED_RECORDS="2")
    hang(house)
    switch(house, "bad-1", "bad-1")
    house.wait_until_quiet()
    switch(house, "bad-1")
    house.wait(lambda: "3 commands would be parked, 2 may be" in house.log("faulty").read_text(), "it stops")
    stopped = murmur2(b"bad-1", PARTITIONS)
    elsewhere = [lamp for lamp in LAMPS if murmur2(lamp.encode(), PARTITIONS) != stopped]
    switch(house, *elsewhere)
    house.wait(lambda: results(house)["accepted"] == len(elsewhere), "the others go on")
    assert not house.services.exits
    house.services.stop("faulty")
    house.start("fixed", "handle", "lights", HEADRACE_PARKED_RECORDS="3")
    assert parked(house, "redrive", "lights", "bad-1")["result"] == "redriven"
    house.assert_sound()


def test_a_mark_says_who_asked_for_it(house: Running) -> None:
    house.start("faulty", "handle", "lights", BROKEN_ROOM="attic")
    hang(house)
    switch(house, "bad-1")
    house.wait_until_quiet()
    parked(house, "discard", "lights", "bad-1", "--reason", "söme", "--actor", "ann")
    [released] = parked(house, "show", "lights", "bad-1")["released"]
    assert (released["actor"], released["reason"], released["result"]) == ("ann", "söme", "discarded")
