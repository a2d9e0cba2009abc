"""How `headrace parked list` looks where no person reads it."""

import pytest

from headrace.app import shop
from headrace.cli.parked import _kind, _kinds
from headrace.cli.parked_lists import print_listed
from headrace.kernel.errors import Misconfigured


def test_keys_and_reasons_are_printed_whole_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    key, reason = "order-" + "9" * 194, "not in Confluent framing: " + "x" * 400
    place = {"topic": "orders.commands", "partition": 3, "offset": 17, "parked_at": 1_291_190_400_000}
    parked = {"key": key, "commands": 2, "exception": "builtins.KeyError", **place}
    print_listed({"aggregate": "orders", "parked": [parked], "set_aside": [{"message": reason, **place}]})
    lines = capsys.readouterr().out.splitlines()
    [of_key] = [line for line in lines if key in line]
    assert of_key.split(maxsplit=4)[1:] == ["2", "orders.commands[3]", "17", "2010-12-01 08:00:00  builtins.KeyError"]
    assert any(reason in line for line in lines)
    assert lines[0] == "aggregate orders: 1 keys parked, 1 records set aside"


def test_what_is_listed_is_every_kind_or_the_one_that_is_asked_for() -> None:
    every = {"aggregates": ["orders"], "reactors": [], "projectors": ["orders", "order_statistics"]}
    assert _kinds(shop, None, _kind(reactor=False, projector=False)) == every
    assert _kinds(shop, None, _kind(reactor=False, projector=True)) == {"projectors": every["projectors"]}
    assert _kinds(shop, "orders", _kind(reactor=False, projector=False)) == {"aggregates": ["orders"]}
    assert _kinds(shop, "orders", _kind(reactor=False, projector=True)) == {"projectors": ["orders"]}
    assert _kinds(shop, "reminders", _kind(reactor=True, projector=False)) == {"reactors": ["reminders"]}


def test_one_name_cannot_be_of_two_kinds() -> None:
    with pytest.raises(Misconfigured, match="not both"):
        _kind(reactor=True, projector=True)
