"""`headrace verify` as a person and as a program call it."""

import json
from collections import Counter
from pathlib import Path

import pytest

from headrace.cli import main
from headrace_load.verify import Report
from headrace_load.verify.report import Check
from verify.past_on_servers import Written

Printed = tuple[int, str, str]


def report(*problems: str) -> Report:
    passed, other = Check("versions", "versions are 1..n", ("I1", "I9")), Check("rows", "rows are the fold", ("I7",))
    passed.count(events=12_345)
    other.count(rows=3)
    for problem in problems:
        other.problem(problem)
    return Report((passed, other), 0.5)


def run(capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch, *arguments: str) -> Printed:
    """Exit code, standard output and standard error."""
    patch.setattr("sys.argv", ["headrace", "verify", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0, printed.out, printed.err


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Report]:
    """What the verifier will report, put there by the test: here only the command line is tried."""
    reports: list[Report] = []
    monkeypatch.setattr("headrace_load.verify.verify", lambda *_, **__: reports[0])
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/x")
    return reports


def test_a_report_without_problems_is_printed_and_the_exit_code_is_0(
    found: list[Report], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found.append(report())
    code, out, _ = run(capsys, monkeypatch)
    assert code == 0
    assert "ok         versions   I1 I9      versions are 1..n: 12,345 events" in out
    assert "all 2 checks passed (0.5 s)" in out


def test_a_check_that_had_nothing_to_look_at_did_not_pass(
    found: list[Report], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found.append(Report((*report().checks, Check("money", "no money is lost", ("I15",), Counter(accounts=0))), 0.5))
    code, out, _ = run(capsys, monkeypatch)
    assert code == 0
    assert "-          money      I15        no money is lost: " in out
    assert "2 checks passed, nothing to look at for money (0.5 s)" in out


def test_problems_are_printed_and_the_exit_code_is_1(
    found: list[Report], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found.append(report(*(f"o-{number} is wrong [sic]" for number in range(30))))
    code, out, _ = run(capsys, monkeypatch)
    assert code == 1
    assert "rows: o-0 is wrong [sic]" in out
    assert "rows: and 10 more" in out
    assert "30 problems, named by rows" in out


def test_a_program_gets_the_report_as_json(
    found: list[Report], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found.append(report("o-1 is wrong"))
    code, out, _ = run(capsys, monkeypatch, "--json")
    told = json.loads(out)
    assert (code, told["ok"], told["checks"][1]["problems"]) == (1, False, ["o-1 is wrong"])
    assert [check["invariants"] for check in told["checks"]] == [["I1", "I9"], ["I7"]]


def test_missing_addresses_and_schemas_are_one_line_and_the_exit_code_is_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    code, _, error = run(capsys, monkeypatch)
    assert (code, error.count("\n")) == (2, 1)
    assert "KAFKA_BOOTSTRAP_SERVERS is not set" in error
    addresses = ("--bootstrap-servers", "127.0.0.1:1", "--database-url", "postgresql://127.0.0.1:1/x")
    code, _, error = run(capsys, monkeypatch, *addresses, "--schemas", str(tmp_path))
    assert (code, error.count("\n")) == (2, 1)
    assert "set HEADRACE_SCHEMAS" in error


@pytest.mark.edge
def test_servers_without_anything_and_evidence_that_cannot_be_read_are_one_line_and_the_exit_code_is_2(
    written: Written, database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "history.jsonl"
    broken.write_text('{"op": "sent"}\n')
    here = ["--bootstrap-servers", written.kafka, "--schemas", str(written.schemas), "--domain", written.past.domain]
    full = [*here, "--database-url", written.database]
    for arguments, why in (
        ([*here, "--database-url", database], "no table headrace.journal"),
        ([*here, "--database-url", "postgresql://127.0.0.1:1/x"], "no Postgres at 127.0.0.1:1 lets us in"),
        ([*full, "--bootstrap-servers", "127.0.0.1:1"], "no Kafka broker answers at 127.0.0.1:1"),
        ([*full, "--history", str(broken)], f"{broken} line 1: Invalid value 'sent'"),
        ([*full, "--history", str(tmp_path / "none")], "cannot read the history"),
        ([*full, "--logs", str(tmp_path / "none")], "no folder"),
        ([*full, "--logs", str(tmp_path)], "no *.log file"),
        ([*full, "--history"], "--history"),
    ):
        monkeypatch.setattr("headrace_load.verify.topics.TIMEOUT_S", 3.0)
        code, out, error = run(capsys, monkeypatch, *arguments)
        assert code == 2
        assert why in error
        assert out == ""
    (tmp_path / "handler.log").write_text("of something else\n")
    assert run(capsys, monkeypatch, *full, "--logs", str(tmp_path))[0] == 0
