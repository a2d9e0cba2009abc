"""What holds of an account whatever is asked of it, in whatever order."""

from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.accounts.account import Account
from headrace.accounts.commands import (
    CloseAccount,
    Command,
    CreditTransfer,
    DepositMoney,
    FreezeAccount,
    OpenAccount,
    PlaceHold,
    ReleaseHold,
    SettleCredit,
    SettleHold,
    UnfreezeAccount,
    WithdrawMoney,
)
from headrace.accounts.decider import accounts_with
from headrace.accounts.events import Event, HoldSettled, MoneyDeposited, MoneyWithdrawn, TransferCredited
from headrace.accounts.limits import Limits
from headrace.kernel.errors import Rejected

MOST = 2**53 - 1
LIMITS = Limits(account_per_day=2 * MOST // 3, account_per_hour=5, open_per_account=3)
accounts = accounts_with(LIMITS)

# Few ids, so that they meet; small amounts, what fits just so, and what no long or no account holds.
amounts = (
    st.integers(1, 9) | st.integers(1, 9) | st.sampled_from([-1, 0, MOST - 1, MOST, MOST + 1, MOST // 2, 2**63 - 1])
)
ids = st.sampled_from(["t-1", "t-2", "t-3", "t-4"])
others = st.sampled_from(["bob", "bob", "bob", "eve", ""])
currencies = st.sampled_from(["GBP", "GBP", "GBP", "GBP", "GBP", "EUR"])
texts = st.sampled_from(["x", "x", "x", ""])
likely: st.SearchStrategy[Command] = st.one_of(
    st.builds(DepositMoney, amounts, currencies, texts),
    st.builds(WithdrawMoney, amounts, currencies, texts),
    st.builds(PlaceHold, ids, others, amounts, currencies),
    st.builds(SettleHold, ids),
    st.builds(ReleaseHold, ids),
    st.builds(CreditTransfer, ids, others, amounts, currencies),
    st.builds(SettleCredit, ids),
)
seldom: st.SearchStrategy[Command] = st.sampled_from(
    [OpenAccount("Ann", "GBP"), FreezeAccount("r"), UnfreezeAccount(), CloseAccount()]
)
START: list[Command] = [OpenAccount("Ann", "GBP"), DepositMoney(100, "GBP", "x")]
# Most accounts are opened and have money; otherwise little would ever happen to one. Hours pass between commands.
conversations = st.builds(
    lambda steps, rest: [(command, 0) for command in START[:steps]] + rest,
    st.sampled_from([0, 1, 2, 2, 2, 2]),
    st.lists(st.tuples(likely | likely | seldom, st.integers(0, 60).map(lambda hours: hours * 3_600_000)), max_size=25),
)


def answered(conversation: list[tuple[Command, int]]) -> tuple[list[Event], list[Account]]:
    """What happened, and every state on the way, the blank one first."""
    happened: list[Event] = []
    passed: list[Account] = [accounts.initial]
    for command, at in conversation:
        try:
            events = accounts.decide(command, passed[-1], at)
        except Rejected:
            continue
        assert len(events) <= 1
        for event in events:
            happened.append(event)
            passed.append(accounts.evolve(passed[-1], event))
    return happened, passed


@given(conversations)
def test_what_was_accepted_replays_to_the_live_state(conversation: list[tuple[Command, int]]) -> None:
    happened, passed = answered(conversation)
    assert reduce(accounts.evolve, happened, accounts.initial) == passed[-1]


@settings(max_examples=300)
@given(conversations)
def test_money_is_never_negative_never_too_much_and_all_accounted_for(conversation: list[tuple[Command, int]]) -> None:
    happened, passed = answered(conversation)
    expected = 0
    for event, account in zip([None, *happened], passed, strict=True):
        match event:
            case MoneyDeposited(amount) | TransferCredited(_, _, amount):
                expected += amount
            case MoneyWithdrawn(amount) | HoldSettled(_, _, amount):
                expected -= amount
        assert account.balance + account.held == expected <= MOST
        assert account.balance >= 0
        assert account.held == sum(hold.amount for hold in account.holds.values()) >= 0
        assert all(each.amount > 0 for each in [*account.holds.values(), *account.credits.values()])
        assert max(len(account.holds), len(account.credits)) <= LIMITS.open_per_account
        assert account.held_that_day <= LIMITS.account_per_day
        assert account.holds_that_hour <= LIMITS.account_per_hour


@given(conversations)
def test_a_transfer_s_command_that_comes_twice_counts_once(conversation: list[tuple[Command, int]]) -> None:
    twice = [step for step in conversation for _ in range(2 if isinstance(step[0], ONCE) else 1)]
    assert answered(twice) == answered(conversation)


ONCE = (SettleHold, ReleaseHold, SettleCredit, CreditTransfer, PlaceHold)


@given(conversations)
def test_an_account_that_is_not_open_only_ends_what_is_under_way(conversation: list[tuple[Command, int]]) -> None:
    happened, passed = answered(conversation)
    for event, before in zip(happened, passed, strict=False):
        if before.status in ("frozen", "closed"):
            assert type(event).__name__ in ("AccountUnfrozen", "HoldSettled", "HoldReleased", "CreditSettled")


def test_conversations_reach_every_status_and_every_event() -> None:
    statuses: set[str] = set()
    kinds: set[str] = set()

    @settings(max_examples=500, derandomize=True, database=None)
    @given(conversations)
    def talk(conversation: list[tuple[Command, int]]) -> None:
        happened, passed = answered(conversation)
        statuses.update(account.status for account in passed)
        kinds.update(type(event).__name__ for event in happened)

    talk()
    assert statuses == {"blank", "open", "frozen", "closed"}
    assert kinds == {kind.__name__ for kind in accounts.event_types}
