"""What must be so before anything is sent: servers, topics, tables, and services that will answer."""

from typing import Any, Final

import psycopg
from confluent_kafka import KafkaException

from headrace.app import shop
from headrace.handler.rights import group_of as handlers_of
from headrace.kafka.clients import REQUEST_TIMEOUT_S, admin_client
from headrace.kafka.topics import refuse_other_topics
from headrace.kernel.app import JOURNAL
from headrace.kernel.errors import Fault, Misconfigured
from headrace.postgres.connection import connect
from headrace.postgres.schema import refuse_unmigrated
from headrace.projector.rights import group_of as projectors_of
from headrace.settings import Settings

DOMAIN: Final = "orders"
VIEW: Final = "orders"


def services_needed() -> dict[str, str]:
    """The consumer groups that must have members, and the command that starts one."""
    return {
        handlers_of(DOMAIN): f"headrace handle {DOMAIN}",
        projectors_of(shop.view(VIEW).schema): f"headrace project {VIEW}",
        projectors_of(JOURNAL): f"headrace project {JOURNAL}",
    }


def check(settings: Settings) -> None:
    """Return when all is there that a run needs; `Misconfigured` says what is not."""
    try:
        admin = admin_client(settings)
        refuse_other_topics(admin, (shop.aggregate(DOMAIN),), settings)
        with connect(settings, "headrace load") as connection:
            refuse_unmigrated(connection, (shop.view(VIEW),))
        _refuse_idle(admin)
    except (Fault, psycopg.Error, KafkaException) as error:
        raise Misconfigured(f"nothing was sent: {' '.join(str(error).split())}") from error


def _refuse_idle(admin: Any) -> None:
    """A run that nobody answers would only fill a topic."""
    needed = services_needed()
    found = admin.describe_consumer_groups(list(needed), request_timeout=REQUEST_TIMEOUT_S)
    idle = [command for group, command in needed.items() if not _has_members(found[group])]
    if idle:
        raise Misconfigured(
            f"nobody does {', '.join(f'`{command}`' for command in idle)}: start it, or run with --local"
        )


def _has_members(future: Any) -> bool:
    try:
        return bool(future.result().members)
    except KafkaException:  # there never was such a group
        return False
