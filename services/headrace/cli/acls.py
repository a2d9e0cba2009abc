"""`headrace acls`: the least rights on Kafka that each service needs, for those who grant them."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from headrace.cli.options import SHIPPED, AppPath, load_app, print_json, print_table
from headrace.handler.rights import handler_rights
from headrace.kafka.rights import Right, Rights, reads, reads_alone, sends
from headrace.kafka.topics import Owner
from headrace.kernel.app import BUILT_IN, App
from headrace.kernel.errors import Misconfigured
from headrace.projector.kind import kind_of
from headrace.projector.rights import projector_rights
from headrace.reactor.rights import reactor_rights
from headrace.watch.groups import watch_rights

STRIMZI = {"topic": "topic", "group": "group", "transactional id": "transactionalId"}


class Format(StrEnum):
    """How they are printed."""

    TABLE = "table"
    JSON = "json"
    STRIMZI = "strimzi"


def acls(
    service: Annotated[
        list[str] | None, typer.Option(help="Only this one, as the list names it; may be given again.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="strimzi: KafkaUser manifests.")] = Format.TABLE,
    cluster: Annotated[str, typer.Option(help="With strimzi: the Kafka cluster's name.")] = "headrace",
    app_path: AppPath = SHIPPED,
) -> None:
    """List the least rights on Kafka that each service of the app needs; none needs any on the cluster itself.

    READ and WRITE include DESCRIBE. A transactional id is the service's group, a dot and HEADRACE_SLOT.
    """
    chosen = _chosen(service or [], every_service(load_app(app_path)))
    if form is Format.JSON:
        print_json([_as_json(rights) for rights in chosen])
    elif form is Format.STRIMZI:
        typer.echo("\n".join("\n".join(kafka_user(rights, cluster)) for rights in chosen))
    else:
        rows = [[rights.service, *_as_row(right)] for rights in chosen for right in rights.needed]
        print_table(("service", "resource", "name", "operations"), rows)


def every_service(app: App) -> list[Rights]:
    """The rights of all services of an app, then those of the tools that are run beside them."""
    owners: tuple[Owner, ...] = (*app.aggregates, *app.reactors)
    topics = [topic for owner in owners for topic in owner.topics]
    services = [
        *(handler_rights(aggregate) for aggregate in app.aggregates),
        *(reactor_rights(app, reactor) for reactor in app.reactors),
        *(projector_rights(kind_of(app, name)) for name in (*(view.name for view in app.views), *BUILT_IN)),
    ]
    groups = [right.name for rights in services for right in rights.needed if right.operations == ("READ",)]
    positions = [Right("group", name, ("DESCRIBE",)) for name in (*groups, "headrace.verify")]
    created = [Right("topic", topic, ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS")) for topic in topics]
    return [
        *services,
        watch_rights(app),
        *(sends(aggregate) for aggregate in app.aggregates),
        Rights("topics", "topics create", tuple(created)),
        Rights("verify", "verify", (*reads(*topics), reads_alone(), *positions)),
    ]


def _chosen(names: list[str], known: list[Rights]) -> list[Rights]:
    found = {rights.service: rights for rights in known}
    if unknown := [name for name in names if name not in found]:
        raise Misconfigured(f"no service is called {', '.join(unknown)}; the app has: {', '.join(found)}")
    return [found[name] for name in names] or known


def _as_row(right: Right) -> tuple[str, str, str]:
    return right.resource, f"{right.name}{'*' if right.is_prefix else ''}", " ".join(right.operations)


def _as_json(rights: Rights) -> dict[str, Any]:
    transacts = [right.name for right in rights.needed if right.resource == "transactional id"]
    return {
        "service": rights.service,
        "command": f"headrace {rights.command}",
        "transactional_id": f"{transacts[0]}<HEADRACE_SLOT>" if transacts else None,
        "acls": [
            {
                "resource": right.resource.replace(" ", "_"),
                "name": right.name,
                "pattern": "prefixed" if right.is_prefix else "literal",
                "operations": right.operations,
            }
            for right in rights.needed
        ],
    }


def kafka_user(rights: Rights, cluster: str) -> Iterator[str]:
    """The lines of one manifest."""
    yield "---"
    yield f"# headrace {rights.command}"
    yield "apiVersion: kafka.strimzi.io/v1"
    yield "kind: KafkaUser"
    yield "metadata:"
    yield f"  name: headrace-{rights.service.replace('_', '-')}"
    yield "  labels:"
    yield f"    strimzi.io/cluster: {cluster}"
    yield "spec:"
    yield "  authentication:"
    yield "    type: scram-sha-512"
    yield "  authorization:"
    yield "    type: simple"
    yield "    acls:"
    for right in rights.needed:
        yield "      - resource:"
        yield f"          type: {STRIMZI[right.resource]}"
        yield f"          name: {right.name}"
        yield f"          patternType: {'prefix' if right.is_prefix else 'literal'}"
        yield f"        operations: [{', '.join(_camel(operation) for operation in right.operations)}]"


def _camel(operation: str) -> str:
    """DESCRIBE_CONFIGS is Strimzi's DescribeConfigs."""
    return operation.title().replace("_", "")
