"""What a reactor's processes need on the brokers."""

from headrace.kafka.rights import Rights, reads, reads_and_writes, takes_part, transacts, writes
from headrace.kernel.app import App
from headrace.kernel.reactor import Reactor


def group_of(reactor_name: str) -> str:
    """The consumer group of a reactor's processes; with a dot and the slot, their transactional ids."""
    return f"headrace.react.{reactor_name}"


def reactor_rights(app: App, reactor: Reactor) -> Rights:
    """Events and outcomes in, commands out; its own two topics both ways."""
    group = group_of(reactor.name)
    sources = [app.aggregate(name).event_topic for name in reactor.events]
    sources += [app.aggregate(name).outcome_topic for name in reactor.answers]
    targets = [app.aggregate(name).command_topic for name in reactor.targets(app.aggregates)]
    needed = (
        *reads(*sources), *writes(*targets), *reads_and_writes(*reactor.topics), *takes_part(group), transacts(group)
    )  # fmt: skip
    return Rights(f"react-{reactor.name}", f"react {reactor.name}", needed)
