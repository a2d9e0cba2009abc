"""What the README promises, run."""

import re
import shlex
from pathlib import Path

import pytest

from headrace.settings import Settings
from running import ROOT, Running

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_smallest_domain_is_the_one_that_a_test_runs() -> None:
    [code] = blocks("python")
    module = (Path(__file__).parent / "outside" / "lights.py").read_text().replace("  # noqa: ARG001", "")
    *definitions, assembly = code.strip().split("\n\n\n")
    assert all(definition in module for definition in definitions)
    assert "".join(assembly.splitlines()[-1]) in module


def test_every_setting_of_the_table_exists() -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values()} | {
        "HEADRACE_APP",
        "HEADRACE_SLOT",
    }
    named = set(re.findall(r"`((?:HEADRACE|KAFKA_BOOTSTRAP|DATABASE|METRICS|LOG)_[A-Z_]+)`", README))
    assert named <= known
    assert known - {"HEADRACE_INSTANCE", "HEADRACE_FAILPOINT"} <= named


@pytest.mark.edge
def test_looking_around_says_what_the_readme_says(shop: Running) -> None:
    [transcript] = [block for block in blocks("console") if "headrace send" in block]
    lines = transcript.replace("\\\n", " ").splitlines()
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    for said, line in zip([*lines[1:], ""], lines, strict=True):
        if line.startswith("$ headrace send"):
            assert shop.headrace(*shlex.split(line)[2:]).stdout.strip() == said
    shop.wait_until_quiet()
    assert shop.headrace("verify").returncode == 0
