"""How a transfer says no; what is wrong with an amount, a currency, an id or a text by itself says `accounts.money`."""

from headrace.kernel.errors import Rejected


class AlreadyRequested(Rejected):
    """The transfer was requested before."""


class UnknownTransfer(Rejected):
    """There is no such transfer: request it first."""


class SameAccount(Rejected):
    """A transfer goes from one account to another."""


class TransferTooLarge(Rejected):
    """The amount is more than a single transfer may move."""


class DeadlinePassed(Rejected):
    """The deadline is not after the request."""


class DeadlineTooFar(Rejected):
    """The deadline is at most 366 days after the request."""


class NotAwaitingReview(Rejected):
    """The transfer does not wait for a review."""


class SelfApproval(Rejected):
    """Who requested a transfer does not review it: that is for a second person."""


class NothingAskedFor(Rejected):
    """Nothing that the transfer waits for, or has waited for, has that answer."""


class TransferEnded(Rejected):
    """The transfer has ended: no money is to be set aside for it any more."""


class NotDueYet(Rejected):
    """The deadline of the transfer has not come yet."""


class TooLateToExpire(Rejected):
    """The money was set aside before the deadline, or the transfer has ended."""
