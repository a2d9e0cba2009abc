"""The verifier: reads topics and tables itself, sharing no code with Headrace, and says what is wrong with them.

Reading order: `run` (the whole), `records` (what is read), `topics`, `database` and `reading` (how it is read), then
the checks, each a small function of one partition: `history`, `answers`, `places`, `positions`; `rows` and `orders`
compare the read model with a model of their own.
"""

from headrace_load.verify.report import CannotVerify, Check, Report
from headrace_load.verify.run import verify

__all__ = ["CannotVerify", "Check", "Report", "verify"]
