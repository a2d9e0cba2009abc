"""How an account says no; what is wrong with an amount, a currency, an id or a text by itself says `money`."""

from headrace.kernel.errors import Rejected


class UnknownAccount(Rejected):
    """There is no such account: open it first."""


class AlreadyOpened(Rejected):
    """The account was opened before."""


class FrozenAccount(Rejected):
    """The account is frozen: only transfers that are under way are settled or given back."""


class AlreadyFrozen(Rejected):
    """The account is frozen already."""


class NotFrozen(Rejected):
    """The account is not frozen."""


class ClosedAccount(Rejected):
    """The account is closed."""


class BalanceNotZero(Rejected):
    """An account is closed when its balance is 0."""


class HoldsOpen(Rejected):
    """An account is closed when no money of it is set aside for transfers."""


class CurrencyMismatch(Rejected):
    """The money is not in the currency of the account."""


class InsufficientFunds(Rejected):
    """The account has less than that available."""


class BalanceTooLarge(Rejected):
    """An account holds at most 9007199254740991 minor units, what is set aside included."""


class TransferIdReused(Rejected):
    """A transfer of the same id, with another amount or another account, is under way."""


class TooManyOpen(Rejected):
    """As many transfers are under way from the account, or to it, as there may be at a time."""


class DayLimitExceeded(Rejected):
    """More would leave the account on this day (UTC) than may leave it in a day."""


class HourLimitExceeded(Rejected):
    """More transfers would leave the account in this hour than may leave it in an hour."""
