"""Runs of the load generator as a user starts them."""

import subprocess

from headrace.kafka.reading import high_watermarks
from running import PARTITIONS, Running


def load(heart: Running, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return heart.headrace("load", "run", *arguments, env=env)


def commands(heart: Running) -> int:
    """How many records lie in the command topic."""
    places = [("orders.commands", number) for number in range(PARTITIONS)]
    return sum(high_watermarks(heart.admin, places).values())


def refused(ran: subprocess.CompletedProcess[str], why: str) -> None:
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert why in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert "Traceback" not in ran.stderr
