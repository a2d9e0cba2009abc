"""What a service may do on the brokers: the least that it needs, stated once, and asked of the brokers at its start.

Each service states its own beside its code; `headrace acls` lists them for those who grant them.
"""

import time
from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient
from msgspec import Struct

from headrace.kafka.clients import READERS, REQUEST_TIMEOUT_S
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.errors import Misconfigured

Operation: TypeAlias = Literal["READ", "WRITE", "CREATE", "DESCRIBE", "DESCRIBE_CONFIGS"]
Resource: TypeAlias = Literal["topic", "group", "transactional id"]

DENIED: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED})
MOVING: Final = frozenset(
    {KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR}
)
PAUSE_S: Final = 0.2


class Right(Struct, frozen=True):
    """Operations on one resource; with `is_prefix` on all whose names begin so. READ and WRITE include DESCRIBE."""

    resource: Resource
    name: str
    operations: tuple[Operation, ...]
    is_prefix: bool = False


class Rights(Struct, frozen=True):
    """What one service needs: `service` names it, `command` starts it."""

    service: str
    command: str
    needed: tuple[Right, ...]

    @property
    def topics(self) -> list[str]:
        """The topics that it touches."""
        return [right.name for right in self.needed if right.resource == "topic"]


def reads(*topics: str) -> list[Right]:
    """A topic's records and its settings."""
    return [Right("topic", topic, ("READ", "DESCRIBE_CONFIGS")) for topic in topics]


def writes(*topics: str) -> list[Right]:
    """Appends, after a look at the topic's settings."""
    return [Right("topic", topic, ("WRITE", "DESCRIBE_CONFIGS")) for topic in topics]


def reads_and_writes(*topics: str) -> list[Right]:
    """Both."""
    return [Right("topic", topic, ("READ", "WRITE", "DESCRIBE_CONFIGS")) for topic in topics]


def sends(aggregate: Aggregate[Any, Any, Any]) -> Rights:
    """What a client needs that sends an aggregate's commands and waits for their outcomes."""
    outcomes = Right("topic", aggregate.outcome_topic, ("READ",))
    commands = Right("topic", aggregate.command_topic, ("WRITE",))
    return Rights(f"send-{aggregate.name}", f"send {aggregate.name}", (commands, outcomes, reads_alone()))


def reads_alone() -> Right:
    """Readers outside of groups have the name of one all the same, and clients ask where it is coordinated."""
    return Right("group", READERS, ("DESCRIBE",), is_prefix=True)


def takes_part(group: str) -> list[Right]:
    """Being a member of a consumer group, and committing its offsets."""
    return [Right("group", group, ("READ",)), reads_alone()]


def transacts(group: str) -> Right:
    """Transactions of all slots: each has a transactional id of its own, `<group>.<HEADRACE_SLOT>`."""
    return Right("transactional id", f"{group}.", ("WRITE",), is_prefix=True)


def refuse_missing_rights(admin: AdminClient, rights: Rights, instance: str) -> None:
    """`Misconfigured` names what this client's user may not do, as far as the brokers tell.

    They tell of topics that exist and of groups; a transactional id is refused when it is taken. Brokers without an
    authorizer allow everything.
    """
    missing = [*_denied_topics(admin, rights), *_denied_groups(admin, rights, instance)]
    if missing:
        raise lacking(", ".join(missing), rights.service)


def lacking(what: str, service: str = "") -> Misconfigured:
    """The one line about rights that a user does not have."""
    asked = f"headrace acls --service {service}" if service else "headrace acls"
    return Misconfigured(f"Kafka does not let this user {what}: grant it, as `{asked}` lists the rights")


def _denied_topics(admin: AdminClient, rights: Rights) -> Iterable[str]:
    wanted = {right.name: right for right in rights.needed if right.resource == "topic"}
    asked = admin.describe_topics(
        TopicCollection(list(wanted)), include_authorized_operations=True, request_timeout=REQUEST_TIMEOUT_S
    )
    for name, future in asked.items():
        try:
            yield from _denied(wanted[name], future.result().authorized_operations)
        except KafkaException as error:
            if error.args[0].code() in DENIED:
                yield from _denied(wanted[name], [])


def _denied_groups(admin: AdminClient, rights: Rights, instance: str) -> Iterable[str]:
    for right in rights.needed:
        if right.resource == "group":
            name = f"{right.name}{instance}" if right.is_prefix else right.name
            yield from _denied(right, _allowed_on_group(admin, name))


def _allowed_on_group(admin: AdminClient, name: str) -> Any:
    """The operations, none when not even this may be asked; None when the brokers do not tell."""
    deadline = time.monotonic() + REQUEST_TIMEOUT_S
    while True:
        asked = admin.describe_consumer_groups(
            [name], include_authorized_operations=True, request_timeout=REQUEST_TIMEOUT_S
        )
        try:
            return asked[name].result().authorized_operations
        except KafkaException as error:
            if error.args[0].code() in DENIED:
                return []
            # Its coordinator may be on the move; if it stays away, the group's members will tell.
            if error.args[0].code() not in MOVING or time.monotonic() > deadline:
                return None
        time.sleep(PAUSE_S)


def _denied(right: Right, allowed: Any) -> list[str]:
    """The operations of a right that are not allowed, each with its resource."""
    if allowed is None:
        return []
    names = {AclOperation(operation).name for operation in allowed}
    return [
        f"{operation} {right.resource} {right.name}{'*' if right.is_prefix else ''}"
        for operation in right.operations
        if operation not in names
    ]
