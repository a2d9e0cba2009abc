"""What a command took of the fields that it was given: nothing is dropped without a word."""

from typing import Any

from msgspec import Struct

LONG = range(-(2**63), 2**63)


def difference(given: Any, kept: Any, path: str) -> str:
    """What the command did not take, or what its record cannot hold; empty when all is well.

    `kept` is the command, or what it holds at that place; `given` has fields by the names that records have.
    """
    if isinstance(kept, Struct):
        kept = _by_name(kept)
    if isinstance(kept, int) and kept not in LONG:
        return f"{path} is out of the range of 64 bits"
    if isinstance(given, dict) and isinstance(kept, dict):
        unknown = [name for name in given if name not in kept]
        if unknown:
            return f"{path} has no {unknown[0]!r}"
        return next(filter(None, (difference(given[name], kept[name], f"{path}.{name}") for name in given)), "")
    if isinstance(given, list) and isinstance(kept, (list, tuple)):
        pairs = enumerate(zip(given, kept, strict=True))
        return next(filter(None, (difference(*pair, f"{path}[{place}]") for place, pair in pairs)), "")
    return ""


def _by_name(record: Struct) -> dict[str, Any]:
    """All fields of a record, those that are as by default too, and its tag if it has one."""
    config = record.__struct_config__
    names = zip(record.__struct_encode_fields__, record.__struct_fields__, strict=True)
    fields = {known_as: getattr(record, name) for known_as, name in names}
    return fields if config.tag_field is None else fields | {config.tag_field: config.tag}
