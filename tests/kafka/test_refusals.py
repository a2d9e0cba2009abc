"""librdkafka properties that would break order or exactly-once are refused by the variable that sets them."""

import pytest

from headrace.cli import main
from headrace.kafka.clients import TRANSACTION_TIMEOUT_MS
from headrace.kafka.refusals import FOR_PRODUCERS, POLL_MS, RULES, TRANSACTION_MS, refuse_overrides
from headrace.kernel.errors import Misconfigured
from headrace.observe.health import LIMIT_S
from headrace.postgres.session import PATIENCE_S
from headrace.settings import Settings
from messages import SCHEMAS

# The property, a value that is refused, what is said of it, and a value that is taken.
TABLE = [
    ("PRODUCER", "enable.idempotence", "false", "must be true: a batch that is sent again", "true"),
    ("PRODUCER", "acks", "1", "must be all or -1: what one broker alone has", "-1"),
    ("PRODUCER", "partitioner", "consistent_random", "must be murmur2_random or murmur2", "murmur2"),
    ("CONSUMER", "isolation.level", "read_uncommitted", "must be read_committed", "read_committed"),
    ("CONSUMER", "enable.auto.commit", "true", "must be false: offsets are committed together", "False"),
    ("CONSUMER", "enable.auto.offset.store", "1", "must be false: offsets are committed together", "0"),
    ("CONSUMER", "auto.offset.reset", "earliest", "must be error: a position that is gone", "error"),
    ("CONSUMER", "group.protocol", "consumer", "must be classic", "classic"),
    ("CONSUMER", "partition.assignment.strategy", "range", "must be cooperative-sticky", "cooperative-sticky"),
    ("CONSUMER", "enable.partition.eof", "true", "must be false", "false"),
    ("CONSUMER", "max.poll.interval.ms", "60000", "would lose its partitions", "600000"),
    ("CLIENT", "allow.auto.create.topics", "true", "must be false: topics are made by", "false"),
    ("CLIENT", "bootstrap.servers", "kafka:9092", "may not be set: set KAFKA_BOOTSTRAP_SERVERS", None),
    ("CONSUMER", "group.id", "mine", "may not be set: a service's group is named", None),
    ("PRODUCER", "transactional.id", "mine", "may not be set: it is the handler's place: set HEADRACE_SLOT", None),
    ("PRODUCER", "transaction.timeout.ms", "500", "must be at least", "60000"),
    ("PRODUCER", "message.timeout.ms", "60000", "must be at most", "8000"),
    ("PRODUCER", "socket.timeout.ms", "60000", "must be at most", "8000"),
    ("PRODUCER", "max.in.flight.requests.per.connection", "6", "must be at most 5: idempotence", "1"),
    ("PRODUCER", "message.max.bytes", "1000000", "must be at least 2097152", "4000000"),
    ("PRODUCER", "queue.buffering.max.messages", "1000", "must be at least 100000", "200000"),
    ("PRODUCER", "delivery.report.only.error", "true", "may not be set: the end of a transaction waits", None),
    ("CLIENT", "logger", "mine", "may not be set: LOG_LEVEL says what", None),
    ("CLIENT", "default.topic.config", "{}", "may not be set: a topic's properties", None),
]


def variable(client: str, name: str) -> str:
    return f"KAFKA_{client}__{name.upper().replace('.', '_')}"


def refuse(environment: dict[str, str], profile: str = "production") -> str:
    """What is said of the environment, nothing if it is taken."""
    try:
        refuse_overrides(Settings(HEADRACE_PROFILE=profile), environment)  # type: ignore[call-arg, arg-type]
    except Misconfigured as error:
        return str(error)
    return ""


@pytest.mark.parametrize("profile", ["local", "production"])
@pytest.mark.parametrize(("client", "name", "value", "said", "taken"), TABLE, ids=[row[1] for row in TABLE])
def test_a_property_that_would_break_a_promise_is_refused_with_the_reason(
    client: str, name: str, value: str, said: str, taken: str | None, profile: str
) -> None:
    setting = variable(client, name)
    if (name, profile) == ("group.id", "local"):  # a test may want a group of its own
        assert refuse({setting: value}, profile) == ""
        return
    line = refuse({setting: value}, profile)
    assert line.startswith(f"{setting}={value}: {name} ")
    assert said in line
    if taken:
        assert refuse({setting: taken}, profile) == ""


