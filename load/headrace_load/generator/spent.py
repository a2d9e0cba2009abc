"""What the processes of a stage of our own spend on a run: CPU time, by who they are."""

from collections.abc import Mapping
from typing import TypeAlias

import psutil

Watched: TypeAlias = Mapping[str, int]
"""Process numbers by name; those of one kind are named alike but for a number at the end."""


def cpu_seconds(watched: Watched) -> dict[str, float]:
    """Seconds of CPU that each has used so far, with its children; one that is gone has none."""
    found = {}
    for name, pid in watched.items():
        try:
            process = psutil.Process(pid)
            # Its own, that of children which it has outlived, and that of those which live.
            found[name] = sum(process.cpu_times()[:4]) + sum(sum(one.cpu_times()[:2]) for one in process.children())
        except psutil.NoSuchProcess:
            continue
    return found


def per_command(before: Mapping[str, float], after: Mapping[str, float], commands: int) -> dict[str, float]:
    """Microseconds of CPU a command, those of one kind together.

    Of a process that came or went meanwhile nothing is known, so it is left out.
    """
    found: dict[str, float] = {}
    for name in before.keys() & after.keys():
        kind = name.rstrip("-0123456789")
        found[kind] = found.get(kind, 0.0) + (after[name] - before[name]) / max(commands, 1) * 1e6
    return {kind: round(max(spent, 0.0), 1) for kind, spent in sorted(found.items())}
