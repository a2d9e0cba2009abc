"""The shipped contracts, read once, and either way to read and write records: tests of one are tests of the other."""

import pytest

from headrace.app import app
from headrace.avro.codec import Codec
from headrace.avro.contract import Catalogue
from headrace.avro.functions import COMPILED, PYTHON, Functions
from messages import shipped_catalogue


@pytest.fixture(scope="session", params=[PYTHON, COMPILED] if COMPILED else [PYTHON], ids=lambda by: by.name)
def by(request: pytest.FixtureRequest) -> Functions:
    found: Functions = request.param
    return found


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return shipped_catalogue()


@pytest.fixture(scope="session")
def codec(by: Functions) -> Codec:
    return Codec(app, shipped_catalogue(), functions=by)
