"""The verifier: reads topics and tables itself, sharing no code with Headrace, and says what is wrong with them.

Reading order: `claims` (what is claimed), `run` (the whole), `partition` (what is done for each), `processes` (by
whom); `records` (what is read), `topics`, `database`, `schemas`, `walk`, `reading` (how it is read); then the checks,
each a small function of a partition: `history`, `answers`, `content`, `admission`, `parking`, `places`, `positions`,
`held`, `isolation`; `clients` and `restored` compare with what others noted; `rows` and `orders`, the read model with a
model of ours, so `accounts` and `transfers`; `sums`, tables whose rows are no aggregate's own, with `order_statistics`,
`statements` and `transfer_volumes`; `money`, all accounts and transfers together;
`reactors`, what processes keep for themselves.
"""

from headrace_load.verify.report import CannotVerify, Check, Report
from headrace_load.verify.run import Evidence, verify

__all__ = ["CannotVerify", "Check", "Evidence", "Report", "verify"]
