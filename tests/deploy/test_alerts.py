"""The alerts: each fires on its fault and on no other, asks for what there is, and has a page that says what to do."""

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from debian import program
from headrace.cli import app
from headrace.settings import Settings
from headrace.watch.reference import reference
from promql import metrics_in

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
OF_OTHERS = {
    "up", "process_start_time_seconds",
    "node_filesystem_avail_bytes", "node_filesystem_size_bytes",
    "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes",
}  # fmt: skip


def rules(file: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = rules("alerts.yml")
NAMES = sorted({rule["alert"] for rule in ALERTS})


def promtool(*arguments: str) -> str:
    command = [program("prometheus", "promtool"), *arguments]
    done = subprocess.run(command, cwd=PROMETHEUS, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("file", ["alerts.test.yml", "objective.test.yml"])
def test_each_alert_fires_on_its_fault_alone_and_none_when_all_is_well(file: str) -> None:
    assert "SUCCESS" in promtool("test", "rules", file)


def test_every_alert_is_shown_to_fire_by_the_tests_of_the_rules() -> None:
    shown = set()
    for file in ("alerts.test.yml", "objective.test.yml"):
        for test in yaml.safe_load((PROMETHEUS / file).read_text())["tests"]:
            for expected in test.get("alert_rule_test", []):
                assert expected["exp_alerts"]
                shown |= {(expected["alertname"], it["exp_labels"]["severity"]) for it in expected["exp_alerts"]}
    assert shown == {(rule["alert"], rule["labels"]["severity"]) for rule in ALERTS}


def test_prometheus_takes_its_own_configuration_and_rules() -> None:
    assert "is valid prometheus config file syntax" in promtool("check", "config", "prometheus.yml")


def test_rules_ask_for_metrics_that_there_are() -> None:
    there = {it.name for it in reference()} | OF_OTHERS | {rule["record"] for rule in rules("rules.yml")}
    for rule in [*ALERTS, *rules("rules.yml")]:
        assert metrics_in(rule["expr"])
        assert metrics_in(rule["expr"]) <= there, rule


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}, {rule['labels']['severity']}")
def test_an_alert_says_how_bad_it_is_in_one_sentence_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert (ROOT / rule["annotations"]["runbook"]) == RUNBOOKS / f"{rule['alert']}.md"


def test_there_is_a_page_for_each_alert_and_no_other() -> None:
    assert sorted(page.stem for page in RUNBOOKS.glob("*.md")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_its_parts_and_leads_to_pages_that_exist(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text()
    parts = re.findall(r"^#+ .*$", text, re.MULTILINE)
    assert parts == [f"# {name}", "## How to look", "## What to do"]
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (RUNBOOKS / link).is_file(), link
    metrics = {it.name for it in reference()}
    assert set(re.findall(r"`(headrace_\w+)`", text)) <= metrics


@cache
def help_of(*path: str) -> str:
    """What a command prints of itself; the words of a path are commands, one in the other."""
    command: Any = get_command(app)
    for word in path:
        assert word in command.commands, f"headrace {' '.join(path)}: there is no such command"
        command = command.commands[word]
    return " ".join(option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts))


def commands_of(text: str) -> list[list[str]]:
    """What a page says to type: after a `$`, or between backquotes."""
    typed = re.findall(r"^\$ (headrace .*?)(?:  +#.*)?$", text, re.MULTILINE)
    typed += re.findall(r"`(headrace [a-z][^`]*)`", text)
    return [shlex.split(line) for line in typed]


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_of_a_page_exist_with_their_options(name: str) -> None:
    for words in commands_of((RUNBOOKS / f"{name}.md").read_text()):
        command: Any = get_command(app)
        path: list[str] = []
        while hasattr(command, "commands") and len(path) + 1 < len(words):
            path.append(words[len(path) + 1])
            help_of(*path)
            command = command.commands[path[-1]]
        options = {word for word in words[len(path) + 1 :] if word.startswith("--")} - {"--help"}
        assert options <= set(help_of(*path).split()), words


def test_a_command_or_an_option_that_there_is_not_would_be_noticed() -> None:
    with pytest.raises(AssertionError, match="there is no such command"):
        help_of("parked", "redirve")
    assert "--al" not in help_of("parked", "redrive").split()
    assert commands_of("$ headrace parked list    # what waits\nor `headrace verify`") == [
        ["headrace", "parked", "list"],
        ["headrace", "verify"],
    ]


def test_settings_that_pages_name_are_settings() -> None:
    there = {field.validation_alias for field in Settings.model_fields.values()} | {"HEADRACE_SLOT"}
    for page in RUNBOOKS.glob("*.md"):
        assert set(re.findall(r"`((?:HEADRACE|KAFKA|DATABASE|METRICS)_[A-Z_]+)", page.read_text())) <= there, page
