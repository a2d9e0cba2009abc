"""The consumer groups that an app's services form, and what each reads; what the watch needs to look at them."""

from typing import Final

from headrace.handler import rights as handler
from headrace.kafka.rights import Right, Rights, reads, reads_alone
from headrace.kafka.topics import Owner
from headrace.kernel.app import AUDIT, BUILT_IN, App
from headrace.projector import rights as projector
from headrace.projector.kind import kind_of
from headrace.reactor import rights as reactor
from headrace.reactor.loop import sources_of

OPTIONAL: Final = frozenset({projector.group_of(AUDIT)})
"""Groups that not everybody runs: missed only where they once ran."""


def groups_of(app: App) -> dict[str, list[str]]:
    """The topics of each group, by the group's name; whether it runs anywhere is another question."""
    return workers_of(app) | projectors_of(app)


def workers_of(app: App) -> dict[str, list[str]]:
    """Those of handlers and reactors, which stand where their committed offsets say."""
    groups = {handler.group_of(each.name): [each.command_topic] for each in app.aggregates}
    return groups | {reactor.group_of(each.name): [*sources_of(app, each), each.timer_topic] for each in app.reactors}


def projectors_of(app: App) -> dict[str, list[str]]:
    """Those of projectors, which stand where Postgres says."""
    kinds = [kind_of(app, name) for name in (*(view.name for view in app.views), *BUILT_IN)]
    return {projector.group_of(kind.name): kind.topics for kind in kinds}


def sources_of_groups(app: App) -> dict[str, list[str]]:
    """What each group works off. Timers' topics are none of it: whoever takes one over reads all of it anew."""
    timers = {each.timer_topic for each in app.reactors}
    return {group: [topic for topic in topics if topic not in timers] for group, topics in groups_of(app).items()}


def topics_of(app: App) -> list[str]:
    """All topics of an app."""
    owners: tuple[Owner, ...] = (*app.aggregates, *app.reactors)
    return [topic for owner in owners for topic in owner.topics]


def watch_rights(app: App) -> Rights:
    """A look at everything, and the first record that waits for a group: when it was appended."""
    topics = topics_of(app)
    read = {topic for sources in sources_of_groups(app).values() for topic in sources}
    looked_at = (Right("topic", topic, ("DESCRIBE", "DESCRIBE_CONFIGS")) for topic in topics if topic not in read)
    groups = (Right("group", name, ("DESCRIBE",)) for name in groups_of(app))
    needed = (*reads(*(topic for topic in topics if topic in read)), *looked_at, *groups, reads_alone())
    return Rights("watch", "watch", needed)
