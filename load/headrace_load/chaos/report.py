"""The report of a run, for people."""

from rich.console import Console
from rich.table import Table

from headrace_load.chaos.findings import Result
from headrace_load.chaos.schedule import SESSION_S, TRANSACTION_S

AIM_S = SESSION_S + TRANSACTION_S + 5


def show(result: Result, console: Console) -> None:
    """Print the figures, then what was found."""
    sent, asked = (
        ", ".join(f"{count:,} {what}" for what, count in some.items()) for some in (result.sent, result.asked)
    )
    console.print(f"asked: {asked}", f"sent: {sent}; {result.outcomes:,} outcomes seen", sep="\n", soft_wrap=True)
    console.print(_gaps(result))
    longest = {
        who: result.observed.longest(who) for who in dict.fromkeys(one.who for one in result.observed.standstills)
    }
    told = ", ".join(f"{who} {seconds:.1f} s" for who, seconds in longest.items())
    console.print(f"longest standstills as an observer saw them: {told}", soft_wrap=True)
    console.print(f"longest time that a transaction held readers up: {result.longest_open_s:.1f} s", soft_wrap=True)
    console.print(_trends(result))
    console.print(_endings(result))
    for check in result.report.checks:
        counted = ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in check.counted.items())
        console.print(f"{'ok' if check.ok else 'WRONG':<6} {check.name:<10} {counted}", soft_wrap=True)
    for finding in result.findings:
        console.print(f"finding: {finding}", soft_wrap=True, markup=False)
    console.print(
        f"seed {result.seed}, {len(result.planned)} faults in {result.minutes:g} minutes: "
        f"{'nothing found' if result.ok else f'{len(result.findings)} findings'}",
        soft_wrap=True,
    )


def _gaps(result: Result) -> Table:
    table = Table("class", "longest without progress", "after the heal", "fault", "partition", box=None, pad_edge=False)
    for gap in result.gaps:
        over = " (aim: 18)" if gap.seconds > AIM_S else ""
        fault = f"{gap.number} {gap.fault}"
        row = (gap.fault_class, f"{gap.seconds:.1f} s{over}", f"{gap.after_heal:.1f} s", fault, str(gap.partition))
        table.add_row(*row)
    return table


def _trends(result: Result) -> Table:
    columns = ("long-lived", "pid", "seconds", "MB", "MB a minute", "files", "a minute", "threads", "a minute")
    table = Table(*columns, box=None, pad_edge=False)
    for one in result.trends:
        memory = (f"{one.rss_mb:.0f}", f"{one.rss_mb_a_minute:+.2f}")
        rest = (str(one.fds), f"{one.fds_a_minute:+.2f}", str(one.threads), f"{one.threads_a_minute:+.2f}")
        table.add_row(one.service, str(one.pid), f"{one.seconds:.0f}", *memory, *rest)
    return table


def _endings(result: Result) -> Table:
    table = Table("service", "times", "ended because", box=None, pad_edge=False)
    for name, why in sorted(result.endings.items()):
        for reason, count in why.most_common():
            table.add_row(name, str(count), reason)
    return table
