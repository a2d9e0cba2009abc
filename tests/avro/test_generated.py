"""Generated source can be looked at."""

import ast

import pytest

from headrace.app import app
from headrace.avro.contract import Catalogue, Contract
from headrace.avro.generated import generated_source
from headrace.cli import main
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from messages import SCHEMAS, shipped_catalogue


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """`headrace schemas codec …` in this process; its exit code."""
    monkeypatch.setenv("HEADRACE_SCHEMAS", str(SCHEMAS))
    monkeypatch.setattr("sys.argv", ["headrace", "schemas", "codec", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("contract", shipped_catalogue().newest.values(), ids=lambda contract: contract.record)
def test_every_record_s_source_is_python_that_writes_and_reads_it(contract: Contract) -> None:
    source = generated_source(app, shipped_catalogue(), contract)
    defined = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    assert defined[0] == "write"
    assert set(defined[1:]) == {"read"}
    for field in contract.schema["fields"]:
        if field["name"] not in ("meta", "state"):
            assert field["name"] in source


def test_the_command_prints_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "PayOrder") == 0
    assert "def write(meta, body, state):" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [("PayOrders", "did you mean PayOrder"), ("paid", "`headrace schemas show` lists them")],
    ids=["near one", "near none"],
)
def test_a_record_that_is_not_there_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    assert run(monkeypatch, name) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"headrace: no record is called {name!r}: ")
    assert said in line
    assert line.count("\n") == 1


def test_a_record_of_another_app_has_no_class_to_generate_for(catalogue: Catalogue) -> None:
    contract = catalogue.newest["orders", "PayOrder"]
    with pytest.raises(Misconfigured, match=r"headrace.orders.PayOrder is in the lock file, and no aggregate"):
        generated_source(App(aggregates=()), catalogue, contract)
