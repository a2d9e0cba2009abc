"""The shipped application, running, for each fault."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from running import Running, running
from servers import Kafka


@pytest.fixture
def shop(kafka: Kafka, database: str, tmp_path: Path) -> Iterator[Running]:
    """Topics and tables of the shipped app; the test starts the services."""
    with running(kafka.bootstrap_servers, database, tmp_path) as heart:
        yield heart
