import json
from pathlib import Path

import pytest

from headrace.app import shop
from headrace.kernel.app import JOURNAL
from headrace.kernel.errors import Misconfigured
from headrace_load.bench.check import RECORDED, least, ratios, record, recorded, too_dear, usual
from headrace_load.bench.document import as_markdown, as_svg, write
from headrace_load.bench.figures import Results


def repeat(cost: float, raw: float) -> Results:
    """One repeat in which everything takes so much CPU, and librdkafka so much for the same."""
    found: Results = {}
    for who in ("handler", "projector_orders"):
        found |= {f"{who}.cpu_us": cost, f"{who}.cpu_to_raw": cost / raw}
    return found


def test_the_least_of_the_repeats_counts_of_both() -> None:
    assert ratios([repeat(30.0, 5.0), repeat(24.0, 8.0), repeat(40.0, 6.0)])["handler"] == 4.8


def test_a_quarter_over_what_is_recorded_passes_and_more_does_not() -> None:
    before = {"handler": 4.0, "projector_orders": 10.0}
    assert too_dear({"handler": 5.0, "projector_orders": 9.0}, before) == []
    [line] = too_dear({"handler": 5.01, "projector_orders": 9.0}, before)
    assert line == "handler takes 5.01 times the CPU of raw librdkafka; 4.00 is recorded, and 5.00 the most that passes"


def test_what_is_recorded_and_was_not_measured_does_not_pass() -> None:
    [line] = too_dear({"handler": 4.0}, {"handler": 4.0, "projector_orders": 10.0})
    assert line == "projector_orders was not measured; 10.00 times the CPU of raw librdkafka is recorded"


def test_of_several_measurements_the_median_is_kept() -> None:
    assert usual([{"handler": 6.0}, {"handler": 9.0}, {"handler": 6.4}]) == {"handler": 6.4}


def test_what_is_recorded_is_what_a_check_compares_with(tmp_path: Path) -> None:
    file = tmp_path / "recorded.json"
    with pytest.raises(Misconfigured, match="no ratios recorded"):
        recorded("python", file)
    record({"handler": 4.2}, {"codec": "python", "cores": 2}, file)
    record({"handler": 3.2}, {"codec": "compiled"}, file)
    assert recorded("python", file) == {"handler": 4.2}
    assert recorded("compiled", file) == {"handler": 3.2}
    assert json.loads(file.read_text())["python"]["machine"] == {"codec": "python", "cores": 2}


@pytest.mark.parametrize("codec", ["compiled", "python"])
def test_ratios_are_recorded_for_the_handler_and_projectors_of_the_app(codec: str) -> None:
    projectors = {f"projector_{name}" for name in [*(view.name for view in shop.views), JOURNAL]}
    assert "handler" in recorded(codec, RECORDED)
    assert set(recorded(codec, RECORDED)) - {"handler"} <= projectors


FIGURE = {"min": 4.0, "median": 4.5, "max": 5.0, "values": [4.0, 4.5, 5.0]}
MACHINE = dict.fromkeys(
    ("cpu", "cores", "system", "python", "codec", "librdkafka", "msgspec", "psycopg", "kafka", "postgres"), "one"
)
REPORT = {
    "machine": MACHINE,
    "settings": {"window_ms": 20},
    "partitions": 4,
    "commands": 200_000,
    "repeats": 3,
    "live_s": 30.0,
    "figures": {
        "raw_produce": {"cpu_us": FIGURE},
        "handler": {"commands_per_s": FIGURE | {"median": 123_456.0}, "cpu_to_raw": FIGURE},
    },
}


def test_a_report_becomes_a_page_with_a_table_and_a_plot(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "benchmarks.md"
    write(REPORT, page)
    text = page.read_text()
    assert text == as_markdown(REPORT, "benchmarks.svg")
    assert "| handler | commands/s | 123,456 | 4 | 5 |\n|  | x raw CPU | 4.5 | 4 | 5 |" in text
    assert "200,000 commands a repeat, 4 partitions; window_ms 20." in " ".join(text.split())
    svg = page.with_suffix(".svg").read_text()
    assert svg == as_svg(REPORT)
    assert "handler" in svg
    assert "raw produce" not in svg


def test_of_two_measurements_the_lower_ratio_of_each_service_counts() -> None:
    assert least({"handler": 5.0, "journal": 9.0}, {"handler": 6.0, "journal": 8.0}) == {"handler": 5.0, "journal": 8.0}
