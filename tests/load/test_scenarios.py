"""Scenario files: what is read, and what is refused before anything is sent."""

from pathlib import Path

import pytest

from headrace.kernel.errors import Misconfigured
from headrace_load.generator.arrivals import Constant, Flood, Spike
from headrace_load.generator.scenario import Hot, Overrides, Zipf, find, read, shipped

WHOLE = """
description = "A small one"
thresholds = ["p99_command_to_row_ms < 100", "lost == 0"]

[arrivals]
shape = "constant"
rate = 100
duration_s = 10

[keys]
distribution = "uniform"
count = 50

[mix]
lifecycle = 9
garbage = 1
"""


def written(folder: Path, text: str = WHOLE) -> Path:
    path = folder / "small.toml"
    path.write_text(text)
    return path


def test_a_scenario_is_read_with_what_it_leaves_out(tmp_path: Path) -> None:
    found = read(written(tmp_path))
    assert found.arrivals == Constant(rate=100, duration_s=10)
    assert found.mix.weights["lifecycle"] == 9
    assert found.mix.weights["refused"] == 0
    assert (found.seed, found.workers) == (1, 1)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("[mix]", "speed = 1\n[mix]", "unknown field `speed` - at `$.keys`"),
        ("description", "colour = 1\ndescription", "unknown field `colour`"),
        ("rate = 100", "rate = -100", "`float` > 0.0 - at `$.arrivals.rate`"),
        ("rate = 100", "rate = inf", "`float` <= 10000000.0 - at `$.arrivals.rate`"),
        ("rate = 100", "rate = nan", "`float` > 0.0 - at `$.arrivals.rate`"),
        ("rate = 100", 'rate = "fast"', "Expected `float`, got `str` - at `$.arrivals.rate`"),
        ("duration_s = 10", "duration_s = 10\ncount = 5", "say either duration_s or count"),
        ("duration_s = 10", "", "say either duration_s or count"),
        ('"constant"', '"square"', "Invalid value 'square' - at `$.arrivals.shape`"),
        ("count = 50", "count = 0", "`int` >= 1 - at `$.keys.count`"),
        ("count = 50", "count = 50\n[keys.more]", "unknown field `more`"),
        ("lifecycle = 9\ngarbage = 1", "lifecycle = 0", "at least one weight must be more than 0"),
        ("lifecycle = 9\n", "resend = 1\n", "resend and reused_id need lifecycle"),
        ("lifecycle = 9", "lifecycle = -1", "`float` >= 0.0 - at `$.mix.lifecycle`"),
        ("lost == 0", "beauty == 0", "there is no metric beauty"),
        ("lost == 0", "lost = 0", "write METRIC < NUMBER"),
        ("[keys]", "[keys", "Expected"),
        ("description", "workers = 51\ndescription", "each worker needs a key of its own"),
    ],
)
def test_a_scenario_with_something_wrong_is_one_line_that_names_it(
    tmp_path: Path, before: str, after: str, why: str
) -> None:
    path = written(tmp_path, WHOLE.replace(before, after, 1))
    with pytest.raises(Misconfigured) as refused:
        read(path)
    assert why in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_bytes_that_are_no_text_are_refused_likewise(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match=r"odd\.toml: "):
        read(path)


def test_the_command_line_changes_rate_length_seed_workers_and_adds_thresholds(tmp_path: Path) -> None:
    found = read(written(tmp_path), Overrides(rate=20.0, count=40, seed=7, workers=2, thresholds=("sent == 40",)))
    assert found.arrivals == Constant(rate=20, count=40)
    assert (found.seed, found.workers) == (7, 2)
    assert found.thresholds == ("p99_command_to_row_ms < 100", "lost == 0", "sent == 40")


def test_another_rate_and_length_change_a_spike_in_proportion(tmp_path: Path) -> None:
    text = WHOLE.replace('"constant"', '"spike"').replace(
        "duration_s = 10", "duration_s = 60\nspike_rate = 1000\nspike_s = 6"
    )
    found = read(written(tmp_path, text), Overrides(rate=10, duration_s=10))
    assert found.arrivals == Spike(rate=10, spike_rate=100, spike_s=1, duration_s=10)


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (Overrides(rate=-1), "`float` > 0.0"),
        (Overrides(duration_s=0), "`float` > 0.0"),
        (Overrides(count=10, duration_s=1), "say one of them"),
        (Overrides(workers=0), "`int` >= 1"),
        (Overrides(thresholds=("beauty < 1",)), "there is no metric beauty"),
    ],
)
def test_the_command_line_is_held_to_the_same(tmp_path: Path, overrides: Overrides, why: str) -> None:
    with pytest.raises(Misconfigured, match=r"^--|^on the command line: ") as refused:
        read(written(tmp_path), overrides)
    assert why in str(refused.value)


def test_a_flood_has_no_rate_and_a_spike_no_count() -> None:
    with pytest.raises(Misconfigured, match="a flood has no rate"):
        read(find("flood"), Overrides(rate=10))
    with pytest.raises(Misconfigured, match="the shape spike has a duration and no count"):
        read(find("spike"), Overrides(count=10))


def test_all_shipped_scenarios_can_be_read_and_found_by_name() -> None:
    names = dict(shipped())
    assert list(names) == ["busy", "flood", "hostile", "hot_key", "soak", "spike", "steady"]
    assert all(read(find(name)) == scenario for name, scenario in names.items())
    assert isinstance(names["flood"].arrivals, Flood)
    assert isinstance(names["hot_key"].keys, Hot)
    assert isinstance(names["busy"].keys, Zipf)
    assert all(scenario.thresholds for scenario in names.values())


@pytest.mark.parametrize("name", ["nothing", "nothing.toml", "../scenarios/steady", ""])
def test_a_scenario_that_is_not_there_is_told_with_those_that_are(name: str) -> None:
    with pytest.raises(Misconfigured, match=r"there is no scenario .*busy, flood"):
        find(name)
