"""Tests of which `make test` runs the worst cases only, and `make chaos` the others."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def for_each(argument: str, cases: Iterable[Any], short: Collection[Any]) -> Any:
    """A test for each of the cases; those that are not in `short` run by `make chaos` only."""
    return pytest.mark.parametrize(
        argument, [pytest.param(case, marks=() if case in short else pytest.mark.chaos) for case in cases]
    )
