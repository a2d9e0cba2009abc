"""Chaos: everything that a bad month brings, in minutes, drawn from a seed so that a finding replays.

Reading order: `schedule` (what breaks, when and whom), `servers` and `cast` (whom), `service_faults` and
`server_faults` (how each thing breaks and heals), `asked` and `traffic` (the load), `watch` and `resources` (what is
seen meanwhile), `run` (the whole), `findings` and `report` (what is said in the end).
"""
