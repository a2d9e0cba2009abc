"""The lock file: what was locked stays as it is, and whoever changes it is told which file to restore."""

import json
from pathlib import Path

import avro.schema
import pytest
from fastavro import parse_schema
from msgspec import structs

from headrace.avro.contract import Catalogue, contract_of, read_lock, split, write_lock
from headrace.avro.lint import lint
from headrace.avro.lock import lock, problems_with, read_parts
from headrace.avro.schema import schema_id
from headrace.kernel.errors import Misconfigured
from parts import field, locked, write_part

LINE = {"type": "record", "name": "Line", "fields": [field("sku"), field("quantity", "long")]}
LINES = {"type": "array", "items": LINE}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A domain of one command, one event and a state."""
    write_part(tmp_path, "command", "Ring", field("times", "long"))
    write_part(tmp_path, "event", "Rang", field("times", "long"))
    write_part(tmp_path, "state", "Bell", field("rung", "long"))
    return tmp_path


def test_a_contract_keeps_its_id_whatever_else_is_locked(folder: Path) -> None:
    before = locked(folder)
    write_part(folder, "event", "Broken")
    after = locked(folder, before)
    assert after.contracts[: len(before.contracts)] == before.contracts
    assert [contract.name for contract in after.contracts[len(before.contracts) :]] == ["Broken"]
    assert locked(folder, after).contracts == after.contracts


def test_ids_come_from_the_content_so_that_two_machines_agree(folder: Path) -> None:
    ids = [contract.id for contract in locked(folder).contracts]
    assert ids == [contract.id for contract in locked(folder).contracts]
    assert len(set(ids)) == len(ids)
    for number in ids:
        assert all(0x21 <= byte <= 0x7E for byte in number.to_bytes(4, "big"))


def test_documentation_may_be_mended(folder: Path) -> None:
    before = locked(folder)
    write_part(folder, "command", "Ring", field("times", "long", doc="how often"))
    assert problems_with(read_parts(folder), before) == []
    assert locked(folder, before).contracts == before.contracts


def test_a_default_is_part_of_what_is_locked(folder: Path) -> None:
    before = locked(folder)
    write_part(folder, "command", "Ring", field("times", "long", default=1))
    with pytest.raises(Misconfigured, match=r"test\.bells\.Ring: a part of it was changed after it was locked"):
        locked(folder, before)


@pytest.mark.parametrize(("kind", "name"), [("event", "Rang"), ("state", "Bell")])
def test_a_locked_part_that_is_changed_is_refused_and_named(folder: Path, kind: str, name: str) -> None:
    before = locked(folder)
    path = write_part(folder, kind, name, field("times", "string"))
    with pytest.raises(Misconfigured, match=r"test\.bells\.Rang: a part of it was changed after it was locked"):
        locked(folder, before)
    problems = problems_with(read_parts(folder), before)
    assert any("test.bells.Rang: one of" in line and str(path) in line for line in problems)


def test_an_older_part_may_not_be_changed_either(folder: Path) -> None:
    before = locked(folder)
    write_part(folder, "event", "Rang", field("times", "long"), field("by", default=""), version=2)
    after = locked(folder, before)
    assert problems_with(read_parts(folder), after) == []
    path = write_part(folder, "event", "Rang", field("times", "string"))
    [problem] = problems_with(read_parts(folder), after)
    assert str(path) in problem
    assert "was changed after it was locked: restore it" in problem


def test_a_new_version_is_added_and_the_old_contract_stays(folder: Path) -> None:
    before = locked(folder)
    write_part(folder, "event", "Rang", field("times", "long"), field("by", default=""), version=2)
    assert "test.bells.Rang is not locked" in problems_with(read_parts(folder), before)[0]
    after = locked(folder, before)
    assert len(after.contracts) == len(before.contracts) + 1
    first, second = after.history(after.newest["bells", "Rang"])
    assert first == before.newest["bells", "Rang"]
    assert second.versions == {"meta": 1, "fields": 2, "state": 1}
    assert problems_with(read_parts(folder), after) == []


@pytest.mark.parametrize("name", ["Ring", "Rang", "Bell"])
def test_a_part_that_is_gone_is_named(folder: Path, name: str) -> None:
    """Even an older one, of which nothing newest is made any more."""
    catalogue = locked(folder)
    for kind, each in (("command", "Ring"), ("event", "Rang"), ("state", "Bell")):
        write_part(folder, kind, each, field("other", default=""), version=2)
    (folder / "bells" / f"{name}.v1.avsc").unlink()
    problems = problems_with(read_parts(folder), locked(folder, catalogue))
    assert problems == [f"{name}.v1.avsc is gone: locked versions stay for ever"]


def test_a_lock_file_that_was_edited_by_hand_is_named(folder: Path) -> None:
    catalogue = locked(folder)
    contract = catalogue.newest["bells", "Ring"]
    edited = structs.replace(contract, schema=contract.schema | {"fields": contract.schema["fields"][:1]})
    contracts = [edited if each is contract else each for each in catalogue.contracts]
    assert problems_with(read_parts(folder), Catalogue(contracts)) == [
        "test.bells.Ring: its schema in the lock file was edited by hand: restore it"
    ]


def test_a_lock_file_is_read_as_it_was_written(folder: Path) -> None:
    catalogue = locked(folder)
    write_lock(folder, catalogue)
    assert read_lock(folder).contracts == catalogue.contracts
    assert len((folder / "ids.json").read_text().splitlines()) == len(catalogue.contracts) + 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "run `headrace schemas lock`, or set HEADRACE_SCHEMAS"),
        ("[{]", "restore it"),
        ('[{"id": 1}]', "restore it"),
    ],
    ids=["missing", "no JSON", "no contracts"],
)
def test_a_lock_file_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / "ids.json").write_text(text)
    with pytest.raises(Misconfigured, match=why) as caught:
        read_lock(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_record_that_state_and_fields_share_is_defined_once(folder: Path) -> None:
    write_part(folder, "event", "Filled", field("lines", LINES))
    write_part(folder, "state", "Bell", field("rung", "long"), field("lines", LINES, default=[]), version=2)
    contract = locked(folder).newest["bells", "Filled"]
    written = json.dumps(contract.schema)
    assert written.count('"name": "test.bells.Line"') == 1
    assert written.count('"items": "test.bells.Line"') == 1
    parse_schema(contract.schema)
    assert isinstance(avro.schema.parse(written), avro.schema.RecordSchema)
    assert list(lint(contract)) == []


def test_each_part_of_a_split_contract_stands_alone(folder: Path) -> None:
    write_part(folder, "event", "Filled", field("lines", LINES))
    write_part(folder, "state", "Bell", field("rung", "long"), field("lines", LINES, default=[]), version=2)
    for piece in split(locked(folder).newest["bells", "Filled"]):
        assert piece is not None
        parse_schema(piece)
        avro.schema.parse(json.dumps(piece))


def test_two_definitions_of_one_name_are_refused(folder: Path) -> None:
    other = LINE | {"fields": [field("sku")]}
    write_part(folder, "event", "Filled", field("lines", LINES))
    write_part(folder, "state", "Bell", field("lines", {"type": "array", "items": other}), version=2)
    with pytest.raises(Misconfigured, match=r"test\.bells\.Filled: its parts define test\.bells\.Line in two ways"):
        locked(folder)


def test_two_domains_do_not_share_a_contract(folder: Path) -> None:
    (folder / "chimes").mkdir()
    for path in (folder / "bells").glob("*.avsc"):
        (folder / "chimes" / path.name).write_text(path.read_text())
    with pytest.raises(
        Misconfigured, match=r"test\.bells\.\w+ in chimes would get the id of test\.bells\.\w+ in bells"
    ):
        locked(folder, locked_alone(folder))
    with pytest.raises(Misconfigured, match="gives two contracts one id: rename a record"):
        locked(folder)


def locked_alone(folder: Path) -> Catalogue:
    """The contracts of `bells`."""
    return lock([part for part in read_parts(folder) if part.domain != "chimes"], Catalogue([]))


def test_records_of_one_name_in_two_domains_are_two_histories(folder: Path) -> None:
    before = locked(folder)
    (folder / "chimes").mkdir()
    part = json.loads((folder / "bells" / "Ring.v1.avsc").read_text())
    part["fields"] = [field("hours", "long")]
    (folder / "chimes" / "Ring.v1.avsc").write_text(json.dumps(part))
    after = locked(folder, before)
    assert len(after.history(after.newest["chimes", "Ring"])) == 1
    assert problems_with(read_parts(folder), after) == []


def test_two_schemas_that_get_one_id_are_refused(folder: Path) -> None:
    """With as many contracts as many companies have, it will happen somewhere."""
    contract = locked(folder).newest["bells", "Ring"]
    other = contract_of("bells", "command", contract.versions, contract.schema | {"name": "test.bells.Other"})
    taken = structs.replace(other, id=contract.id)
    with pytest.raises(Misconfigured, match=r"Ring in bells would get the id of test\.bells\.Other in bells"):
        locked(folder, Catalogue([taken]))
    with pytest.raises(Misconfigured, match="gives two contracts one id: rename a record"):
        Catalogue([contract, taken])


def test_a_schema_id_depends_on_everything_but_documentation() -> None:
    schema = {"type": "record", "name": "R", "fields": [field("doc", "string")]}
    assert schema_id(schema) == schema_id(schema | {"doc": "what it is"})
    assert schema_id(schema) == schema_id({"name": "R", "fields": [field("doc", "string", doc="x")], "type": "record"})
    others = [
        schema | {"name": "S"},
        schema | {"fields": []},
        schema | {"fields": [field("doc", "bytes")]},
        schema | {"fields": [field("doc", "string", default="")]},
    ]
    assert len({schema_id(each) for each in [schema, *others]}) == 5


def test_a_default_may_hold_something_called_doc() -> None:
    texts = {"type": "map", "values": {"type": "string", "doc": "a line"}}
    one, two = ({"type": "record", "name": "R", "fields": [field("m", texts, default={"doc": doc})]} for doc in "ab")
    assert schema_id(one) != schema_id(two)
    undocumented = {"type": "map", "values": {"type": "string"}}
    assert schema_id(one) == schema_id(one | {"fields": [field("m", undocumented, default={"doc": "a"}, doc="it")]})


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("ring.v1.avsc", "{}", "name it <Record>.v<N>.avsc"),
        ("Ring.avsc", "{}", "name it <Record>.v<N>.avsc"),
        ("Ring.v0.avsc", "{}", "name it <Record>.v<N>.avsc"),
        ("Ring.v1.avsc", "{", "not JSON"),
        ("Ring.v1.avsc", "[]", 'a part is a record with a "kind" of command, event, state'),
        ("Ring.v1.avsc", '{"type": "enum", "kind": "state"}', "a part is a record"),
        ("Ring.v1.avsc", '{"type": "record", "name": "Ring"}', "a part is a record with"),
        ("Ring.v1.avsc", '{"type": "record", "name": "Ring", "kind": "outcome"}', "a part is a record with"),
        ("Ring.v1.avsc", '{"type": "record", "name": "Rang", "kind": "event"}', "named Ring, its record 'Rang'"),
        (
            "Ring.v1.avsc",
            '{"type": "record", "name": "Ring", "kind": "command"}',
            "not an Avro schema: KeyError 'fields'",
        ),
        ("Ring.v1.avsc", '{"type": "record", "name": "Ring", "kind": "command", "fields": "x"}', "not an Avro schema"),
        ("Ring.v1.avsc", '{"type": "record", "name": "Ring", "kind": "command", "fields": [{}]}', "not an Avro schema"),
        (
            "Tolled.v1.avsc",
            '{"type": "record", "name": "Tolled", "kind": "event", "fields": []}',
            "no part of kind state",
        ),
    ],
)
def test_a_part_that_is_none_is_refused_with_its_path(tmp_path: Path, name: str, text: str, why: str) -> None:
    (tmp_path / "bells").mkdir()
    (tmp_path / "bells" / name).write_text(text)
    with pytest.raises(Misconfigured, match=why) as caught:
        locked(tmp_path)
    assert name in str(caught.value)


def test_a_domain_has_one_state(folder: Path) -> None:
    path = write_part(folder, "state", "Clapper", field("weight", "long"))
    with pytest.raises(Misconfigured, match=f"{path}: domain bells has a state already, Bell: one is enough"):
        locked(folder)
