"""How log lines look, and which there are."""

import json
import subprocess
import sys

PROGRAM = """
from structlog import get_logger
from headrace.observe.logs import configure_logs
from headrace.settings import read_settings
configure_logs(read_settings(), "handle orders")
log = get_logger("test")
log.debug("a detail")
log.info("a step", partition=3)
log.error("a fault")
"""


def logged(**variables: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=variables, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_off_a_terminal_lines_are_json_from_info_on() -> None:
    lines = [json.loads(line) for line in logged()]
    assert [(line["event"], line["level"]) for line in lines] == [("a step", "info"), ("a fault", "error")]
    assert (lines[0]["partition"], lines[0]["service"]) == (3, "handle orders")


def test_level_and_format_are_settings() -> None:
    assert [json.loads(line)["event"] for line in logged(LOG_LEVEL="ERROR", LOG_FORMAT="json")] == ["a fault"]
    detail, *_ = logged(LOG_LEVEL="debug", LOG_FORMAT="text")
    assert "a detail" in detail
    assert not detail.startswith("{")
