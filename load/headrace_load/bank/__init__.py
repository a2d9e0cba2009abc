"""A bank under load: accounts, transfers between them, perhaps harm meanwhile; all of it verified at the end.

Reading order: `scenario` (what is asked), `traffic` (the commands), `run` (from the first account to the last check),
`harm`, `figures` (what the journal and the tables say of it), `past` and `forgeries` (what the audit says of it).
`python -m headrace_load.bank hot`.
"""
