"""Which names a new domain cannot have: its text would not be Python, or SQL, or would mean something else."""

import io
import keyword
import tokenize
from collections.abc import Iterable
from typing import Final

from headrace.kernel.aggregate import refuse_bad_name
from headrace.kernel.app import BUILT_IN
from headrace.kernel.errors import Misconfigured

RESERVED_BY_SQL: Final = """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
    column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
    current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze
    from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit
    localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references
    returning right select session_user similar some symmetric system_user table tablesample then to trailing true union
    unique user using variadic verbose when where window with
"""
"""What Postgres takes for no table's name; a test compares."""
OWN: Final = ("thing", "Thing", "THING")


def refuse_names(name: str, singular: str, template: Iterable[str]) -> None:
    """`Misconfigured` for names with which the text of the template, module by module, would not work."""
    refuse_bad_name("domain", name)
    refuse_bad_name("singular", singular)
    if name in BUILT_IN:
        raise Misconfigured(f"{name!r} is a projector of Headrace's own: take another name")
    if name in RESERVED_BY_SQL.split() or name.startswith("pg_"):
        raise Misconfigured(f"{name!r} is a word of SQL's own, and cannot name a table: take another name")
    if name == singular:
        raise Misconfigured(f"{name!r} would name one and many alike: give the one another name with --singular")
    used = set().union(*map(_words, template)) | {"tests"}
    for option, word in (("", name), (" with --singular", singular)):
        if {word, class_of(word)} & {*keyword.kwlist}:
            raise Misconfigured(f"{word!r} is a word of Python's own: take another name{option}")
        if {word, class_of(word)} & used:
            raise Misconfigured(f"{word!r} means something else in what would be written: take another name{option}")


def class_of(name: str) -> str:
    """The name of a class, as Python's are."""
    return "".join(word.capitalize() for word in name.split("_"))


def _words(code: str) -> set[str]:
    """The names in a module, without those that are to be replaced."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return {it.string for it in tokens if it.type == tokenize.NAME and not any(own in it.string for own in OWN)}
