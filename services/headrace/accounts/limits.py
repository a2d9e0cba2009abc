"""How much a bank lets through, and from where on a second person looks at it."""

from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from headrace.accounts.money import LARGEST_AMOUNT

LONGEST_WAIT_HOURS: Final = 366 * 24
"""The latest deadline of a transfer, counted from its request."""

Amount: TypeAlias = Annotated[int, Meta(ge=0, le=LARGEST_AMOUNT)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=LARGEST_AMOUNT)]


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of transfers: amounts in minor units of whatever currency it is, times by the log, in UTC."""

    single_transfer: Amount = 1_000_000_000
    """Of one transfer."""
    account_per_day: Amount = 10_000_000_000
    """What one account may hold back for transfers in a calendar day; what is released later counts too."""
    account_per_hour: Count = 100_000
    """How many transfers may leave one account in an hour of the clock; likewise."""
    open_per_account: Annotated[int, Meta(ge=1, le=5_000)] = 1_000
    """How many transfers may be under way from one account, and to it: each event of an account repeats them all."""
    review_above: Amount = 1_000_000
    """Transfers of more wait for a second person."""
    review_hours: Annotated[int, Meta(ge=1, le=LONGEST_WAIT_HOURS)] = 24
    """The deadline of a transfer that names none, in hours after its request."""
