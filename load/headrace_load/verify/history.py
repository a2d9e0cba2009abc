"""Checks of the events by themselves: their versions, their copy in the journal, what their meta claims."""

from collections.abc import Iterator

from headrace_load.verify.parking import by_key
from headrace_load.verify.records import Command, Event, Partition
from headrace_load.verify.report import Check

JOURNAL = "journal"


def versions(part: Partition, check: Check) -> None:
    """Each aggregate's versions are 1..n in the journal, rising in offset order; the topic goes on from there.

    A gap behind the journal's end is one, too: a journal that stops at it could not tell of it.
    """
    newest: dict[str, Event] = {}
    journaled: dict[str, int] = {}
    for event in part.events:
        before = newest.get(event.aggregate_id)
        if before is not None and event.version <= before.version:
            check.problem(
                f"{part.place('events', event.offset)}: {event.aggregate_id} has version {event.version} again, after "
                f"version {before.version} (commands {event.command_id} and {before.command_id})"
            )
            continue
        newest[event.aggregate_id] = event
        if event.in_journal:
            reached = journaled.get(event.aggregate_id, 0)
            journaled[event.aggregate_id] = event.version
            if event.version != reached + 1:
                check.problem(
                    f"{event.aggregate_id}: the journal goes from version {reached} to {event.version} at offset "
                    f"{event.offset} of {part.domain}.events[{part.number}]"
                )
        elif event.version != (before.version if before else 0) + 1:
            check.problem(
                f"{part.place('events', event.offset)}: {event.aggregate_id} goes from version "
                f"{before.version if before else 0} to {event.version}, and the journal has nothing in between"
            )
    check.count(events=len(part.events), aggregates=len(newest))


def journal(part: Partition, check: Check) -> None:
    """The journal and the topic hold the same events; only what compaction may remove is in the journal alone."""
    checkpoint = part.checkpoints.get(JOURNAL)
    reached = checkpoint.next_offset if checkpoint else 0
    newest = {event.aggregate_id: event.offset for event in part.events}
    for event in part.events:
        for difference in event.differences:
            check.problem(f"{part.of_event(event)}: {difference}")
        if not event.in_journal and event.offset < reached:
            check.problem(
                f"{part.of_event(event)} is missing in the journal, which claims to hold all below offset {reached}"
            )
        if event.in_topic or newest[event.aggregate_id] != event.offset:
            continue
        if event.aggregate_id not in part.erased:
            check.problem(
                f"{part.of_event(event)} is in the journal and not in the topic, although nothing newer replaces it "
                f"there"
            )
    check.count(
        in_topic=sum(event.in_topic for event in part.events),
        in_journal=sum(event.in_journal for event in part.events),
        compared=sum(event.in_topic and event.in_journal for event in part.events),
    )


def facts(part: Partition, check: Check) -> None:
    """Each event's ids and times follow from its command, and commands do not go backwards.

    A command that was parked may be redriven long after later ones of other aggregates.
    """
    parked = by_key(part)
    commands = {command.offset: command for command in part.commands}
    command_offset = -1
    with_command = 0
    for event in part.events:
        if event.command_offset < command_offset and event.command_offset not in parked:
            place = part.place("events", event.offset)
            check.problem(f"{place}: its command offset is {event.command_offset}, after {command_offset}")
        command_offset = max(command_offset, event.command_offset)
        command = commands.get(event.command_offset)
        with_command += command is not None
        for problem in _wrong_facts(part, event, command):
            check.problem(f"{part.place('events', event.offset)}: {problem}")
    check.count(events=len(part.events), with_command=with_command)


def _wrong_facts(part: Partition, event: Event, command: Command | None) -> Iterator[str]:
    if event.strange_id:
        yield f"its event id is {event.strange_id!r}, not {f'{part.domain}/{event.aggregate_id}/{event.version}'!r}"
    if command is None:
        return
    if event.occurred_at != command.log_time:
        yield f"it occurred at {event.occurred_at}, its command was logged at {command.log_time}"
    if (event.command_id, event.aggregate_id) != (command.command_id, command.aggregate_id):
        yield (
            f"it names command {event.command_id} for {event.aggregate_id}, at offset {event.command_offset} lies "
            f"{command.command_id or 'no command'} for {command.aggregate_id or '-'}"
        )
    elif event.told != command.told:
        yield "its actor, correlation or causation is not that of its command"


def writers(part: Partition, check: Check) -> None:
    """Whoever writes has restored the partition no less far than all who wrote before, and not beyond itself."""
    restored_to, takeovers = -1, 0
    for event in part.events:
        if event.restored_to < restored_to:
            check.problem(
                f"{part.place('events', event.offset)}: its writer had restored to {event.restored_to}, an earlier one "
                f"to {restored_to}: a process wrote after another had taken over"
            )
        elif event.restored_to > restored_to:
            restored_to = event.restored_to
            takeovers += 1
        if event.restored_to > event.offset:
            check.problem(
                f"{part.place('events', event.offset)}: its writer says that it had restored to {event.restored_to}"
            )
    check.count(events=len(part.events), takeovers=takeovers)


def contracts(part: Partition, check: Check) -> None:
    """Every record that services wrote can be read."""
    for problem in part.unreadable:
        check.problem(problem)
    check.count(events=len(part.events), outcomes=len(part.outcomes), parked=len(part.parked))
