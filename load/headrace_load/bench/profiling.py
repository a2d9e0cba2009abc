"""Where the handler's time goes: its loop under cProfile, in this process."""

import cProfile
import gc
import pstats
from typing import Final

from headrace.app import app
from headrace.handler.loop import open_handler
from headrace_load.bench.stage import Stage
from headrace_load.bench.traffic import Frame

SHOWN: Final = 25


def profile_handler(stage: Stage, commands: list[Frame]) -> pstats.Stats:
    """Answer all commands and return the profile, without the start and the first batch.

    cProfile makes calls of Python functions dearer than they are: read the order of the rows, not their seconds.
    """
    stage.reset()
    stage.store(stage.aggregate.command_topic, commands)
    profile = cProfile.Profile()
    handler = open_handler(app, stage.aggregate.name, "bench", stage.settings)
    try:
        while not handler.run_once():
            pass
        profile.enable()
        while handler.run_once() or stage.answered() < len(commands):
            pass
        profile.disable()
    finally:
        handler.stopping = True
        handler.run()  # stops at once, and leaves the group
        del handler
        gc.collect()  # its clients are in cycles, and would go on asking for a broker that is gone
    return pstats.Stats(profile)


def show(stats: pstats.Stats) -> None:
    """Print the functions that take most of the time in themselves."""
    stats.strip_dirs().sort_stats("tottime").print_stats(SHOWN)
