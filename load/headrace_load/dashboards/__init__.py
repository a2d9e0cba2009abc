"""Grafana's dashboards as code: `python -m headrace_load.dashboards` writes deploy/grafana/dashboards.

Reading order: `board` (what a panel is here), then a dashboard each: `overview`, `handlers`, `projectors`, `processes`,
`servers`; `runbooks` holds the pages that alerts and panels lead to.
"""
