"""The dashboards: what the code gives, what Grafana needs of each panel, and nothing that no metric answers."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.watch.reference import reference
from headrace_load.dashboards.__main__ import FOLDER, files
from promql import metrics_in

ROOT = Path(__file__).parents[2]
PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"
PROMETHEUS = ROOT / "deploy" / "prometheus"
OF_OTHERS = {
    "node_filesystem_avail_bytes", "node_filesystem_size_bytes",  # node exporter
    "process_resident_memory_bytes", "process_cpu_seconds_total",  # prometheus-client's, in every service
}  # fmt: skip
UNITS = {"ops", "s", "short", "percentunit", "bytes"}

BOARDS = {file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))}
ASKING = {name: board for name, board in BOARDS.items() if name != "runbooks"}
named = pytest.mark.parametrize("name", ASKING)


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def test_what_is_committed_is_what_the_code_gives() -> None:
    written = {file.name: file.read_text() for file in FOLDER.glob("*.json")}
    assert written == {file.name: text for file, text in files()}, "run `make dashboards`"


def test_there_is_a_dashboard_for_each_kind_of_thing() -> None:
    assert set(BOARDS) == {"overview", "handlers", "projectors", "processes", "servers", "runbooks"}


def test_uids_and_titles_are_unique_and_stay() -> None:
    assert sorted(board["uid"] for board in BOARDS.values()) == [f"headrace-{name}" for name in sorted(BOARDS)]
    assert len({board["title"] for board in BOARDS.values()}) == len(BOARDS)
    assert all(board.get("id") is None for board in BOARDS.values())


@named
def test_each_panel_has_a_title_of_its_own_a_sentence_and_a_unit(name: str) -> None:
    titles = [panel["title"] for panel in panels(BOARDS[name])]
    assert len(set(titles)) == len(titles) >= 10
    for panel in panels(BOARDS[name]):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]


@named
def test_the_data_source_is_a_variable_everywhere(name: str) -> None:
    board = BOARDS[name]
    variables = {it["name"]: it for it in board["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    asked = [panel["datasource"] for panel in panels(board)]
    asked += [target["datasource"] for panel in panels(board) for target in panel["targets"]]
    asked += [it["datasource"] for it in variables.values() if it["type"] == "query"]
    assert all(it == {"type": "prometheus", "uid": "${datasource}"} for it in asked)


@named
def test_every_metric_and_every_variable_that_is_asked_for_exists(name: str) -> None:
    records = {
        rule["record"]
        for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
        for rule in group["rules"]
    }
    there = {it.name for it in reference()} | OF_OTHERS | records
    variables = {it["name"] for it in BOARDS[name]["templating"]["list"]} | {"__rate_interval"}
    for panel in panels(BOARDS[name]):
        assert panel["targets"]
        for target in panel["targets"]:
            assert metrics_in(target["expr"]) <= there, panel["title"]
            assert metrics_in(target["expr"]) or "ALERTS" in target["expr"], panel["title"]
            assert set(re.findall(r"\$\{?(\w+)", target["expr"])) <= variables, panel["title"]
            labels = {label for it in reference() for label in it.labels} | {"instance", "mountpoint"}
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= labels, panel["title"]


def test_labels_that_queries_ask_for_are_labels_of_the_metric() -> None:
    known = {it.name: set(it.labels) | {"instance", "job", "le"} for it in reference()}
    for board in ASKING.values():
        for panel in panels(board):
            for target in panel["targets"]:
                for metric, matchers in re.findall(r"(headrace_\w+?)(?:_bucket|_sum|_count)?{([^}]*)}", target["expr"]):
                    asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', "", matchers)))
                    assert asked <= known[metric], (panel["title"], metric)


def test_every_link_leads_to_a_page_that_is_there_and_the_page_is_the_runbook() -> None:
    pages = {panel["id"]: panel for panel in BOARDS["runbooks"]["panels"]}
    assert sorted(it["title"] for it in pages.values()) == sorted(it.stem for it in ROOT.glob("docs/runbooks/*.md"))
    linked = set()
    for board in ASKING.values():
        for panel in panels(board):
            for link in panel.get("links") or []:
                found = re.fullmatch(r"/d/headrace-runbooks\?viewPanel=panel-(\d+)", link["url"])
                assert found, link
                assert link["title"] == f"What to do: {pages[int(found[1])]['title']}"
                linked.add(pages[int(found[1])]["title"])
    assert linked == {it["title"] for it in pages.values()}, "each page is linked from where its trouble is seen"
    for page in pages.values():
        text = (ROOT / page["description"]).read_text()
        assert page["options"]["content"].splitlines()[-1].split("](")[0] in text
        for number in re.findall(r"viewPanel=panel-(\d+)", page["options"]["content"]):
            assert int(number) in pages


def test_what_grafana_is_provisioned_with_fits_the_dashboards() -> None:
    [source] = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == configuration["global"]["scrape_interval"]
    [provider] = yaml.safe_load((PROVISIONING / "dashboards" / "headrace.yaml").read_text())["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
