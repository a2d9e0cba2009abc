"""Programs that tests ask for by name; without them a test fails in CI, and says elsewhere what it lacks."""

import os
from pathlib import Path

import pytest

from headrace.local.debian import debian_program
from headrace.local.process import LocalServerError


def program(package: str, name: str) -> Path:
    """The program of a Debian package, fetched where it is not installed."""
    try:
        return debian_program(package, name)
    except LocalServerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
