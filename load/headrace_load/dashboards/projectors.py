"""What projectors do: events and rows, how fresh views are, how far the journal is from compaction, the database."""

from typing import Final

from headrace_load.dashboards.board import Ask, Board, Choice, Panel

VIEW: Final = 'projection=~"$projection"'
GROUP: Final = 'group=~"headrace[.]project[.]($projection)"'


def quantile(share: str, metric: str) -> str:
    """A quantile of a histogram of the projectors', by group."""
    return f"histogram_quantile({share}, sum by (le, group) (rate({metric}_bucket{{{GROUP}}}[$__rate_interval])))"


WORK: Final = (
    Panel(
        title="Events applied",
        text="Events that projectors have dealt with, parked ones included.",
        unit="ops",
        asks=(
            Ask(
                f"sum by (projection) (rate(headrace_events_applied_total{{{VIEW}}}[$__rate_interval]))",
                "{{projection}}",
            ),
        ),
    ),
    Panel(
        title="Rows written",
        text="Rows, one for each key that a batch touched.",
        unit="ops",
        asks=(
            Ask(
                f"sum by (projection) (rate(headrace_rows_written_total{{{VIEW}}}[$__rate_interval]))", "{{projection}}"
            ),
        ),
    ),
    Panel(
        title="Command to row",
        text="From a command's place in the log until its row is committed: median and 99th "
        "percentile of each batch's first event.",
        unit="s",
        asks=(
            Ask(quantile("0.5", "headrace_end_to_end_latency_seconds"), "{{group}} median"),
            Ask(quantile("0.99", "headrace_end_to_end_latency_seconds"), "{{group}} 99 %"),
        ),
        runbooks=("HeadraceLagOld",),
    ),
    Panel(
        title="Database transactions, 99th percentile",
        text="A batch's statements and their COMMIT.",
        unit="s",
        asks=(Ask(quantile("0.99", "headrace_commit_duration_seconds"), "{{group}}"),),
        runbooks=("HeadracePostgresDown",),
    ),
)
FRESHNESS: Final = (
    Panel(
        title="Lag in seconds",
        text="Of the partition that is furthest behind.",
        unit="s",
        asks=(Ask(f"max by (projection) (headrace_projection_lag_seconds{{{VIEW}}})", "{{projection}}"),),
        runbooks=("HeadraceLagOld", "HeadraceProjectorStopped"),
    ),
    Panel(
        title="Share that is applied",
        text="Of all offsets of the topics: below 1 while a view is filled or rebuilt.",
        unit="percentunit",
        asks=(Ask(f"min by (projection) (headrace_projection_rebuild_ratio{{{VIEW}}})", "{{projection}}"),),
    ),
    Panel(
        title="Compaction lag used up by the journal",
        text="At 1 compaction may take what is nowhere else.",
        unit="percentunit",
        asks=(
            Ask(
                'max by (topic) (headrace_consumer_lag_seconds{group="headrace.project.journal"})'
                " / on (topic) max by (topic) (headrace_topic_compaction_lag_seconds)",
                "{{topic}}",
            ),
        ),
        runbooks=("HeadraceJournalNearCompaction", "HeadraceJournalStopped"),
    ),
    Panel(
        title="Partitions by process",
        text="Who owns how many.",
        unit="short",
        asks=(Ask(f"headrace_consumer_partitions{{{GROUP}}}", "{{group}} {{instance}}"),),
        runbooks=("HeadraceProjectorStopped",),
    ),
)
TROUBLE: Final = (
    Panel(
        title="Parked keys",
        text="Aggregates whose events wait because a view's code broke on one.",
        unit="short",
        asks=(Ask(f"sum by (group) (headrace_parked_keys{{{GROUP}}})", "{{group}}"),),
        runbooks=("HeadraceParkedKeys", "HeadracePartitionHalted"),
    ),
    Panel(
        title="Tried again",
        text="Database transactions tried again, and connections made anew, in five minutes.",
        unit="short",
        asks=(
            Ask(
                "sum by (instance) (increase(headrace_database_retries_total[5m]))"
                " or sum by (instance) (increase(headrace_database_reconnects_total[5m]))",
                "{{instance}}",
            ),
        ),
        runbooks=("HeadracePostgresDown",),
    ),
    Panel(
        title="Signed checkpoints",
        text="Attempts to sign where hash chains stand, in an hour; rewritten is the one that "
        "must not be. Empty without HEADRACE_AUDIT_KEY.",
        unit="short",
        asks=(
            Ask(
                "sum by (projection, result) (increase(headrace_audit_checkpoints_total[1h]))",
                "{{projection}} {{result}}",
            ),
        ),
        runbooks=("HeadraceHistoryRewritten",),
    ),
    Panel(
        title="Takeover under way",
        text="For how long partitions are being taken over, journal's catching up included.",
        unit="s",
        asks=(Ask(f"headrace_takeover_age_seconds{{{GROUP}}}", "{{group}} {{instance}}"),),
        runbooks=("HeadraceNotReady",),
    ),
)

BOARD: Final = Board(
    uid="headrace-projectors",
    title="projectors",
    text="What projectors do: events and rows, how fresh views are, the journal's distance from compaction.",
    rows={"Work": WORK, "Freshness": FRESHNESS, "Trouble": TROUBLE},
    choices=(Choice("projection", "headrace_events_applied_total"),),
)
