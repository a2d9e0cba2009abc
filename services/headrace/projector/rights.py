"""What a projector's replicas need on the brokers."""

from headrace.kafka.rights import Rights, reads, takes_part
from headrace.projector.kind import Kind


def group_of(projector: str) -> str:
    """The consumer group of a projector's replicas."""
    return f"headrace.project.{projector}"


def projector_rights(kind: Kind) -> Rights:
    """Events in, or outcomes; it writes to Postgres alone."""
    name = kind.view.name if kind.view else kind.name
    return Rights(f"project-{name}", f"project {name}", (*reads(*kind.topics), *takes_part(group_of(kind.name))))
