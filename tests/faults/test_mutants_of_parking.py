"""Wrong parking: what waits is forgotten, or passed by what comes behind it; each is caught by the named check."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from lamps import OUTSIDE, lock_lamps
from running import Running, running
from servers import Kafka
from wrong import CREATE, PAY, SHIP, assert_caught, come_to_rest, each, failpoint

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

FAULTY = Path(__file__).parent / "outside"


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Applications with bugs can be imported, by the services too."""
    for folder in (OUTSIDE, FAULTY):
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", f"{OUTSIDE}:{FAULTY}", prepend=os.pathsep)


@pytest.fixture
def house(kafka: Kafka, database: str, tmp_path: Path, on_path: None) -> Iterator[Running]:  # noqa: ARG001
    """Lamps; our code breaks on each switch of one in the attic."""
    with running(kafka.bootstrap_servers, database, tmp_path, "faulty_lights:app", lock_lamps(tmp_path)) as heart:
        yield heart


@pytest.fixture
def bad_shop(kafka: Kafka, database: str, tmp_path: Path, on_path: None) -> Iterator[Running]:  # noqa: ARG001
    """Orders; the view breaks on payments that say so."""
    with running(kafka.bootstrap_servers, database, tmp_path, "faulty:app") as heart:
        yield heart


LAMPS = [f"lamp-{number}" for number in range(12)]
BAD = "lamp-7"


def break_on_a_lamp(house: Running) -> None:
    """A handler that has parked two commands of the bad lamp, and is gone."""
    import lights  # type: ignore[import-not-found]  # noqa: PLC0415 - it is on the path only now

    house.start_projectors()
    house.start("before", "handle", "lights", BROKEN_ROOM="attic")
    house.send("lights", *[(lamp, lights.Hang("attic" if lamp == BAD else "hall")) for lamp in LAMPS])
    house.send("lights", *[(lamp, lights.Switch(on=on)) for on in (True, False) for lamp in LAMPS])
    house.wait_until_quiet()
    house.services.stop("before")


@each("pass_the_queue", "lose_parked", short=["lose_parked"])
def test_a_handler_that_is_wrong_about_who_waits(house: Running, wrong: str) -> None:
    import lights  # noqa: PLC0415

    break_on_a_lamp(house)
    house.start("after", "handle", "lights", BROKEN_ROOM="attic", HEADRACE_FAILPOINT=failpoint(wrong))
    house.send("lights", *[(lamp, lights.Hang("hall")) for lamp in LAMPS])
    house.wait_until_quiet()
    house.services.stop()
    assert_caught(house, "after", wrong)


@each("redrive_backwards")
def test_a_handler_that_is_wrong_about_those_who_waited(house: Running, wrong: str) -> None:
    break_on_a_lamp(house)
    house.start("fixed", "handle", "lights", HEADRACE_FAILPOINT=failpoint(wrong))
    done = house.headrace("parked", "redrive", "lights", BAD)
    assert done.returncode == 0, done.stderr
    house.wait_until_quiet()
    house.services.stop()
    assert_caught(house, "fixed", wrong)


@each("forget_held", "drop_held")
def test_a_view_that_is_wrong_about_what_it_holds_back(bad_shop: Running, wrong: str) -> None:
    first, second = (wrong, "") if wrong == "drop_held" else ("", wrong)
    bad_shop.start("handler", "handle", "orders")
    bad_shop.start("project-journal", "project", "journal")
    bad_shop.start("before", "project", "orders", FAULTY_BUG="crash", HEADRACE_FAILPOINT=failpoint(first))
    bad_shop.send("orders", *CREATE, *[(order, replace(pay, payment_id="broken")) for order, pay in PAY[7:8]])
    bad_shop.wait_until_quiet()
    bad_shop.services.stop("before")
    bad_shop.start("after", "project", "orders", FAULTY_BUG="crash", HEADRACE_FAILPOINT=failpoint(second))
    bad_shop.send("orders", *SHIP[7:8])
    come_to_rest(bad_shop)
    assert_caught(bad_shop, "before" if first else "after", wrong)
