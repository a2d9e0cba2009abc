"""Kafka and Postgres as `headrace watch` sees them from outside, and the disks below them."""

from typing import Final

from headrace_load.dashboards.board import Ask, Board, Panel

DISKS: Final = '{fstype=~"ext.|xfs|btrfs|zfs|overlay"}'

KAFKA: Final = (
    Panel(
        title="Brokers",
        text="Brokers that are there.",
        unit="short",
        kind="stat",
        width=6,
        asks=(Ask("max(headrace_kafka_brokers)"),),
        runbooks=("HeadraceKafkaDown", "HeadraceWatchDown"),
    ),
    Panel(
        title="Partitions that lack replicas",
        text="Partitions that lack a replica in sync.",
        unit="short",
        kind="stat",
        width=6,
        asks=(Ask("sum(max by (topic) (headrace_topic_underreplicated_partitions))"),),
        runbooks=("HeadraceUnderReplicated",),
    ),
    Panel(
        title="Partitions without a leader",
        text="They take and give nothing.",
        unit="short",
        kind="stat",
        width=6,
        asks=(Ask("sum(max by (topic) (headrace_topic_leaderless_partitions))"),),
        runbooks=("HeadraceUnderReplicated",),
    ),
    Panel(
        title="Partitions that nobody reads",
        text="Of all groups that the app is to have.",
        unit="short",
        kind="stat",
        width=6,
        asks=(Ask("sum(max by (group) (headrace_group_unassigned_partitions))"),),
        runbooks=("HeadraceHandlerStopped", "HeadraceProjectorStopped", "HeadraceJournalStopped"),
    ),
    Panel(
        title="Appended",
        text="Offsets given out, markers of transactions included.",
        unit="ops",
        asks=(Ask("max by (topic) (rate(headrace_topic_appended_total[$__rate_interval]))", "{{topic}}"),),
    ),
    Panel(
        title="Open transactions",
        text="For how long one has held back the end of a topic's partition.",
        unit="s",
        asks=(Ask("max by (topic) (headrace_topic_unstable_seconds)", "{{topic}}"),),
        runbooks=("HeadraceTransactionOpen",),
    ),
    Panel(
        title="Members of groups",
        text="Processes in each consumer group.",
        unit="short",
        asks=(Ask("max by (group) (headrace_group_members)", "{{group}}"),),
        runbooks=("HeadraceHandlerStopped", "HeadraceProjectorStopped"),
    ),
    Panel(
        title="What waits for groups",
        text="How old the oldest record is that waits for a group, whether a process of it runs or not.",
        unit="s",
        asks=(Ask("max by (group) (headrace_group_lag_seconds)", "{{group}}"),),
        runbooks=("HeadraceLagOld", "HeadraceJournalNearCompaction", "HeadraceRestarting"),
    ),
    Panel(
        title="Free disk",
        text="Share of each disk that is free, by node exporter.",
        unit="percentunit",
        asks=(
            Ask(
                f"min by (instance, mountpoint) (node_filesystem_avail_bytes{DISKS}"
                f" / node_filesystem_size_bytes{DISKS})",
                "{{instance}} {{mountpoint}}",
            ),
        ),
        runbooks=("HeadraceDiskFilling",),
    ),
)
POSTGRES: Final = (
    Panel(
        title="Postgres",
        text="1 when it answered at the last look.",
        unit="short",
        kind="stat",
        width=6,
        asks=(Ask("max(headrace_postgres_up)"),),
        runbooks=("HeadracePostgresDown",),
    ),
    Panel(
        title="Size",
        text="Of the database.",
        unit="bytes",
        kind="stat",
        width=6,
        asks=(Ask("max(headrace_postgres_database_bytes)"),),
        runbooks=("HeadraceDiskFilling",),
    ),
    Panel(
        title="From the cache",
        text="Share of the blocks needed that lay in the cache.",
        unit="percentunit",
        kind="stat",
        width=6,
        asks=(
            Ask(
                'sum(rate(headrace_postgres_blocks_total{source="cache"}[5m]))'
                " / sum(rate(headrace_postgres_blocks_total[5m]))"
            ),
        ),
    ),
    Panel(
        title="Oldest transaction",
        text="Under way in the database: what is long holds locks, and vacuum up.",
        unit="s",
        kind="stat",
        width=6,
        asks=(Ask("max(headrace_postgres_oldest_transaction_seconds)"),),
    ),
    Panel(
        title="Database transactions",
        text="Committed and rolled back.",
        unit="ops",
        asks=(Ask("max by (result) (rate(headrace_postgres_transactions_total[$__rate_interval]))", "{{result}}"),),
    ),
    Panel(
        title="Sessions",
        text="By state, and how many the server allows.",
        unit="short",
        asks=(
            Ask("max by (state) (headrace_postgres_connections)", "{{state}}"),
            Ask("max(headrace_postgres_max_connections)", "allowed"),
        ),
        runbooks=("HeadracePostgresDown",),
    ),
    Panel(
        title="Tables",
        text="The ten largest, with their indexes.",
        unit="bytes",
        asks=(Ask("topk(10, max by (table) (headrace_postgres_table_bytes))", "{{table}}"),),
        runbooks=("HeadraceDiskFilling",),
    ),
    Panel(
        title="Deadlocks in an hour",
        text="One of the two is tried again.",
        unit="short",
        asks=(Ask("max(increase(headrace_postgres_deadlocks_total[1h]))"),),
    ),
    Panel(
        title="Standbys",
        text="Write-ahead log that each has not replayed yet. Empty without a standby.",
        unit="bytes",
        asks=(Ask("max by (standby) (headrace_postgres_replication_lag_bytes)", "{{standby}}"),),
        runbooks=("HeadracePostgresReplicationLag",),
    ),
)

BOARD: Final = Board(
    uid="headrace-servers",
    title="Kafka and Postgres",
    text="Brokers, topics and groups, the database, and the disks, from outside of the services.",
    rows={"Kafka": KAFKA, "Postgres": POSTGRES},
)
