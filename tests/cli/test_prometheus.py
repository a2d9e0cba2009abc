"""`headrace local prometheus` says what is wrong before it starts anything."""

import socket
from pathlib import Path

import pytest

from headrace.cli import main


def refusal(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr("sys.argv", ["headrace", "local", "prometheus", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    line = capsys.readouterr().err
    assert (ended.value.code, line.count("\n")) == (2, 1), line
    return line


def test_a_configuration_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(["nowhere.yml"], monkeypatch, capsys)
    assert "there is no nowhere.yml: name the file that `headrace demo --keep` has written" in line


def test_a_port_that_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prometheus.yml").write_text("{}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = str(taken.getsockname()[1])
        line = refusal([str(tmp_path / "prometheus.yml"), "--port", port], monkeypatch, capsys)
    assert f"port {port} is taken: choose another with --port" in line
