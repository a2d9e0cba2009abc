"""The load of a bank: its scenarios are read strictly, and say the same commands for the same seed."""

from collections import Counter
from pathlib import Path

import pytest

from headrace.kernel.errors import Misconfigured
from headrace.transfers.commands import ApproveTransfer, RejectTransfer, RequestTransfer
from headrace_load.bank.scenario import SHIPPED, BankScenario, read
from headrace_load.bank.traffic import FROZEN, HOT, NOBODY, POOR, Traffic

MIXED = BankScenario(description="x", accounts=50, transfers=1000, hot=0.2, reviewed=0.2, refused=0.2, seed=5)


def requests(scenario: BankScenario) -> list[RequestTransfer]:
    found = [asked[0].command for asked in Traffic(scenario).transfers()]
    assert all(isinstance(command, RequestTransfer) for command in found)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.toml")))
def test_a_shipped_scenario_is_one(name: str) -> None:
    assert read(name).transfers > 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("accounts = 10", "missing required field `description`"),
        ('description = "x"\naccounts = 10\ntransfers = 1\nrates = 1', "unknown field `rates`"),
        ('description = "x"\naccounts = 10\ntransfers = 1\nhot = 0.6\nrefused = 0.6', "together at most 1"),
        ('description = "x"\naccounts = 1\ntransfers = 1', "$.accounts"),
        ("accounts =", "Invalid value"),
    ],
)
def test_a_scenario_that_is_none_is_refused_in_one_line(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "wrong.toml").write_text(text)
    with pytest.raises(Misconfigured) as refused:
        read(str(tmp_path / "wrong.toml"))
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_scenario_that_is_not_there_is_named_beside_those_that_are() -> None:
    with pytest.raises(Misconfigured, match=r"no scenario 'cold': name a \.toml file, or one of day, hot"):
        read("cold")


def test_the_same_seed_asks_the_same_and_another_seed_something_else() -> None:
    assert list(Traffic(MIXED).transfers()) == list(Traffic(MIXED).transfers())
    assert requests(MIXED) != requests(BankScenario(**{name: getattr(MIXED, name) for name in SAME}, seed=6))


SAME = [name for name in MIXED.__struct_fields__ if name != "seed"]


def test_every_account_is_opened_once_before_it_is_used() -> None:
    opened = [asked for asked in Traffic(MIXED).accounts() if type(asked.command).__name__ == "OpenAccount"]
    names = [asked.aggregate_id for asked in opened]
    assert len(names) == len(set(names)) == 52
    used = {name for command in requests(MIXED) for name in (command.from_account, command.to_account)}
    assert used - set(names) == {NOBODY}


def test_a_mix_has_every_kind_of_transfer() -> None:
    found = requests(MIXED)
    assert 300 > sum(HOT in (each.from_account, each.to_account) for each in found) > 150
    assert 250 > sum(each.amount > 1_000_000 for each in found) > 150
    ends = Counter(each.to_account for each in found)
    assert min(ends[FROZEN], ends[NOBODY]) > 30
    assert sum(each.from_account == POOR for each in found) > 30
    assert sum(each.from_account == each.to_account for each in found) > 30


def test_a_review_follows_its_request_at_once_and_some_have_none() -> None:
    said: Counter[str] = Counter()
    for asked in Traffic(MIXED).transfers():
        assert len({each.aggregate_id for each in asked}) == 1
        request, *reviews = (each.command for each in asked)
        assert isinstance(request, RequestTransfer)
        if request.amount > 1_000_000:
            said[type(reviews[0]).__name__ if reviews else "none"] += 1
    assert set(said) == {ApproveTransfer.__name__, RejectTransfer.__name__, "none"}
