"""What is wrong with a call is one line that says where, and nothing is left half done."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.cli import main
from headrace_load.verify.report import CannotVerify
from headrace_load.verify.restored import read_logs

ADDRESSES = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL")


class Call:
    """Calls the command in a folder of its own."""

    def __init__(self, patch: pytest.MonkeyPatch, printed: pytest.CaptureFixture[str]) -> None:
        self._patch = patch
        self._printed = printed

    def __call__(self, *arguments: str) -> tuple[object, str]:
        """The exit code and the one line."""
        self._patch.setattr("sys.argv", ["headrace", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = self._printed.readouterr().err.strip()
        assert "\n" not in said
        return ended.value.code, said


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    monkeypatch.chdir(tmp_path)
    for name in (*ADDRESSES, "HEADRACE_SCHEMAS", "HEADRACE_APP"):
        monkeypatch.delenv(name, raising=False)
    return Call(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = 1\nraise RuntimeError('the boiler is cold')", "RuntimeError: the boiler is cold in "),
        ("def app(:", "SyntaxError: invalid syntax (broken_app_1.py, line 1)"),
        ("import sys\nsys.exit(7)", "SystemExit: 7 in "),
        ("from headrace.kernel.app import App\napp = App(aggregates=(1,))", "AttributeError: "),
    ],
)
def test_an_app_that_cannot_be_imported_says_what_is_wrong_with_it(
    call: Call, tmp_path: Path, text: str, what: str
) -> None:
    name = f"broken_app_{1 if 'def' in text else abs(hash(text))}"
    (tmp_path / f"{name}.py").write_text(text)
    code, said = call("acls", "--app", f"{name}:app")
    assert code == 2
    assert said.startswith(f"headrace: --app '{name}:app': {what}")
    assert "line " in said


def test_an_argument_of_other_bytes_is_named(call: Call) -> None:
    assert call("tail", "orders", "--id", os.fsdecode(b"\xff")) == (2, "headrace: the argument '\\udcff' is not UTF-8")


@pytest.mark.parametrize("url", ["foo", "mysql://x"])
def test_a_database_url_that_is_none_is_named_by_its_variable(
    call: Call, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    code, said = call("migrate")
    assert code == 2
    assert said.startswith("headrace: DATABASE_URL is no postgresql://user:password@host:port/name (")


def test_a_watch_without_addresses_does_not_wait_for_them() -> None:
    """As a process of its own: a service sets up the log for all that runs in one."""
    environment = {name: value for name, value in os.environ.items() if name not in ADDRESSES}
    done = subprocess.run(
        [sys.executable, "-m", "headrace", "watch"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "KAFKA_BOOTSTRAP_SERVERS is not set" in done.stderr


def test_a_schema_folder_that_is_none_is_named(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("HEADRACE_SCHEMAS", str(tmp_path / "a-file"))
    code, said = call("schemas", "check")
    assert code == 1
    assert f"{tmp_path}/a-file/ids.json" in said


def test_a_part_file_of_other_bytes_is_named(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    part = tmp_path / "schemas" / "orders" / "OrderShipped.v1.avsc"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"\xff")
    monkeypatch.setenv("HEADRACE_SCHEMAS", str(tmp_path / "schemas"))
    assert call("schemas", "lock") == (2, f"headrace: {part}: not UTF-8")


@pytest.mark.parametrize("content", [b"{", b"{}", b'{"pid": "x"}', b"[1]", b"\xff"])
@pytest.mark.parametrize("name", ["process.json", "ports.json"])
def test_a_local_server_whose_files_are_damaged_is_told_with_the_file(
    call: Call, tmp_path: Path, name: str, content: bytes
) -> None:
    folder = tmp_path / ".headrace" / "local" / "kafka"
    folder.mkdir(parents=True)
    (folder / "ports.json").write_text("[1, 2]")
    (folder / name).write_bytes(content)
    code, said = call("local", "status")
    assert code == 1
    assert said.startswith(f"headrace: {folder / name} is damaged (")


def test_a_domain_that_cannot_be_written_leaves_nothing(call: Call, tmp_path: Path) -> None:
    (tmp_path / "schemas").touch()
    code, said = call("new", "domain", "tickets")
    assert code == 1
    assert str(Path("schemas") / "tickets") in said
    assert not list(tmp_path.rglob("*.py"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a/x.jsonl", "a/x.jsonl"], "a/x.jsonl is named twice: a file is read once"),
        (["a/x.jsonl", "a/../a/x.jsonl", "--format", "retail"], "a/x.jsonl is named twice: a file is read once"),
        (["a/x.jsonl", "b/x.jsonl"], "several files are called x.jsonl, and ids follow from that name: name them "),
        (["a/x.jsonl", "b/y.jsonl"], "no such file: b/y.jsonl"),
        (["a/x.jsonl", "--format", "retail", "--source", "till"], "--source: ids of retail orders follow from the "),
    ],
    ids=str,
)
def test_files_whose_commands_would_be_taken_for_each_other_are_not_imported(
    call: Call, tmp_path: Path, arguments: list[str], said: str
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jsonl").touch()
    code, line = call("import", *arguments)
    assert code == 2
    assert line.startswith(f"headrace: {said}")


def test_a_key_whose_public_half_is_there_is_not_written(call: Call, tmp_path: Path) -> None:
    (tmp_path / "k.pem.pub").write_text("keep")
    code, said = call("audit", "key", "k.pem")
    assert (code, said) == (
        2,
        "headrace: k.pem.pub: there is such a file; a key that is overwritten verifies nothing any more",
    )
    assert not (tmp_path / "k.pem").exists()


def test_logs_without_a_log_are_no_evidence(tmp_path: Path) -> None:
    with pytest.raises(CannotVerify, match=r"no \*\.log file in"):
        read_logs(tmp_path)
