"""Tests of which `make test` runs the worst cases only, and `make chaos` the others."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

import pytest


def for_each(
    argument: str, cases: Iterable[Any], short: Collection[Any], name: Callable[[Any], str | None] = lambda _: None
) -> Any:
    """A test for each case, called `name(case)`, or as pytest does; those not in `short` run by `make chaos` only."""
    return pytest.mark.parametrize(
        argument,
        [pytest.param(case, id=name(case), marks=() if case in short else pytest.mark.chaos) for case in cases],
    )
