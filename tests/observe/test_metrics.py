"""The metrics' names, their reference, and what each kind of service counts."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from debian import program
from headrace.observe import metrics
from headrace.observe.counting import HandlerMetrics, ProjectorMetrics, ReactorMetrics, Tally
from headrace.observe.health import Health
from headrace.observe.lag import Lag
from headrace.observe.states import STATES, Held, States, Watched
from headrace.watch.backlog import Behind
from headrace.watch.brokers import Ends, GroupState, TopicState
from headrace.watch.database import DatabaseState
from headrace.watch.families import Seen, Sights
from headrace.watch.reference import reference

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
UNITS = ("seconds", "records", "bytes", "ratio", "info")
COUNTED = (
    "keys", "partitions", "aggregates", "outcomes", "position", "ready", "timers", "brokers", "members", "up",
    "connections",
)  # fmt: skip


@pytest.fixture
def exposed() -> str:
    """What a scrape sees of services that have done everything once."""
    handler = HandlerMetrics("orders")
    told = Tally([("PayOrder", "accepted", ""), ("PayOrder", "refused", "NotPlaced")], ["OrderPaid"])
    handler.answered([told], [("orders.commands", "Undecodable")])
    ReactorMetrics("transfer_process").reacted(["accounts.commands"], [("transfers.events", "KeyError")])
    projector = ProjectorMetrics("orders_v1")
    projector.applied(1, 1, [("orders.events", "KeyError")])
    group = "headrace.handle.orders"
    for histogram in (metrics.TAKEOVER_SECONDS, metrics.BATCH_RECORDS, metrics.BATCH_SECONDS, metrics.COMMIT_SECONDS):
        histogram.labels(group).observe(1)
    metrics.LATENCY.labels(group).observe(1)
    metrics.TRANSACTIONS.labels(group, "committed").inc()
    metrics.DATABASE_RETRIES.labels("again").inc()
    metrics.AUDIT_CHECKPOINTS.labels("journal", "signed").inc()
    for group, projection in (("headrace.handle.orders", ""), ("headrace.project.orders_v1", "orders_v1")):
        lag = Lag()
        lag.acquired({("orders.events", 0): 7})
        lag.ends({("orders.events", 0): 9}, {("orders.events", 0): 9})
        STATES.watch(Watched(group, Health(), lag, lambda: Held(1, 2, 3), projection))
    sights = Sights()
    database = DatabaseState(1, 2, 3, 4, 5, 6, 7, 8.0, {"idle": 1}, {"headrace.journal": 1}, {"standby": 0.0})
    topics = {"orders.events": TopicState(4, 0, 0, 7, 0.0, 60.0)}
    behind = {group: {("orders.events", 0): Behind(2, 1.0)}}
    sights.seen = Seen(1, topics, {group: GroupState(1, 4, 0)}, behind, database, {"kafka": 9.0, "postgres": 9.0})
    metrics.REGISTRY.register(sights)
    try:
        return generate_latest(metrics.REGISTRY).decode()
    finally:
        metrics.REGISTRY.unregister(sights)


def test_every_metric_is_in_the_reference_and_every_one_of_the_reference_is_there(exposed: str) -> None:
    families = [it for it in text_string_to_metric_families(exposed) if it.name.startswith("headrace_")]
    shown = {it.name + "_total" * (it.type == "counter"): it for it in families}
    assert set(shown) == {it.name for it in reference()}
    for it in reference():
        assert (shown[it.name].type, shown[it.name].documentation) == (it.kind, it.text)
        assert {label for sample in shown[it.name].samples for label in sample.labels} - {"le"} == set(it.labels)


def test_names_have_one_prefix_and_base_units_and_labels_hold_no_ids() -> None:
    for it in reference():
        assert re.fullmatch(r"headrace(_[a-z]+)+", it.name)
        assert it.name.endswith("_total") == (it.kind == "counter")
        if it.kind == "histogram":
            assert it.name.endswith(UNITS)
        elif it.kind == "gauge":
            assert it.name.endswith((*UNITS, *COUNTED))
        assert set(it.labels) <= {
            "aggregate", "code", "command", "event", "group", "librdkafka", "outcome", "partition", "projection",
            "python", "reactor", "reason", "result", "rung", "server", "source", "standby", "state", "table",
            "topic", "version",
        }  # fmt: skip
        assert it.text.endswith(".")


def test_prometheus_s_own_lint_finds_nothing(exposed: str) -> None:
    promtool = program("prometheus", "promtool")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=exposed, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_document_lists_what_there_is() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "headrace", "metrics"], capture_output=True, text=True, timeout=60, check=True
    ).stdout  # fmt: skip
    assert listed in DOCUMENT.read_text(), "docs/metrics.md is to hold what `headrace metrics` prints"


def test_the_document_names_no_metric_that_there_is_not() -> None:
    named = set(re.findall(r"headrace_[a-z_]+", DOCUMENT.read_text()))
    there = {it.name for it in reference()}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in named} <= there


def test_a_view_is_not_complete_before_it_has_partitions_nor_while_they_are_filled() -> None:
    lag, states = Lag(), States()
    states.watch(Watched("headrace.project.orders_v2", Health(), lag, Held, "orders_v2"))

    def figures() -> dict[str, list[float]]:
        return {family.name: [sample.value for sample in family.samples] for family in states.collect()}

    assert figures()["headrace_projection_rebuild_ratio"] == []
    lag.filling({("orders.events", 0): 0, ("orders.events", 1): 0})
    assert (figures()["headrace_projection_rebuild_ratio"], figures()["headrace_consumer_partitions"]) == ([], [2])
    ends = {("orders.events", 0): 9, ("orders.events", 1): 11}
    lag.ends(ends, ends)
    lag.moved({("orders.events", 0): 5}, {})
    assert figures()["headrace_projection_rebuild_ratio"] == [0.25]
    lag.halted(("orders.events", 1))
    assert figures()["headrace_consumer_halted_partitions"] == [1]


def test_counts_are_added_up_by_label() -> None:
    def value(**labels: str) -> float:
        return metrics.REGISTRY.get_sample_value("headrace_commands_total", labels) or 0.0

    labels = {"aggregate": "lights", "command": "Switch", "outcome": "refused", "code": "NotHung"}
    before = value(**labels)
    handler = HandlerMetrics("lights")
    refused = ("Switch", "refused", "NotHung")
    handler.answered([Tally([refused] * 2), Tally([refused])], [])
    handler.answered([Tally([refused, ("Switch", "accepted", "")], ["Switched"])], [])
    assert value(**labels) == before + 4


@pytest.mark.parametrize("result", ["signed", "rewritten"])
@pytest.mark.parametrize("projection", ["journal", "audit"])
def test_a_history_that_was_rewritten_is_counted_from_0_so_that_the_first_time_is_an_increase(
    projection: str, result: str
) -> None:
    ProjectorMetrics(projection)
    labels = {"projection": projection, "result": result}
    assert metrics.REGISTRY.get_sample_value("headrace_audit_checkpoints_total", labels) is not None


def test_what_was_appended_to_a_topic_does_not_fall_when_a_partition_has_no_leader() -> None:
    ends = Ends()
    assert ends.appended("orders.events", 2) is None
    both = {("orders.events", 0): 7, ("orders.events", 1): 5}
    ends.look(both, both)
    ends.look({("orders.events", 0): 9}, {("orders.events", 0): 9})
    assert ends.appended("orders.events", 2) == 14
