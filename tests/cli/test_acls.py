"""What `headrace acls` says of the services of an app, and in which forms."""

import json

import pytest
from typer.testing import CliRunner

from headrace.app import app, bank
from headrace.cli import app as cli
from headrace.cli import main
from headrace.cli.acls import every_service


def printed(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["acls", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_every_handler_reactor_and_projector_of_the_app_is_listed_once() -> None:
    commands = [rights.command for rights in every_service(app)]
    wanted = {f"handle {aggregate.name}" for aggregate in app.aggregates}
    wanted |= {f"react {reactor.name}" for reactor in app.reactors}
    wanted |= {f"project {name}" for name in (*(view.name for view in app.views), "journal", "audit")}
    assert wanted <= set(commands)
    assert len(commands) == len(set(commands))


def test_a_manifest_for_strimzi_says_who_may_do_what() -> None:
    text = printed("--service", "project-order_statistics", "--format", "strimzi", "--cluster", "main")
    assert (
        text
        == """---
# headrace project order_statistics
apiVersion: kafka.strimzi.io/v1
kind: KafkaUser
metadata:
  name: headrace-project-order-statistics
  labels:
    strimzi.io/cluster: main
spec:
  authentication:
    type: scram-sha-512
  authorization:
    type: simple
    acls:
      - resource:
          type: topic
          name: orders.events
          patternType: literal
        operations: [Read, DescribeConfigs]
      - resource:
          type: group
          name: headrace.project.order_statistics_v1
          patternType: literal
        operations: [Read]
      - resource:
          type: group
          name: headrace.reader.
          patternType: prefix
        operations: [Describe]
"""
    )


def test_a_slot_makes_a_transactional_id_that_the_prefix_covers() -> None:
    [said] = json.loads(printed("--service", "handle-orders", "--format", "json"))
    assert said["command"] == "headrace handle orders"
    assert said["transactional_id"] == "headrace.handle.orders.<HEADRACE_SLOT>"
    [right] = [right for right in said["acls"] if right["resource"] == "transactional_id"]
    assert right == {
        "resource": "transactional_id",
        "name": "headrace.handle.orders.",
        "pattern": "prefixed",
        "operations": ["WRITE"],
    }


def test_a_reactor_may_write_commands_to_the_aggregates_that_it_names_alone() -> None:
    [said] = json.loads(printed("--service", "react-transfer_process", "--format", "json"))
    written = {right["name"] for right in said["acls"] if "WRITE" in right["operations"]}
    own = set(bank.reactors[0].topics)
    assert {name for name in written if name.endswith(".commands")} == {"accounts.commands", "transfers.commands"}
    assert written - own == {"accounts.commands", "transfers.commands", "headrace.react.transfer_process."}


def test_a_projector_writes_nothing_to_kafka() -> None:
    for said in json.loads(printed("--format", "json")):
        if said["service"].startswith("project-"):
            assert not any("WRITE" in right["operations"] for right in said["acls"]), said["service"]


def test_the_table_has_a_row_for_each_resource() -> None:
    rows = [line.split() for line in printed("--service", "send-orders").splitlines()[1:]]
    assert ["send-orders", "topic", "orders.commands", "WRITE"] in rows
    assert len(rows) == 3


def test_a_service_that_the_app_does_not_have_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["headrace", "acls", "--service", "handle-lights"])
    with pytest.raises(SystemExit) as ended:
        main()
    line = capsys.readouterr().err
    assert (ended.value.code, line.count("\n")) == (2, 1)
    assert "no service is called handle-lights; the app has: handle-orders," in line
