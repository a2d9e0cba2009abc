"""What the README promises, run."""

import re
import shlex
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup as Group
from typer.main import get_command

from headrace import cli
from headrace.app import LIMITS
from headrace.orders.statistics import order_statistics
from headrace.settings import Settings
from lifecycles import lifecycles
from running import ROOT, Running

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_smallest_domain_is_the_one_that_a_test_runs() -> None:
    code, _ = blocks("python")
    module = (Path(__file__).parent / "outside" / "lights.py").read_text().replace("  # noqa: ARG001", "")
    *definitions, assembly = code.strip().split("\n\n\n")
    assert all(definition in module for definition in definitions)
    assert "".join(assembly.splitlines()[-1]) in module


def test_every_setting_of_the_table_exists() -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values()} | {
        "HEADRACE_APP",
        "HEADRACE_SLOT",
        LIMITS,
    }
    named = set(re.findall(r"`((?:HEADRACE|KAFKA_BOOTSTRAP|SCHEMA_REGISTRY|DATABASE|METRICS|LOG)_[A-Z_]+)`", README))
    assert named <= known
    assert known - {"HEADRACE_INSTANCE", "HEADRACE_FAILPOINT"} <= named


def named_commands() -> list[tuple[str, list[str]]]:
    """Every call of `headrace` that a page shows, or that a message tells people to make, and where."""
    pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    found = []
    for path in [*pages, *sorted((ROOT / "services").rglob("*.py"))]:
        # A call in a message may go on in the string of the next line.
        text = re.sub(r'"\n\s*f?"', "", path.read_text()).replace("\\\n", " ")
        shown = re.findall(r"`headrace ([^`]+)`|^\$ (?:\.venv/bin/)?headrace (.+)$", text, re.MULTILINE)
        for call in ("".join(parts) for parts in shown):
            found += [(path.name, part.removeprefix("headrace ").split("#")[0].split()) for part in call.split(" && ")]
    return found


def test_every_command_that_a_page_or_a_message_names_exists_with_its_options() -> None:
    calls = named_commands()
    assert len(calls) > 30
    for where, words in calls:
        command: Any = get_command(cli.app)
        rest = list(words)
        while rest and isinstance(command, Group):
            name = rest.pop(0)
            assert name in command.commands or "|" in words or name == "…", f"{where}: headrace {' '.join(words)}"
            command = command.commands.get(name, command)
        options = {option for parameter in command.params for option in parameter.opts}
        for word in rest:
            if word.startswith("--"):
                assert word.partition("=")[0] in options, f"{where}: headrace {' '.join(words)}"


def test_every_target_that_a_page_names_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"`make ([a-z-]+)", README + (ROOT / "CONTRIBUTING.md").read_text())
    assert named
    assert set(named) <= set(targets)


def test_the_statistics_have_the_columns_of_the_table() -> None:
    [table] = [part for part in README.split("\n\n") if "average_basket" in part and part.startswith("| column")]
    named = [name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    shown = order_statistics.table.sums.partition("FROM")[0]
    columns = [line.split()[-1].rstrip(",") for line in shown.strip().splitlines()]
    assert sorted(named) == sorted({*columns} - {"applied_at"})


CLIENT = """\
from headrace.app import app
from headrace.client import Client
from headrace.orders.commands import DeliverOrder, ShipOrder

{shown}
    print(outcome.result, outcome.version, sent.result().version)
"""


@pytest.mark.edge
def test_the_client_is_used_as_the_readme_says(shop: Running) -> None:
    _, shown = blocks("python")
    shop.start("handler", "handle", "orders")
    shop.send("orders", *(("536365", command) for _, command in islice(lifecycles(1), 2)))
    done = subprocess.run(
        [sys.executable, "-c", CLIENT.format(shown=shown)],
        env=shop.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("accepted 3 4\n", "")


@pytest.mark.edge
def test_looking_around_says_what_the_readme_says(shop: Running) -> None:
    [transcript] = [block for block in blocks("console") if "headrace local up" in block]
    lines = transcript.replace("\\\n", " ").splitlines()
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    for said, line in zip([*lines[1:], ""], lines, strict=True):
        if line.startswith("$ headrace send"):
            assert shop.headrace(*shlex.split(line)[2:]).stdout.strip() == said
    shop.wait_until_quiet()
    assert shop.headrace("verify").returncode == 0
