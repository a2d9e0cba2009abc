"""What a look at one thing says."""

from enum import StrEnum

from msgspec import Struct


class Verdict(StrEnum):
    """`warn` is for what goes on as it is, and should not stay so."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(Struct, frozen=True):
    """One line: what was looked at, how it is, and, unless it is well, what to do."""

    verdict: Verdict
    about: str
    what: str
    todo: str = ""


def ok(about: str, what: str) -> Finding:
    """It is well."""
    return Finding(Verdict.OK, about, what)


def warn(about: str, what: str, todo: str) -> Finding:
    """It should not stay so."""
    return Finding(Verdict.WARN, about, what, todo)


def fail(about: str, what: str, todo: str) -> Finding:
    """It is wrong."""
    return Finding(Verdict.FAIL, about, what, todo)
