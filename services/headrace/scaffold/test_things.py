"""The rules of a thing, one a test: what happened before, what is asked, what comes of it. No servers."""

from datetime import UTC, datetime

import pytest

from headrace.kernel.errors import Rejected
from headrace.scaffold.things import decider
from headrace.scaffold.things.commands import CloseThing, Command, OpenThing, RenameThing
from headrace.scaffold.things.decider import things
from headrace.scaffold.things.events import Event, ThingClosed, ThingOpened, ThingRenamed
from headrace.scaffold.things.views import ThingRow, things_view
from headrace.testing import facts, fold, given

OPENED, RENAMED, CLOSED = ThingOpened("first"), ThingRenamed("second"), ThingClosed("done")


def test_what_is_opened_has_a_title() -> None:
    assert given(things).when(OpenThing("first")) == [OPENED]


def test_what_is_open_can_be_renamed_and_closed() -> None:
    assert given(things, OPENED).when(RenameThing("second")) == [RENAMED]
    assert given(things, OPENED, RENAMED).when(CloseThing("done")) == [CLOSED]


def test_the_title_that_it_has_changes_nothing() -> None:
    assert given(things, OPENED).when(RenameThing("first")) == []


@pytest.mark.parametrize(
    ("before", "command", "refusal"),
    [
        ((OPENED,), OpenThing("again"), decider.AlreadyOpen),
        ((), RenameThing("second"), decider.UnknownThing),
        ((OPENED, CLOSED), RenameThing("second"), decider.AlreadyClosed),
        ((), OpenThing(" "), decider.TextInvalid),
        ((OPENED,), CloseThing("x" * 201), decider.TextInvalid),
    ],
)
def test_what_is_out_of_order_or_no_text_is_refused(
    before: tuple[Event, ...], command: Command, refusal: type[Rejected]
) -> None:
    with pytest.raises(refusal):
        given(things, *before).when(command)


def test_a_row_shows_its_thing_as_it_is_now() -> None:
    [row] = fold(things_view, facts(things, "1", OPENED, RENAMED)).values()
    first, second = (datetime.fromtimestamp(milliseconds / 1000, UTC) for milliseconds in (1, 2))
    assert row == ThingRow("1", 2, "open", "second", first, second)
