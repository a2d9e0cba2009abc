"""The shipped contracts, read once."""

import pytest
from hypothesis import settings

from headrace.avro.codec import Codec
from headrace.avro.contract import Catalogue
from messages import shipped_catalogue, shipped_codec

# A busy machine is not a wrong answer.
settings.register_profile("headrace", deadline=None)
settings.load_profile("headrace")


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return shipped_catalogue()


@pytest.fixture(scope="session")
def codec() -> Codec:
    return shipped_codec()
