"""What an aggregate's handlers need on the brokers."""

from typing import Any

from headrace.kafka.rights import Rights, reads, reads_and_writes, takes_part, transacts
from headrace.kernel.aggregate import Aggregate


def group_of(aggregate_name: str) -> str:
    """The consumer group of an aggregate's handlers; with a dot and the slot, their transactional ids."""
    return f"headrace.handle.{aggregate_name}"


def handler_rights(aggregate: Aggregate[Any, Any, Any]) -> Rights:
    """Commands in; events, outcomes and parked out, which a takeover reads as well."""
    group = group_of(aggregate.name)
    own = (aggregate.event_topic, aggregate.outcome_topic, aggregate.parked_topic)
    needed = (*reads(aggregate.command_topic), *reads_and_writes(*own), *takes_part(group), transacts(group))
    return Rights(f"handle-{aggregate.name}", f"handle {aggregate.name}", needed)
