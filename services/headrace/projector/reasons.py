"""Why an event is set aside, in words that hold no value of it: they end in logs and tickets.

What the exception said itself is for those who look at that one event.
"""

import traceback
from pathlib import Path
from typing import Final

import psycopg

from headrace.avro.codec import Undecodable

LONGEST: Final = 500
LONGEST_SAID: Final = 1_000


def reason_class(error: Exception) -> str:
    """The name of the error's class, with its module."""
    return f"{type(error).__module__}.{type(error).__name__}"


def reason(error: Exception) -> str:
    """What went wrong and where, without the values that it went wrong with."""
    if isinstance(error, Undecodable):
        return printable(str(error))[:LONGEST]
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return _refusal(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].name}, {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def said(error: Exception) -> str:
    """The exception's own words, whatever they are made of and quote."""
    try:
        text = str(error)
    except Exception as second:  # noqa: BLE001 - the domain's class may break on this too
        text = type(second).__name__
    return printable(text[:LONGEST_SAID])


def printable(text: str) -> str:
    """The text as Postgres can hold it: without NUL and lone surrogates."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\0")


def _refusal(error: psycopg.Error) -> str:
    """What Postgres says beside its message, which may quote the row."""
    diag = error.diag
    names = {"table": diag.table_name, "column": diag.column_name, "constraint": diag.constraint_name}
    parts = [f"{what} {name}" for what, name in names.items() if name]
    return ", ".join([f"Postgres refuses the row: {type(error).__name__} ({error.sqlstate})", *parts])
