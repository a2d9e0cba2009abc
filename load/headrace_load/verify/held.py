"""Check of what projectors hold back: it is what the log has, and nothing of its key has overtaken it."""

from collections.abc import Iterator

from headrace_load.verify.records import Event, Held, Partition
from headrace_load.verify.report import Check


def held_back(part: Partition, check: Check) -> None:
    """Each held event is one of the log, below its projector's position, and everything behind it is held too."""
    events = {event.offset: event for event in part.events}
    by_key: dict[str, list[Event]] = {}
    if part.held:
        for event in part.events:
            by_key.setdefault(event.aggregate_id, []).append(event)
    for projector, held in sorted(part.held.items()):
        checkpoint = part.checkpoints.get(projector)
        reached = checkpoint.next_offset if checkpoint else 0
        firsts: dict[str, int] = {}
        for one in held:
            firsts.setdefault(one.aggregate_id, one.offset)
            for problem in _wrong(one, events.get(one.offset), reached):
                check.problem(f"{projector} holds {part.place('events', one.offset)} ({one.aggregate_id}): {problem}")
        offsets = {one.offset for one in held}
        for key, first in firsts.items():
            for event in by_key.get(key, ()):
                if first < event.offset < reached and event.offset not in offsets:
                    check.problem(
                        f"{projector} holds {key} from offset {first} on, and not "
                        f"{part.place('events', event.offset)} behind it"
                    )
        check.count(held=len(held), keys=len(firsts))


def _wrong(held: Held, event: Event | None, reached: int) -> Iterator[str]:
    if held.offset >= reached:
        yield f"its projector stands at {reached} and has not come to it"
    if event is None:
        return  # garbage, which `contracts` names, or an event that compaction took before the journal had it
    if event.aggregate_id != held.aggregate_id:
        yield f"the event is {event.aggregate_id}'s"
    if event.content != hash(held.record):
        yield "it has other bytes than the log"
    if event.log_time != held.log_time:
        yield f"it says that it was logged at {held.log_time}, the log says {event.log_time}"
