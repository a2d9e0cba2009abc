"""What a run leaves for people: the report in one file, and two runs beside each other."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from headrace.kernel.errors import Misconfigured
from headrace_load.generator import report, show, summary
from headrace_load.generator.histogram import Histogram
from headrace_load.generator.observer import Seen
from headrace_load.generator.run import Finding, Moment
from headrace_load.generator.scenario import Overrides, find, read
from headrace_load.generator.sender import Counts
from headrace_load.generator.thresholds import METRICS
from headrace_load.verify import Check, Report
from headrace_load.verify.claims import CLAIMS
from load.browser import assert_opens

NAMES = ("command_to_outcome", "command_to_event", "command_to_row", "lateness")


def finding(milliseconds: int = 10, undrained: int = 0, **counted: int) -> Finding:
    histograms = {name: Histogram() for name in NAMES}
    for histogram in histograms.values():
        for number in range(1, 1_001):
            histogram.record(number * milliseconds)
    moments = [
        Moment(at=at, sent=100, acked=99, outcomes=98, events=97, rows=96, handler_lag=at, view_lag=2 * at,
               p50={"event": 5.0, "row": 7.0}, p99={"event": 50.0})
        for at in range(10)
    ]  # fmt: skip
    seen = Seen(980, 970, 960, {}, 0.5, 10.0, 12.0)
    counts = Counts(**{"sent": 1000, "acked": 1000} | counted)
    return Finding(
        start=1_764_000_000.0,
        counts=counts,
        seen=seen,
        histograms=histograms,
        moments=moments,
        sending_s=10.0,
        drain_s=2.0,
        undrained=undrained,
        sender_cpu_s=0.01,
        stride=1,
    )


def checks(**problems: int) -> Report:
    found = []
    for name in CLAIMS:
        check = Check(name, f"all is well with <{name}>", ("I1",))
        check.count(events=970, aggregates=240)
        for number in range(problems.get(name, 0)):
            check.problem(f"problem {number} of {name}")
        found.append(check)
    return Report(tuple(found), 1.5)


def summed(found: Finding | None = None, verified: Report | None = None, *thresholds: str) -> summary.Summary:
    scenario = read(find("steady"), Overrides(thresholds=thresholds))
    environment = {"cpu": "<script>alert(1)</script>", "cores": 2}
    circumstances = summary.Circumstances(environment, {"window_ms": 20}, {"handler": 24.5})
    return summary.summarize("steady", scenario, found or finding(), verified or checks(), circumstances)


def test_every_metric_that_a_threshold_can_name_is_there() -> None:
    assert set(METRICS) <= set(summed().metrics)


def test_a_run_in_which_all_is_as_wanted_is_ok_and_names_throughput_and_partition_order() -> None:
    found = summed()
    assert found.ok
    assert all(judged.ok for judged in found.thresholds)
    named = found.verification["named"]
    assert named["throughput"]["ok"]
    assert named["partition order"]["ok"]
    assert "970 events of 240 aggregates" in named["partition order"]["says"]
    assert found.remarks == []


@pytest.mark.parametrize(
    ("check", "metric"),
    [("answers", "lost"), ("journal", "lost"), ("effects", "duplicated"), ("resends", "duplicated"),
     ("versions", "out_of_order"), ("order", "out_of_order"), ("acknowledged", "lost")],
)  # fmt: skip
def test_what_the_verifier_finds_counts_as_lost_doubled_or_out_of_order(check: str, metric: str) -> None:
    found = summed(None, checks(**{check: 3}))
    assert found.metrics[metric] == 3
    assert not found.ok


def test_an_impossible_threshold_fails_a_run_in_which_all_else_is_well() -> None:
    found = summed(None, None, "p50_command_to_row_ms < 0.001")
    assert not found.ok
    assert [judged.threshold for judged in found.thresholds if not judged.ok] == ["p50_command_to_row_ms < 0.001"]


def test_a_generator_that_was_late_or_dropped_says_that_it_was_the_bottleneck() -> None:
    for slow in (finding(milliseconds=1_000), finding(dropped=5)):
        (remark,) = summed(slow).remarks
        assert remark.startswith("the generator was the bottleneck: ")


def test_arrivals_that_were_dropped_behind_what_the_brokers_did_not_take_are_told_apart() -> None:
    (remark,) = summed(finding(dropped=5, untaken=5)).remarks
    assert remark.startswith("the brokers were the bottleneck: ")
    assert "5 arrivals were dropped" in remark
    ours, theirs = summed(finding(dropped=7, untaken=5)).remarks
    assert "the generator was the bottleneck" in ours
    assert "2 arrivals were dropped" in ours
    assert "5 arrivals were dropped" in theirs


def test_commands_of_unknown_fate_fail_the_run() -> None:
    found = summed(finding(acked=500, unknown=500))
    assert not found.ok
    assert not found.verification["named"]["throughput"]["ok"]
    assert found.remarks == ["of 500 commands nobody knows whether they lie in the log"]


def test_what_was_not_drained_fails_the_run() -> None:
    found = summed(finding(undrained=7))
    assert not found.ok
    assert not found.verification["named"]["throughput"]["ok"]
    assert "not drained: 7" in found.remarks[0]


def test_a_summary_is_read_as_it_was_written_beside_its_histograms(tmp_path: Path) -> None:
    found, histograms = summed(), finding().histograms
    summary.write(found, histograms, tmp_path)
    assert summary.read(tmp_path) == summary.read(tmp_path / "summary.json") == found
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"{name}.hgrm" for name in sorted(NAMES)),
        "summary.json",
    ]
    assert json.loads((tmp_path / "summary.json").read_text())["metrics"]["sent"] == 1000


@pytest.mark.parametrize("text", [None, "{}", "no json"])
def test_a_folder_without_a_run_is_refused_in_a_line(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "summary.json").write_text(text)
    with pytest.raises(Misconfigured, match=r"summary\.json is no summary of a run .*: name the folder of a run"):
        summary.read(tmp_path)


def test_the_report_opens_from_disk_without_errors_or_network(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    report.write_report(summed(None, checks(answers=2), "sent > 5000"), page)
    text = page.read_text()
    assert "<script>alert(1)</script>" not in text
    assert "&lt;script&gt;alert(1)" in text
    figures = ("An ordinary day", "partition order", "problem 0 of answers", "sent &gt; 5000", "window_ms")
    assert_opens(page, *figures, folder=tmp_path)


def test_a_comparison_opens_likewise_and_names_what_differs(tmp_path: Path) -> None:
    page = tmp_path / "comparison.html"
    report.write_comparison(summed(), summed(finding(milliseconds=20), None, "sent > 0"), page)
    assert_opens(page, "Configuration that differs", "scenario.thresholds", "p99_command_to_row_ms", folder=tmp_path)


def test_a_comparison_says_how_many_times_as_much_the_second_is() -> None:
    rows = {name: (one, other, factor) for name, one, other, factor in show.compared(summed(), summed(finding(20)))}
    one, other, factor = rows["p50_command_to_row_ms"]
    assert (one, other) == (pytest.approx(5, rel=0.01), pytest.approx(10, rel=0.01))
    assert factor == "2.00"
    assert rows["lost"] == (0, 0, "")


def test_a_person_reads_figures_thresholds_and_what_is_wrong() -> None:
    console = Console(record=True, width=200)
    show.show(summed(finding(undrained=7), checks(versions=1), "sent > 5000"), console)
    text = console.export_text()
    assert "1,000 sent" in text
    assert "CPU a command, µs: generator 10 · handler 24.5" in text
    assert "WRONG  sent > 5000: 1,000" in text
    assert "WRONG  partition order" in text
    assert "WRONG  versions (1): problem 0 of versions" in text
    assert "command to row" in text


def test_two_runs_are_compared_at_the_command_line(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        summary.write(summed(), {}, tmp_path / name)
    ran = subprocess.run(
        [sys.executable, "-m", "headrace", "load", "compare", tmp_path / "a", tmp_path / "b", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["metrics"]["sent"] == {"first": 1000, "second": 1000}
    assert Path(found["file"]) == tmp_path / "b" / "comparison.html"
    assert "<script>" in Path(found["file"]).read_text()
