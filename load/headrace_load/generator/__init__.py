"""The load generator: loads a running system by a scenario, measures it from outside, and has it verified.

Reading order: `scenario` and `arrivals` (what is asked for), `traffic`, `frames` and `ids` (what is sent), `sender`
(how), `observer` and `lag` (what becomes of it), `processes` and `run` (the whole), `summary` and `thresholds` (what it
came to), `live`, `show` and `report` (how it is shown), `conduct` (from a scenario to a judged run).
"""
