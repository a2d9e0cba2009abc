"""How much may leave an account, in a day, in an hour and at a time; and how the environment says so."""

import subprocess
import sys
from functools import reduce

import msgspec
import pytest

from headrace.accounts import refusals
from headrace.accounts.account import Account
from headrace.accounts.commands import CreditTransfer, PlaceHold, ReleaseHold
from headrace.accounts.decider import accounts_with
from headrace.accounts.events import AccountOpened, MoneyDeposited
from headrace.accounts.limits import Limits
from headrace.app import LIMITS, limits_from
from headrace.kernel.errors import Misconfigured, Rejected

HOUR = 3_600_000
DAY = 24 * HOUR
NOON = 20_000 * DAY + 12 * HOUR
LIMITED = accounts_with(Limits(account_per_day=1000, account_per_hour=3, open_per_account=4))
FULL = reduce(LIMITED.evolve, [AccountOpened("Ann", "GBP"), MoneyDeposited(10_000, "GBP", "x")], LIMITED.initial)


def held(*holds: tuple[int, int], account: Account = FULL) -> Account:
    """The account after holds, each of an amount at a time; what was held before each is released first."""
    for amount, at in holds:
        for transfer_id in account.holds:
            account = after(account, ReleaseHold(transfer_id), at)
        account = after(account, PlaceHold("t", "bob", amount, "GBP"), at)
    return account


def after(account: Account, command: PlaceHold | ReleaseHold | CreditTransfer, at: int) -> Account:
    return reduce(LIMITED.evolve, LIMITED.decide(command, account, at), account)


def refused(account: Account, amount: int, at: int) -> type[Rejected] | None:
    try:
        LIMITED.decide(PlaceHold("next", "bob", amount, "GBP"), account, at)
    except Rejected as refusal:
        return type(refusal)
    return None


def test_as_much_as_a_day_s_limit_leaves_the_account_on_a_day_and_no_more() -> None:
    assert refused(held((600, NOON)), 400, NOON) is None
    assert refused(held((600, NOON)), 401, NOON) is refusals.DayLimitExceeded
    assert refused(FULL, 1001, NOON) is refusals.DayLimitExceeded


def test_what_was_given_back_counts_too() -> None:
    assert refused(after(held((600, NOON)), ReleaseHold("t"), NOON), 401, NOON) is refusals.DayLimitExceeded


def test_a_day_begins_at_midnight_in_utc() -> None:
    last = NOON - 12 * HOUR + DAY - 1
    assert refused(held((1000, last)), 1, last) is refusals.DayLimitExceeded
    assert refused(held((1000, last)), 1000, last + 1) is None


def test_so_many_transfers_leave_the_account_in_an_hour_of_the_clock_and_no_more() -> None:
    three = held((1, NOON), (1, NOON + 1), (1, NOON + HOUR - 1))
    assert refused(held((1, NOON), (1, NOON + 1)), 1, NOON + HOUR - 1) is None
    assert refused(three, 1, NOON + HOUR - 1) is refusals.HourLimitExceeded
    assert refused(three, 1, NOON + HOUR) is None


def test_a_day_s_amount_is_kept_over_its_hours() -> None:
    assert refused(held((500, NOON), (500, NOON + HOUR)), 1, NOON + 2 * HOUR) is refusals.DayLimitExceeded


def test_a_clock_that_is_behind_gets_no_new_hour_and_no_new_day() -> None:
    """Log times of one partition may go back a little, when another broker leads it."""
    midnight = NOON + 12 * HOUR
    assert refused(held((1000, midnight)), 1, midnight - 1) is refusals.DayLimitExceeded
    assert refused(held((1, midnight), (1, midnight), (1, midnight)), 1, midnight - 1) is refusals.HourLimitExceeded
    assert held((600, midnight), (300, midnight - 1)).held_that_day == 900


def test_so_many_transfers_are_under_way_at_a_time_and_no_more() -> None:
    account = FULL
    for number in range(4):
        account = after(account, PlaceHold(f"t-{number}", "bob", 1, "GBP"), NOON + number * HOUR)
    assert refused(account, 1, NOON + DAY) is refusals.TooManyOpen
    for number in range(4):
        account = after(account, CreditTransfer(f"c-{number}", "bob", 1, "GBP"), NOON)
    with pytest.raises(refusals.TooManyOpen):
        after(account, CreditTransfer("c-4", "bob", 1, "GBP"), NOON)
    assert after(account, CreditTransfer("c-3", "bob", 1, "GBP"), NOON) == account


def test_limits_are_json_and_what_it_does_not_name_stays_as_it_is() -> None:
    assert limits_from("") == limits_from("{}") == Limits()
    said = limits_from('{"account_per_day": 500, "review_hours": 1}')
    assert said == Limits(account_per_day=500, review_hours=1)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("{", "input data was truncated"),
        ("[]", "Expected `object`"),
        ('{"per_day": 1}', "unknown field `per_day`"),
        ('{"account_per_day": "1"}', "Expected `int`, got `str` - at `$.account_per_day`"),
        ('{"account_per_day": 9007199254740992}', "`$.account_per_day`"),
        ('{"single_transfer": -1}', "`$.single_transfer`"),
        ('{"review_hours": 0}', "`$.review_hours`"),
        ('{"review_hours": 8785}', "`$.review_hours`"),
        ('{"open_per_account": 0}', "`$.open_per_account`"),
    ],
)
def test_limits_that_are_none_are_refused_in_one_line(said: str, why: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        limits_from(said)
    line = str(refused.value)
    assert line.startswith(f"{LIMITS}=")
    assert why in line.replace("Input", "input")
    assert "any of: single_transfer, account_per_day" in line
    assert "\n" not in line


def test_wrong_limits_end_the_command_with_one_line() -> None:
    command = [sys.executable, "-m", "headrace", "schemas", "check"]
    done = subprocess.run(command, env={LIMITS: '{"x": 1}'}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "unknown field `x`" in done.stderr


def test_the_default_limits_are_limits() -> None:
    assert msgspec.convert(msgspec.to_builtins(Limits()), Limits) == Limits()
