"""What reactors send, what waits, and how money moves: the bank's accounts and transfers."""

from typing import Final

from headrace_load.dashboards.board import Ask, Board, Choice, Panel

GROUP: Final = 'group=~"headrace[.]react[.]($reactor)"'
TRANSFERS: Final = 'sum by (event) (rate(headrace_events_appended_total{aggregate="transfers"}[$__rate_interval]))'
ACCOUNTS: Final = 'sum by (event) (rate(headrace_events_appended_total{aggregate="accounts"}[$__rate_interval]))'
BEGUN: Final = 'sum(increase(headrace_events_appended_total{event="TransferRequested"}[5m]))'
ENDED: Final = (
    'sum by (event) (increase(headrace_events_appended_total{event=~"TransactionCompleted|TransferFailed|'
    'TransferExpired"}[5m]))'
)

REACTORS: Final = (
    Panel(
        title="Sent",
        text="Commands that reactors have sent, and timers set or taken back, by topic.",
        unit="ops",
        asks=(
            Ask(
                'sum by (reactor, topic) (rate(headrace_messages_sent_total{reactor=~"$reactor"}[$__rate_interval]))',
                "{{reactor}} {{topic}}",
            ),
        ),
    ),
    Panel(
        title="Timers",
        text="Timers that have not fired yet: a process each that has a deadline.",
        unit="short",
        asks=(Ask(f"sum by (group) (headrace_timers{{{GROUP}}})", "{{group}}"),),
    ),
    Panel(
        title="Lag in seconds",
        text="How old the oldest event or outcome is that was not reacted to.",
        unit="s",
        asks=(Ask(f"max by (group, topic) (headrace_consumer_lag_seconds{{{GROUP}}})", "{{group}} {{topic}}"),),
        runbooks=("HeadraceLagOld", "HeadraceHandlerStopped"),
    ),
    Panel(
        title="A batch, 99th percentile",
        text="From a batch's last record until what follows from it is committed.",
        unit="s",
        asks=(
            Ask(
                "histogram_quantile(0.99, sum by (le, group) (rate(headrace_batch_duration_seconds_bucket"
                f"{{{GROUP}}}[$__rate_interval])))",
                "{{group}}",
            ),
        ),
    ),
    Panel(
        title="Parked keys",
        text="Aggregates on whose events or outcomes a reactor broke.",
        unit="short",
        asks=(Ask(f"sum by (group) (headrace_parked_keys{{{GROUP}}})", "{{group}}"),),
        runbooks=("HeadraceParkedKeys",),
    ),
    Panel(
        title="Partitions by process",
        text="Who owns how many.",
        unit="short",
        asks=(Ask(f"headrace_consumer_partitions{{{GROUP}}}", "{{group}} {{instance}}"),),
        runbooks=("HeadraceHandlerStopped",),
    ),
)
MONEY: Final = (
    Panel(
        title="Transfers by step",
        text="Each transfer goes from requested to completed, or fails and gives back what was held.",
        unit="ops",
        asks=(Ask(TRANSFERS, "{{event}}"),),
    ),
    Panel(
        title="Begun and ended in five minutes",
        text="What has begun and not ended is under way, or waits for a second "
        "person; `headrace processes list --stuck` names what waits for too long.",
        unit="short",
        asks=(Ask(BEGUN, "begun"), Ask(ENDED, "{{event}}")),
    ),
    Panel(
        title="Movements on accounts",
        text="Holds placed, settled and released, credits, deposits, withdrawals.",
        unit="ops",
        asks=(Ask(ACCOUNTS, "{{event}}"),),
    ),
    Panel(
        title="Refusals of accounts",
        text="Why accounts did not take a command: funds, a freeze, another currency.",
        unit="ops",
        asks=(
            Ask(
                'sum by (code) (rate(headrace_commands_total{aggregate="accounts", outcome="refused"}'
                "[$__rate_interval]))",
                "{{code}}",
            ),
        ),
    ),
)

BOARD: Final = Board(
    uid="headrace-processes",
    title="processes and money",
    text="What reactors send, what waits, and how money moves between accounts.",
    rows={"Reactors": REACTORS, "Money": MONEY},
    choices=(Choice("reactor", "headrace_messages_sent_total"),),
)
