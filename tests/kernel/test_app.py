"""An application is a list of parts that fit together, or none."""

from typing import Any

import pytest
from msgspec import Struct

from headrace.app import app as shipped
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.errors import Fault, Misconfigured
from headrace.kernel.message import Fact
from headrace.kernel.view import Key, Table, View


class Light(Struct, frozen=True):
    is_on: bool = False


class Switch(Struct, frozen=True):
    pass


class Break(Struct, frozen=True):
    pass


class Switched(Struct, frozen=True):
    pass


def switch(_command: Switch | Break, _light: Light, _at: int) -> list[Switched]:
    return [Switched()]


def switched(light: Light, _event: Switched) -> Light:
    return Light(not light.is_on)


def light(name: str = "lights") -> Aggregate[Switch | Break, Light, Switched]:
    return Aggregate(
        name=name, initial=Light(), decide=switch, evolve=switched, commands=Switch | Break, events=Switched
    )


class LightRow(Struct, frozen=True):
    light_id: str
    times: int = 0


def touched(fact: Fact[Any]) -> tuple[Key, ...]:
    return ((fact.aggregate_id,),)


def counted(key: Key, row: LightRow | None, _fact: Fact[Any]) -> LightRow:
    return LightRow(key[0], row.times + 1 if row else 1)


TABLE = Table(name="lights", row=LightRow, key=("light_id",), ddl="CREATE TABLE lights (light_id text PRIMARY KEY)")


def view(name: str = "lit", source: str = "lights", version: int = 1) -> View[LightRow]:
    return View(name=name, sources=(source,), table=TABLE, keys=touched, evolve=counted, version=version)


def test_the_shipped_app_knows_orders_and_their_view() -> None:
    assert shipped.aggregate("orders").name == "orders"
    assert shipped.view("orders").sources == ("orders",)


def test_an_app_finds_its_parts_by_name() -> None:
    app = App(aggregates=(light(), light("lamps")), views=(view(),))
    assert app.aggregate("lamps").name == "lamps"
    assert app.view("lit").name == "lit"


def test_a_part_that_is_not_there_is_named_beside_those_that_are() -> None:
    app = App(aggregates=(light(), light("lamps")))
    with pytest.raises(Misconfigured, match="no aggregate is called 'moons'; the app has: lights, lamps"):
        app.aggregate("moons")
    with pytest.raises(Misconfigured, match="no view is called 'lit'; the app has: none"):
        app.view("lit")


def test_two_aggregates_of_one_name_are_refused() -> None:
    with pytest.raises(Misconfigured, match="lights twice"):
        App(aggregates=(light(), light()))


def test_two_views_of_one_name_are_refused() -> None:
    with pytest.raises(Misconfigured, match="lit twice"):
        App(aggregates=(light(),), views=(view(), view(version=2)))


def test_a_view_of_something_that_is_not_there_is_refused() -> None:
    with pytest.raises(Misconfigured, match="view 'lit' reads 'moons', which is not an aggregate of the app"):
        App(aggregates=(light(),), views=(view(source="moons"),))


@pytest.mark.parametrize("name", ["journal", "audit"])
def test_the_name_of_a_built_in_projector_is_taken(name: str) -> None:
    with pytest.raises(Misconfigured, match=f"'{name}' is the name of a built-in projector"):
        App(aggregates=(light(),), views=(view(name),))


@pytest.mark.parametrize("name", ["Lights", "two words", "a.b", "", "1st", "lights/"])
def test_a_name_that_cannot_name_a_topic_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match="a name is"):
        light(name)


def test_an_aggregate_names_its_four_topics() -> None:
    lights = light()
    assert lights.topics == ("lights.commands", "lights.events", "lights.outcomes", "lights.parked")
    assert (lights.command_topic, lights.event_topic) == lights.topics[:2]
    assert (lights.outcome_topic, lights.parked_topic) == lights.topics[2:]


def test_an_aggregate_lists_its_messages_whether_they_are_many_or_one() -> None:
    lights = light()
    assert lights.command_types == (Switch, Break)
    assert lights.event_types == (Switched,)
    assert lights.state_type is Light


def test_a_view_has_a_schema_for_each_version() -> None:
    assert (view().schema, view(version=2).schema) == ("lit_v1", "lit_v2")


@pytest.mark.parametrize("key", [("lamp_id",), ("light_id", "partition"), ()])
def test_a_table_whose_key_its_row_does_not_have_is_refused(key: tuple[str, ...]) -> None:
    with pytest.raises(Misconfigured, match="table lights: key columns"):
        Table(name="lights", row=LightRow, key=key, ddl="")


def test_a_misconfiguration_is_a_fault() -> None:
    assert issubclass(Misconfigured, Fault)
