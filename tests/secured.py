"""A broker on which every service has a user, a password and rights of its own."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from headrace.kafka.rights import Right
from headrace.local import LocalKafka
from headrace.local.secured import Secured
from servers import readable_folder

KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional id": ResourceType.TRANSACTIONAL_ID,
}


def password_of(user: str) -> str:
    return f"secret-of-{user}"


@contextmanager
def secured_kafka(users: Iterable[str]) -> Iterator[LocalKafka]:
    """Who comes by `bootstrap_servers` may do everything; by `secured_servers`, what he was granted."""
    with readable_folder() as folder:
        kafka = LocalKafka(folder / "kafka", secured=Secured({user: password_of(user) for user in users}))
        try:
            yield kafka.start()
        finally:
            kafka.kill()


def login(kafka: LocalKafka, user: str) -> dict[str, str]:
    """The environment of a service of that user."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.secured_servers,
        "KAFKA_CLIENT__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_CLIENT__SASL_MECHANISM": "PLAIN",
        "KAFKA_CLIENT__SASL_USERNAME": user,
        "KAFKA_CLIENT__SASL_PASSWORD": password_of(user),
    }


def _bindings(user: str, rights: Iterable[Right]) -> list[AclBinding]:
    return [
        AclBinding(
            KINDS[right.resource],
            right.name,
            ResourcePatternType.PREFIXED if right.is_prefix else ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            AclOperation[operation],
            AclPermissionType.ALLOW,
        )
        for right in rights
        for operation in right.operations
    ]


def grant(admin: AdminClient, user: str, rights: Iterable[Right]) -> None:
    for future in admin.create_acls(_bindings(user, rights)).values():
        future.result()


def revoke(admin: AdminClient, user: str, right: Right) -> None:
    for binding in _bindings(user, [right]):
        wanted = AclBindingFilter(
            binding.restype, binding.name, binding.resource_pattern_type, binding.principal, binding.host,
            binding.operation, binding.permission_type,
        )  # fmt: skip
        for future in admin.delete_acls([wanted]).values():
            assert len(future.result()) == 1