def test_every_rule_is_in_the_table() -> None:
    assert {name for _, name, *_ in TABLE} == {*RULES, *FOR_PRODUCERS}


@pytest.mark.parametrize(
    ("alias", "value"),
    [
        ("request.required.acks", "0"),
        ("delivery.timeout.ms", "900000"),
        ("auto.commit.enable", "true"),
        ("metadata.broker.list", "kafka:9092"),
    ],
)
def test_another_name_of_a_property_is_no_way_around(alias: str, value: str) -> None:
    assert alias in refuse({variable("PRODUCER", alias): value})


def test_a_socket_timeout_of_all_clients_is_the_operator_s() -> None:
    assert refuse({"KAFKA_CLIENT__SOCKET_TIMEOUT_MS": "60000"}) == ""


def test_all_that_is_wrong_is_said_at_once_and_all_else_may_be_set() -> None:
    line = refuse({
        "KAFKA_PRODUCER__ACKS": "1", "KAFKA_PRODUCER__ENABLE_IDEMPOTENCE": "false", "KAFKA_PRODUCER__LINGER_MS": "5",
        "PATH": "/bin",
    })  # fmt: skip
    assert line.count("must be") == 2
    assert "LINGER" not in line
    taken = {"KAFKA_CLIENT__RECONNECT_BACKOFF_MS": "50", "KAFKA_CONSUMER__SESSION_TIMEOUT_MS": "3000"}
    assert refuse(taken | {"KAFKA_PRODUCER__COMPRESSION_TYPE": "zstd"}) == ""


@pytest.mark.parametrize("client", ["CLIENT", "CONSUMER", "PRODUCER"])
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("no.such.thing", "1", 'No such configuration property: "no.such.thing"'),
        ("sasl.pasword", "secret", 'No such configuration property: "sasl.pasword"'),
        ("socket.keepalive.enable", "perhaps", "Expected bool value"),
        ("reconnect.backoff.ms", "-5", "is outside allowed range"),
    ],
)
def test_what_librdkafka_does_not_take_is_one_line_without_the_value(
    client: str, name: str, value: str, said: str
) -> None:
    line = refuse({variable(client, name): value})
    assert line.startswith(f"{variable(client, name)}: ")
    assert said in line
    assert "\n" not in line
    assert "secret" not in line


def test_a_variable_that_nobody_would_read_is_refused() -> None:
    line = refuse({"KAFKA_CONSUMERS__SESSION_TIMEOUT_MS": "3000", "KAFKA_PORT_9092_TCP": "tcp://10.0.0.1:9092"})
    assert line.startswith(
        "KAFKA_CONSUMERS__SESSION_TIMEOUT_MS: properties are set by KAFKA_CLIENT__…, KAFKA_CONSUMER__…"
    )


def test_a_number_that_is_none_is_refused() -> None:
    assert "is no whole number" in refuse({"KAFKA_PRODUCER__MESSAGE_TIMEOUT_MS": "long"})


def test_the_bounds_are_those_of_the_code_that_they_protect() -> None:
    assert TRANSACTION_MS == TRANSACTION_TIMEOUT_MS
    for profile, milliseconds in POLL_MS.items():
        assert milliseconds / 1000 >= max(LIMIT_S[profile], PATIENCE_S)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("KAFKA_CONSUMER__ISOLATION_LEVEL", "read_uncommitted"), ("KAFKA_CLIENT__NO_SUCH_THING", "1")],
)
@pytest.mark.parametrize("command", [["topics", "check"], ["parked", "list", "orders"]], ids=str)
def test_a_command_ends_with_one_line_and_exit_code_2(
    setting: str,
    value: str,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, given in (
        (setting, value),
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9"),
        ("HEADRACE_SCHEMAS", str(SCHEMAS)),
    ):
        monkeypatch.setenv(name, given)
    monkeypatch.setattr("sys.argv", ["headrace", *command])
    with pytest.raises(SystemExit) as ended:
        main()
    line = capsys.readouterr().err
    assert (ended.value.code, line.count("\n")) == (2, 1)
    assert line.startswith(f"headrace: {setting}")
