"""What an amount, a currency, an id and a text may be, and how one that is not is refused."""

from typing import Final

from headrace.kernel.errors import Rejected

LARGEST_AMOUNT: Final = 2**53 - 1
"""In minor units: what every JSON reader keeps exactly."""
LONGEST_TEXT: Final = 500
LONGEST_ID: Final = 200
"""In characters: what the engine takes as the id of an aggregate."""


class AmountNotPositive(Rejected):
    """An amount is at least 1 minor unit."""


class AmountTooLarge(Rejected):
    """An amount is at most 9007199254740991 minor units."""


class CurrencyInvalid(Rejected):
    """A currency is three capital letters, such as GBP."""


class IdInvalid(Rejected):
    """The id of an account or of a transfer has 1 to 200 characters, and NUL is none of them."""


class BlankText(Rejected):
    """An owner, a reference, a reason and the name of a person are not blank."""


class TextTooLong(Rejected):
    """A text has at most 500 characters."""


class TextNotStorable(Rejected):
    """A text holds a NUL character, which no text column of the database takes."""


def check_amount(amount: int) -> None:
    """Refuse what is not 1 to 2^53-1 minor units."""
    if amount < 1:
        raise AmountNotPositive
    if amount > LARGEST_AMOUNT:
        raise AmountTooLarge


def check_currency(currency: str) -> None:
    """Refuse what is not three capital letters."""
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()):  # noqa: PLR2004
        raise CurrencyInvalid


def check_id(name: str) -> None:
    """Refuse what cannot be the id of an account or a transfer."""
    if not 1 <= len(name) <= LONGEST_ID or "\0" in name:
        raise IdInvalid


def check_text(text: str) -> None:
    """Refuse a text that says nothing, or that cannot be kept."""
    if not text.strip():
        raise BlankText
    if len(text) > LONGEST_TEXT:
        raise TextTooLong
    if "\0" in text:
        raise TextNotStorable
