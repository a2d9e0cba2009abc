"""A small past on real servers, written once a module or anew."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from headrace_load.verify.rows import MODELS
from servers import Kafka, Postgres, fresh_database
from verify.past import Past, write_small_past
from verify.past_on_servers import (
    PARTITIONS,
    KafkaLog,
    Written,
    abort_something,
    save,
    schemas_of,
    topics_of_its_own,
)


@pytest.fixture(scope="module")
def write(
    kafka: Kafka, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Written]]:
    """Writes a past on topics and in a database of its own."""
    with ExitStack() as opened, pytest.MonkeyPatch.context() as patch:

        def write_one() -> Written:
            domain = opened.enter_context(topics_of_its_own(kafka.bootstrap_servers))
            database = opened.enter_context(fresh_database(postgres))
            patch.setitem(MODELS, domain, MODELS["orders"])
            folder, entries = schemas_of(domain, tmp_path_factory.mktemp("schemas"))
            log = KafkaLog(kafka.bootstrap_servers)
            past = Past(log, entries, domain, PARTITIONS)
            write_small_past(past)
            abort_something(past, log)
            save(past, kafka.bootstrap_servers, database)
            return Written(past, log, kafka.bootstrap_servers, database, folder)

        yield write_one


@pytest.fixture(scope="module")
def written(write: Callable[[], Written]) -> Written:
    """A past that several tests share; they change copies of its database only."""
    return write()
