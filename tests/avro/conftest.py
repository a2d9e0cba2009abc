"""The shipped contracts, read once."""

import pytest

from headrace.avro.codec import Codec
from headrace.avro.contract import Catalogue
from messages import shipped_catalogue, shipped_codec


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return shipped_catalogue()


@pytest.fixture(scope="session")
def codec() -> Codec:
    return shipped_codec()
