"""What a command took of the fields that it was given: nothing is dropped without a word."""

from typing import Any

LONG = range(-(2**63), 2**63)


def difference(given: Any, kept: Any, path: str) -> str:
    """What the command did not take, or what its record cannot hold; empty when all is well.

    `kept` is the command's part in builtins, which has lists where its class has them, and tuples where it has those.
    """
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
