"""What no operator may set: librdkafka properties that would break order or exactly-once, refused at start.

Everything else of librdkafka can be set by KAFKA_CLIENT__…, KAFKA_CONSUMER__… and KAFKA_PRODUCER__….
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Producer
from msgspec import Struct

from headrace.kernel.errors import Misconfigured
from headrace.settings import Settings

CLIENTS: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "KAFKA_CLIENT__": Producer,
    "KAFKA_CONSUMER__": lambda given: Consumer({"group.id": "headrace.refusals", **given}),
    "KAFKA_PRODUCER__": Producer,
}
LIKE_OURS: Final = re.compile(r"KAFKA_[A-Z]+__")
ALIASES: Final = {
    "request.required.acks": "acks",
    "delivery.timeout.ms": "message.timeout.ms",
    "auto.commit.enable": "enable.auto.commit",
    "metadata.broker.list": "bootstrap.servers",
}
SWITCH: Final = {"1": "true", "t": "true", "0": "false", "f": "false"}
SWITCHES: Final = frozenset({"true", "false"})

# The transaction timeouts of the two profiles, which the bounds of all transactional calls follow.
TRANSACTION_MS: Final = {"local": 10_000, "production": 40_000}
# Tests of zombies want to outlive one soon.
SHORTEST_TRANSACTION_MS: Final = {"local": 1_000, "production": 40_000}
# Longer than a process may be busy: with a database that restarts, and by the watchdog's limit.
POLL_MS: Final = {"local": 120_000, "production": 300_000}
LONGEST_TRANSACTION_MS: Final = 900_000  # the brokers' own transaction.max.timeout.ms
LARGEST_RECORD: Final = 2_097_152  # as the event topics have it


class Rule(Struct, frozen=True):
    """A property's only values, or its bounds by profile; `why` says what would happen otherwise.

    Without either the property may not be set at all: `why` says what to do instead.
    """

    why: str
    values: tuple[str, ...] = ()
    least: Mapping[str, int] = {}
    most: Mapping[str, int] = {}
    profiles: tuple[str, ...] = ("local", "production")

    def objection(self, value: str, profile: str) -> str | None:
        """What is wrong with a value, if anything is."""
        if profile not in self.profiles:
            return None
        if self.values:
            wanted = SWITCH.get(value, value) if SWITCHES & set(self.values) else value
            return None if wanted in self.values else f"must be {' or '.join(self.values)}: {self.why}"
        if self.least or self.most:
            return self._out_of_bounds(value, profile)
        return f"may not be set: {self.why}"

    def _out_of_bounds(self, value: str, profile: str) -> str | None:
        try:
            number = int(value)
        except ValueError:
            return "is no whole number"
        least, most = self.least.get(profile, number), self.most.get(profile, number)
        if least <= number <= most:
            return None
        return f"must be at {f'least {least}' if number < least else f'most {most}'}: {self.why}"


def _both(number: int) -> dict[str, int]:
    return {"local": number, "production": number}


RULES: Final = {
    "enable.idempotence": Rule("a batch that is sent again would lie in the log twice", ("true",)),
    "acks": Rule("what one broker alone has is lost with it", ("all", "-1")),
    "partitioner": Rule(
        "Java, Streams and Headrace hash keys by murmur2; any other puts them elsewhere",
        ("murmur2_random", "murmur2"),
    ),
    "isolation.level": Rule("records of aborted transactions would be read", ("read_committed",)),
    "enable.auto.commit": Rule("offsets are committed together with what their records led to", ("false",)),
    "enable.auto.offset.store": Rule("offsets are committed together with what their records led to", ("false",)),
    "auto.offset.reset": Rule("a position that is gone must stop the service, not move it", ("error",)),
    "group.protocol": Rule("members of the newer protocol are not fenced when they commit", ("classic",)),
    "partition.assignment.strategy": Rule("partitions are handed over one by one", ("cooperative-sticky",)),
    "enable.partition.eof": Rule("services wait for records, not for ends", ("false",)),
    "allow.auto.create.topics": Rule("topics are made by `headrace topics create`", ("false",)),
    "group.id": Rule("a service's group is named after what it does", profiles=("production",)),
    "transactional.id": Rule("it is the handler's place: set HEADRACE_SLOT"),
    "bootstrap.servers": Rule("set KAFKA_BOOTSTRAP_SERVERS"),
    "max.poll.interval.ms": Rule("a process that waits for its servers would lose its partitions", least=POLL_MS),
    "transaction.timeout.ms": Rule(
        "transactional calls wait as long as the profile's, and brokers take no longer one",
        least=SHORTEST_TRANSACTION_MS,
        most=_both(LONGEST_TRANSACTION_MS),
    ),
    "message.timeout.ms": Rule("a record must not outlive its transaction", least=_both(1_000), most=TRANSACTION_MS),
    "max.in.flight.requests.per.connection": Rule("idempotence keeps five in order", least=_both(1), most=_both(5)),
    "message.max.bytes": Rule("an event and the state after it may be as large", least=_both(LARGEST_RECORD)),
    "queue.buffering.max.messages": Rule("a batch's records must find room at once", least=_both(100_000)),
    # These take a value of Python, which a variable is not.
    "delivery.report.only.error": Rule("the end of a transaction waits for the reports of all its records"),
    "logger": Rule("LOG_LEVEL says what is logged, and LOG_FORMAT how"),
    "default.topic.config": Rule("a topic's properties can be set by their own names"),
}  # fmt: skip
FOR_PRODUCERS: Final = {
    "socket.timeout.ms": Rule(
        "a request must not outlive its transaction", least=_both(1_000), most=TRANSACTION_MS
    ),
}  # fmt: skip


def refuse_overrides(settings: Settings, environment: Mapping[str, str]) -> None:
    """`Misconfigured` names each variable that sets what must not be set, or what librdkafka does not know."""
    lost = [name for name in environment if LIKE_OURS.match(name) and not name.startswith(tuple(CLIENTS))]
    if lost:
        raise Misconfigured(f"{', '.join(sorted(lost))}: properties are set by {'…, '.join(CLIENTS)}…")
    for prefix, client in CLIENTS.items():
        given = {
            name: (name.removeprefix(prefix).lower().replace("_", "."), value)
            for name, value in environment.items()
            if name.startswith(prefix)
        }
        if not given:
            continue
        problems = list(_objections(prefix, given, settings.profile)) or list(_unknown(given, client))
        if problems:
            raise Misconfigured("; ".join(problems))


def _objections(prefix: str, given: dict[str, tuple[str, str]], profile: str) -> Iterator[str]:
    rules = RULES | (FOR_PRODUCERS if prefix == "KAFKA_PRODUCER__" else {})
    for name, (written, value) in given.items():
        rule = rules.get(ALIASES.get(written, written))
        objection = rule and rule.objection(value.strip().lower(), profile)
        if objection:
            yield f"{name}={value}: {written} {objection}"


def _unknown(given: dict[str, tuple[str, str]], client: Callable[[dict[str, Any]], Any]) -> Iterator[str]:
    """What librdkafka has against a client of these properties, in its own words; values may be secrets."""
    quiet: dict[str, Any] = {"log_level": 0, "error_cb": lambda _error: None}
    try:
        client({**dict(given.values()), **quiet})
    except KafkaException as error:
        why = " ".join(error.args[0].str().split())
        named = [name for name, (written, _) in given.items() if f'"{written}"' in why]
        yield f"{', '.join(named or given)}: {why}"
