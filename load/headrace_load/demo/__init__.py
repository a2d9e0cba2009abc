"""The demo: a day of a real shop through real Kafka and Postgres, with kills in the middle, verified at the end.

Reading order: `story` (what happens), `stage` (servers and processes), `day` and `sender` (what the shop asks for),
`quiet` (when all of it is done), `result` (what was found).
"""

from headrace_load.demo.result import Result, show_result
from headrace_load.demo.stage import Stage
from headrace_load.demo.story import Told, tell

__all__ = ["Result", "Stage", "Told", "show_result", "tell"]
