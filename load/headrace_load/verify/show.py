"""How a report looks to a person: a table on a terminal, plain lines elsewhere."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headrace_load.verify.report import Check, Report


def show(report: Report, console: Console) -> None:
    """Print the checks, then what is wrong, then the verdict."""
    if console.is_terminal:
        console.print(_table(report))
    else:
        for check in report.checks:
            console.print(_plain_line(check), soft_wrap=True, highlight=False, markup=False)
    for line in _problems(report):
        console.print(Text(line), soft_wrap=True)
    console.print(Text(verdict(report), style="green" if report.ok else "bold red"), soft_wrap=True)


def verdict(report: Report) -> str:
    """The report in one line."""
    failed = [check.name for check in report.checks if not check.ok]
    if failed:
        total = sum(check.problems_total for check in report.checks)
        return f"{total} problems, named by {', '.join(failed)} ({report.seconds:.1f} s)"
    idle = [check.name for check in report.checks if not check.looked]
    passed = f"all {len(report.checks)} checks passed"
    if idle:
        passed = f"{len(report.checks) - len(idle)} checks passed, nothing to look at for {', '.join(idle)}"
    return f"{passed} ({report.seconds:.1f} s)"


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "check", "of", "claim", "counted"):
        table.add_column(column, overflow="fold")
    for check in report.checks:
        mark = Text("✓" if check.looked else "-", style="green")
        if not check.ok:
            mark = Text(f"✗ {check.problems_total}", style="bold red")
        table.add_row(mark, check.name, " ".join(check.invariants), check.claim, Text(_counted(check), style="dim"))
    return table


def _plain_line(check: Check) -> str:
    mark = "ok" if check.looked else "-"
    if not check.ok:
        mark = f"WRONG ({check.problems_total})"
    invariants = " ".join(check.invariants)
    return f"{mark:<10} {check.name:<10} {invariants:<10} {check.claim}: {_counted(check) or 'nothing to look at'}"


def _counted(check: Check) -> str:
    return ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in check.counted.items())


def _problems(report: Report) -> Iterator[str]:
    for check in report.checks:
        yield from (f"  {check.name}: {problem}" for problem in check.problems)
        if more := check.problems_total - len(check.problems):
            yield f"  {check.name}: and {more:,} more"
