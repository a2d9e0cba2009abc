"""The consumer groups that an app's services form, and what each reads; what the watch needs to look at them."""

from headrace.handler import rights as handler
from headrace.kafka.rights import Right, Rights
from headrace.kafka.topics import Owner
from headrace.kernel.app import BUILT_IN, App
from headrace.projector import rights as projector
from headrace.projector.kind import kind_of
from headrace.reactor import rights as reactor
from headrace.reactor.loop import sources_of


def groups_of(app: App) -> dict[str, list[str]]:
    """The topics of each group, by the group's name; whether it runs anywhere is another question."""
    groups = {handler.group_of(each.name): [each.command_topic] for each in app.aggregates}
    groups |= {reactor.group_of(each.name): [*sources_of(app, each), each.timer_topic] for each in app.reactors}
    kinds = [kind_of(app, name) for name in (*(view.name for view in app.views), *BUILT_IN)]
    return groups | {projector.group_of(kind.name): kind.topics for kind in kinds}


def topics_of(app: App) -> list[str]:
    """All topics of an app."""
    owners: tuple[Owner, ...] = (*app.aggregates, *app.reactors)
    return [topic for owner in owners for topic in owner.topics]


def watch_rights(app: App) -> Rights:
    """A look at everything, and no record."""
    topics = (Right("topic", name, ("DESCRIBE", "DESCRIBE_CONFIGS")) for name in topics_of(app))
    groups = (Right("group", name, ("DESCRIBE",)) for name in groups_of(app))
    return Rights("watch", "watch", (*topics, *groups))
