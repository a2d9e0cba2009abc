"""`python -m headrace_load.mutants`: all mutants, what each breaks and what catches it."""

from rich.console import Console
from rich.table import Table

from headrace_load.mutants import MUTANTS


def main() -> None:
    """Print the table."""
    table = Table("mutant", "what it breaks", "caught by", box=None, pad_edge=False, header_style="dim")
    for mutant in MUTANTS.values():
        table.add_row(mutant.name, mutant.breaks, mutant.caught_by or "(only beside another)")
    Console().print(table)


if __name__ == "__main__":
    main()
