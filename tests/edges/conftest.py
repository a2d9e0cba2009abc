"""Settings for the session's broker, and a client that asks it."""

import pytest
from confluent_kafka.admin import AdminClient

from headrace.kafka.clients import admin_client
from headrace.settings import Settings
from servers import Kafka


@pytest.fixture
def settings(kafka: Kafka) -> Settings:
    return Settings(KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap_servers, HEADRACE_PROFILE="local")


@pytest.fixture
def admin(settings: Settings) -> AdminClient:
    return admin_client(settings)
