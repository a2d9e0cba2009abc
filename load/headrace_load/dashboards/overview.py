"""How everything does, on one page: throughput, outcomes, latency, lag, what is parked, what the objective has left."""

from typing import Final

from headrace_load.dashboards.board import Ask, Board, Panel

BY_OUTCOME: Final = "sum by (outcome) (rate(headrace_commands_total[$__rate_interval]))"
LATENCY: Final = (
    "histogram_quantile({0}, sum by (le, group) (rate(headrace_end_to_end_latency_seconds_bucket[$__rate_interval])))"
)

NOW: Final = (
    Panel(
        title="Commands",
        text="Commands answered in a second, by all handlers.",
        unit="ops",
        kind="stat",
        width=4,
        asks=(Ask("sum(rate(headrace_commands_total[$__rate_interval]))"),),
    ),
    Panel(
        title="Events",
        text="Events written in a second, by all handlers.",
        unit="ops",
        kind="stat",
        width=4,
        asks=(Ask("sum(rate(headrace_events_appended_total[$__rate_interval]))"),),
    ),
    Panel(
        title="Served",
        text="Of the group that is worst off, the share of partitions that somebody owns and whose next "
        "record is no older than 10 s.",
        unit="percentunit",
        kind="stat",
        width=4,
        asks=(Ask("min(group:headrace_served:ratio)"),),
        runbooks=("HeadraceErrorBudgetBurn", "HeadraceHandlerStopped"),
    ),
    Panel(
        title="Furthest behind",
        text="How old the oldest unread record of any group is at most.",
        unit="s",
        kind="stat",
        width=4,
        asks=(Ask("max(headrace_consumer_lag_seconds or headrace_group_lag_seconds)"),),
        runbooks=("HeadraceLagOld",),
    ),
    Panel(
        title="Parked keys",
        text="Aggregates that wait because our code broke on one of their records.",
        unit="short",
        kind="stat",
        width=4,
        asks=(Ask("sum(headrace_parked_keys)"),),
        runbooks=("HeadraceParkedKeys",),
    ),
    Panel(
        title="Alerts",
        text="Alerts of Headrace that fire.",
        unit="short",
        kind="stat",
        width=4,
        asks=(Ask('count(ALERTS{alertname=~"Headrace.+", alertstate="firing"}) or vector(0)'),),
    ),
)
WORK: Final = (
    Panel(
        title="Commands by outcome",
        text="Accepted, refused by a rule, repeated for a resend, parked.",
        unit="ops",
        asks=(Ask(BY_OUTCOME, "{{outcome}}"),),
    ),
    Panel(
        title="Refusals by code",
        text="Why commands were refused or parked; the code is the class of the rule.",
        unit="ops",
        asks=(Ask('sum by (code) (rate(headrace_commands_total{code!=""}[$__rate_interval]))', "{{code}}"),),
    ),
    Panel(
        title="End to end, 99th percentile",
        text="From a command's place in the log until what a group makes of it is "
        "committed: a handler's outcome, a projector's row. Of each batch's first record.",
        unit="s",
        asks=(Ask(LATENCY.format("0.99"), "{{group}}"),),
        runbooks=("HeadraceLagOld",),
    ),
    Panel(
        title="End to end, median",
        text="The same, of the batch in the middle.",
        unit="s",
        asks=(Ask(LATENCY.format("0.5"), "{{group}}"),),
    ),
    Panel(
        title="Lag in seconds",
        text="How old the oldest unread record of a group is at most; 0 when all is read.",
        unit="s",
        asks=(Ask("max by (group) (headrace_consumer_lag_seconds or headrace_group_lag_seconds)", "{{group}}"),),
        runbooks=("HeadraceLagOld", "HeadraceJournalNearCompaction"),
    ),
    Panel(
        title="Lag in records",
        text="Offsets between positions and ends, transaction markers left out.",
        unit="short",
        asks=(Ask("sum by (group) (headrace_consumer_lag_records)", "{{group}}"),),
        runbooks=("HeadraceLagOld",),
    ),
)
HEALTH: Final = (
    Panel(
        title="Served, by group",
        text="The share of a group's partitions that somebody owns and whose next record is no "
        "older than 10 s. The objective is 99.9 % of the time.",
        unit="percentunit",
        asks=(Ask("group:headrace_served:ratio", "{{group}}"),),
        runbooks=("HeadraceErrorBudgetBurn",),
    ),
    Panel(
        title="Error budget used in three days",
        text="1 is as much as three days may use.",
        unit="percentunit",
        asks=(Ask("group:headrace_unserved:ratio_3d / 0.001", "{{group}}"),),
        runbooks=("HeadraceErrorBudgetBurn",),
    ),
    Panel(
        title="Parked keys by group",
        text="Aggregates that wait in each group.",
        unit="short",
        asks=(Ask("sum by (group) (headrace_parked_keys)", "{{group}}"),),
        runbooks=("HeadraceParkedKeys", "HeadracePartitionHalted"),
    ),
    Panel(
        title="Transactions that did not commit",
        text="Aborted and read again, or unanswered and looked up: a few at each rebalance are as it should be.",
        unit="ops",
        asks=(
            Ask(
                'sum by (group, result) (rate(headrace_transactions_total{result!="committed"}[$__rate_interval]))'
                " or sum by (group) (headrace_ready) * 0",
                "{{group}} {{result}}",
            ),
        ),
        runbooks=("HeadraceTransactionOpen",),
    ),
)

BOARD: Final = Board(
    uid="headrace-overview",
    title="overview",
    text="How everything does: throughput, outcomes, latency, lag, what is parked, what the objective has left.",
    rows={"Now": NOW, "Work": WORK, "Health": HEALTH},
)
