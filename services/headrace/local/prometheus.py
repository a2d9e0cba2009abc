"""The real Prometheus as a local process: which services it scrapes, by which rules, and how it is started."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from headrace.local.debian import debian_program
from headrace.local.process import write_whole

INTERVAL_S: Final = 5


def write_configuration(
    folder: Path, targets: Mapping[str, Iterable[str]], rules: Iterable[Path], interval_s: int = INTERVAL_S
) -> Path:
    """Write what Prometheus reads: jobs by name with their `host:port`s, in targets.json, and files of rules.

    Prometheus reads targets.json again when it changes: services may come and go.
    """
    write_whole(folder / "targets.json", targets_of(targets))
    every = {"scrape_interval": f"{interval_s}s", "evaluation_interval": f"{interval_s}s"}
    scraped = {"job_name": "headrace", "file_sd_configs": [{"files": ["targets.json"], "refresh_interval": "5s"}]}
    configuration = {"global": every, "rule_files": [str(file) for file in rules], "scrape_configs": [scraped]}
    file = folder / "prometheus.yml"
    write_whole(file, json.dumps(configuration, indent=1))  # JSON is YAML
    return file


def targets_of(targets: Mapping[str, Iterable[str]]) -> str:
    """The text of a file of targets, each with its job."""
    return json.dumps([{"targets": sorted(found), "labels": {"job": job}} for job, found in targets.items()], indent=1)


def prometheus(configuration: Path, data: Path, port: int) -> list[str]:
    """The command that runs Prometheus on a configuration, on the loopback; data go to a folder of its own."""
    return [
        str(debian_program("prometheus", "prometheus")),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
