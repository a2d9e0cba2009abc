"""What handlers do: commands and events, batches and transactions, takeovers, the processes themselves."""

from typing import Final

from headrace_load.dashboards.board import Ask, Board, Choice, Panel

GROUP: Final = 'group=~"headrace[.]handle[.]($aggregate)"'


def quantile(share: str, metric: str) -> str:
    """A quantile of a histogram of the handlers', by group."""
    return f"histogram_quantile({share}, sum by (le, group) (rate({metric}_bucket{{{GROUP}}}[$__rate_interval])))"


WORK: Final = (
    Panel(
        title="Commands by type",
        text="Commands answered, whatever the answer.",
        unit="ops",
        asks=(
            Ask(
                'sum by (command) (rate(headrace_commands_total{aggregate=~"$aggregate"}[$__rate_interval]))',
                "{{command}}",
            ),
        ),
    ),
    Panel(
        title="Outcomes",
        text="How commands ended.",
        unit="ops",
        asks=(
            Ask(
                'sum by (aggregate, outcome) (rate(headrace_commands_total{aggregate=~"$aggregate"}'
                "[$__rate_interval]))",
                "{{aggregate}} {{outcome}}",
            ),
        ),
    ),
    Panel(
        title="Events by type",
        text="Events written.",
        unit="ops",
        asks=(
            Ask(
                'sum by (event) (rate(headrace_events_appended_total{aggregate=~"$aggregate"}[$__rate_interval]))',
                "{{event}}",
            ),
        ),
    ),
    Panel(
        title="Set aside or parked",
        text="Records that were no command, and commands on which our code broke, by reason.",
        unit="ops",
        asks=(
            Ask(
                "sum by (topic, reason) (rate(headrace_dead_letters_total[$__rate_interval]))"
                f" or sum by (group) (headrace_parked_keys{{{GROUP}}}) * 0",
                "{{topic}} {{reason}}",
            ),
        ),
        runbooks=("HeadraceParkedKeys", "HeadracePartitionHalted"),
    ),
)
BATCHES: Final = (
    Panel(
        title="Records in a transaction",
        text="The average: more under load, since batches fill.",
        unit="short",
        asks=(
            Ask(
                f"sum by (group) (rate(headrace_batch_records_sum{{{GROUP}}}[$__rate_interval]))"
                f" / sum by (group) (rate(headrace_batch_records_count{{{GROUP}}}[$__rate_interval]))",
                "{{group}}",
            ),
        ),
    ),
    Panel(
        title="Transactions",
        text="Batches by what became of their transaction.",
        unit="ops",
        asks=(
            Ask(
                f"sum by (group, result) (rate(headrace_transactions_total{{{GROUP}}}[$__rate_interval]))",
                "{{group}} {{result}}",
            ),
        ),
        runbooks=("HeadraceTransactionOpen",),
    ),
    Panel(
        title="A batch, 99th percentile",
        text="From a batch's last record until it is committed.",
        unit="s",
        asks=(Ask(quantile("0.99", "headrace_batch_duration_seconds"), "{{group}}"),),
    ),
    Panel(
        title="A commit, 99th percentile",
        text="Of that: flush, offsets and commit, which the brokers take.",
        unit="s",
        asks=(Ask(quantile("0.99", "headrace_commit_duration_seconds"), "{{group}}"),),
    ),
    Panel(
        title="Command to outcome",
        text="From a command's place in the log until its outcome is committed: median and "
        "99th percentile of each batch's first record.",
        unit="s",
        asks=(
            Ask(quantile("0.5", "headrace_end_to_end_latency_seconds"), "{{group}} median"),
            Ask(quantile("0.99", "headrace_end_to_end_latency_seconds"), "{{group}} 99 %"),
        ),
        runbooks=("HeadraceLagOld",),
    ),
    Panel(
        title="Lag in seconds",
        text="How old the oldest unanswered command of a partition is at most.",
        unit="s",
        asks=(Ask(f"max by (topic, partition) (headrace_consumer_lag_seconds{{{GROUP}}})", "{{topic}} {{partition}}"),),
        runbooks=("HeadraceLagOld",),
    ),
)
PROCESSES: Final = (
    Panel(
        title="Partitions by process",
        text="Who owns how many.",
        unit="short",
        asks=(Ask(f"headrace_consumer_partitions{{{GROUP}}}", "{{group}} {{instance}}"),),
        runbooks=("HeadraceHandlerStopped", "HeadraceTargetDown"),
    ),
    Panel(
        title="Takeover under way",
        text="For how long partitions are being restored; 0 when none are.",
        unit="s",
        asks=(Ask(f"headrace_takeover_age_seconds{{{GROUP}}}", "{{group}} {{instance}}"),),
        runbooks=("HeadraceRestoreStuck", "HeadraceNotReady"),
    ),
    Panel(
        title="Takeovers, average",
        text="How long takeovers took since the processes began.",
        unit="s",
        asks=(
            Ask(
                f"sum by (group) (headrace_takeover_duration_seconds_sum{{{GROUP}}})"
                f" / sum by (group) (headrace_takeover_duration_seconds_count{{{GROUP}}})",
                "{{group}}",
            ),
        ),
        runbooks=("HeadraceRestoreStuck",),
    ),
    Panel(
        title="Sign of life",
        text="How long ago the loop came round; a watchdog ends what stands still.",
        unit="s",
        asks=(Ask(f"headrace_heartbeat_age_seconds{{{GROUP}}}", "{{group}} {{instance}}"),),
        runbooks=("HeadraceTargetDown",),
    ),
    Panel(
        title="What is in memory",
        text="Aggregates whose state a group's processes hold, and outcomes that resends are answered with.",
        unit="short",
        asks=(
            Ask(f"sum by (group) (headrace_aggregates{{{GROUP}}})", "aggregates {{group}}"),
            Ask(f"sum by (group) (headrace_remembered_outcomes{{{GROUP}}})", "outcomes {{group}}"),
        ),
    ),
    Panel(
        title="Memory",
        text="Resident memory of each process.",
        unit="bytes",
        asks=(
            Ask(
                f"process_resident_memory_bytes * on (instance) group_left (group) headrace_ready{{{GROUP}}} ^ 0",
                "{{group}} {{instance}}",
            ),
        ),
    ),
    Panel(
        title="Processor",
        text="Cores that each process uses.",
        unit="short",
        asks=(
            Ask(
                "rate(process_cpu_seconds_total[$__rate_interval])"
                f" * on (instance) group_left (group) headrace_ready{{{GROUP}}} ^ 0",
                "{{group}} {{instance}}",
            ),
        ),
    ),
    Panel(
        title="Producers given up",
        text="Clients replaced after a connection broke in use, in five minutes.",
        unit="short",
        asks=(Ask("sum by (instance) (increase(headrace_producers_recycled_total[5m]))", "{{instance}}"),),
        runbooks=("HeadraceKafkaDown",),
    ),
)

BOARD: Final = Board(
    uid="headrace-handlers",
    title="handlers",
    text="What handlers do: commands and events, batches and transactions, takeovers, the processes themselves.",
    rows={"Work": WORK, "Batches": BATCHES, "Processes": PROCESSES},
    choices=(Choice("aggregate", "headrace_commands_total"),),
)
