"""On what the figures were measured."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import confluent_kafka
import psycopg

from headrace.avro.functions import functions_called
from headrace.settings import read_settings
from headrace_load.bench.stage import Stage


def facts(stage: Stage) -> dict[str, Any]:
    """Machine, versions, and how busy others keep it."""
    return host() | {"kafka": _kafka(stage.kafka.jars), "postgres": _postgres(stage.postgres.url)}


def host() -> dict[str, Any]:
    """The same without the servers."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu": _cpu(),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "codec": functions_called(read_settings().codec).name,
        "confluent_kafka": version("confluent-kafka"),
        "librdkafka": confluent_kafka.libversion()[0],
        "fastavro": version("fastavro"),
        "msgspec": version("msgspec"),
        "psycopg": version("psycopg"),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _kafka(jars: list[Path]) -> str:
    """The broker's version, as the name of its jar ends: kafka_2.13-4.3.1.jar."""
    return next((jar.stem.rpartition("-")[2] for jar in jars if jar.stem.startswith("kafka_")), "unknown")


def _postgres(url: str) -> str:
    with psycopg.connect(url) as connection:
        (found,) = connection.execute("SHOW server_version").fetchone() or ("unknown",)
    return str(found)
