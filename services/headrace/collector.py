"""When Python's collector looks for cycles: seldom, since the loops leave none, and not at all in what lives long.

By default it walks through everything that a service holds again and again: a handler of a million aggregates would
stand still for a tenth of a second each time.
"""

import gc
from typing import Final

SELDOM: Final = (100_000, 50, 100)
"""New objects beside those that are gone before a look at the young ones; such looks before one at older ones; …"""


def collect_seldom() -> None:
    """For a process that is a service and nothing else."""
    gc.set_threshold(*SELDOM)


def keep_what_lives() -> None:
    """What there is now is not looked at again; it is freed like everything else once nobody refers to it."""
    gc.collect()
    gc.freeze()
