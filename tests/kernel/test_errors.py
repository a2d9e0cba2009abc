"""A refusal says what it is, to programs and to people."""

import pytest

from headrace.kernel import errors
from headrace.kernel.errors import Fault, Rejected


class OutOfStock(Rejected):
    """There is none left,
    not even in the back.
    """


class Plain(OutOfStock):
    pass


def test_the_name_of_a_refusal_is_its_code() -> None:
    assert OutOfStock().code == "OutOfStock"


def test_the_docstring_of_a_refusal_is_its_message_on_one_line() -> None:
    assert OutOfStock().message == "There is none left, not even in the back."


def test_a_refusal_without_a_docstring_still_says_something() -> None:
    assert Plain().message == "Plain"


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Rejected)]
)
def test_what_the_engine_refuses_is_said_in_one_sentence(kind: type[Rejected]) -> None:
    assert kind().message
    assert "\n" not in kind().message


def test_a_refusal_is_no_fault() -> None:
    assert not issubclass(Rejected, Fault)
    assert not issubclass(Fault, Rejected)
